"""A DAG that is scheduled on what lands is started by a real scheduler, and told what has landed."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from standalone import wait_until

from airflow_provider_assets.sandbox import running

pytestmark = [pytest.mark.airflow, pytest.mark.chaos]
FLAGS = ("--items", "0", "--day", "2026-01-09=3", "--item-bytes", "2000", "--job-seconds", "0.2")


def test_a_landing_starts_the_dag_that_waits_for_it(airflow, tmp_path):
    with running("--vendor", "scenario", *FLAGS) as sandbox:
        airflow.connect("produced", sandbox.scenario["connection"])
        conf = {"conn_id": "produced", "destination": tmp_path.as_uri()}
        airflow.trigger("producer", "one", conf)

        def started() -> list[str]:
            runs = airflow.ask("GET", "/dags/consumer/dagRuns")["dag_runs"]
            return [run["dag_run_id"] for run in runs if run["state"] == "success"]

        (run_id,) = wait_until(started, "the consumer has run")
    (told,) = airflow.result("consumer", run_id, "told")
    assert told["vendor"] == "scenario"
    assert told["conn_id"] == "produced"
    assert told["window"] == ["2026-01-09T00:00:00.000Z", "2026-01-10T00:00:00.000Z"]
    assert (told["items"], told["entries"], told["batch"], told["batches"]) == (3, 3, 1, 1)
    assert told["skipped"] is False
    for name in ("uri", "manifest_uri", "metadata_uri"):
        assert Path(unquote(urlsplit(told[name]).path)).is_file()
