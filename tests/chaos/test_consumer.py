"""DAGs that are started by a real scheduler: by what lands, and by what a vendor lists."""

from __future__ import annotations

import signal
from datetime import datetime, timezone
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


def test_new_items_are_announced_once_however_the_triggerer_ends(airflow):
    """Two assets share the watch; the state of each is Airflow's own."""
    with running("--vendor", "scenario", "--items", "0") as sandbox:

        def appear() -> None:
            sandbox.add_late_item("scenario", datetime.now(timezone.utc).isoformat())

        def announced(items: int) -> list[tuple[str, str]] | None:
            """The windows of the events, once they count so many items."""
            runs = airflow.ask("GET", "/dags/watching/dagRuns")["dag_runs"]
            done = [run["dag_run_id"] for run in runs if run["state"] == "success"]
            events = [airflow.result("watching", run_id, "announced") for run_id in done]
            new, also = (
                {tuple(one["window"]): one["items"] for event in events for one in event[uri]}
                for uri in ("asset-exports://chaos/new", "asset-exports://chaos/also_new")
            )
            return sorted(new) if new == also and sum(new.values()) == items else None

        airflow.connect("watched", sandbox.scenario["connection"])
        appear()
        (first,) = wait_until(lambda: announced(1), "a run for the first item")
        airflow.stop_triggerer(signal.SIGKILL)
        appear()
        airflow.start_triggerer()
        again, second = wait_until(lambda: announced(2), "a run for the second item")
    assert again == first
    assert first[1] <= second[0]
