"""The folders that the recipe *Unpack* offers are those of the exported day, or of the run."""

from __future__ import annotations

import re

import pytest
from airflow.utils.types import DagRunType
from airflow_runs import day
from doc_pages import TEXTS

from airflow_provider_assets.airflow_compat import VERSION
from airflow_provider_assets.exports import asset_export

pytestmark = [pytest.mark.airflow, pytest.mark.long]
SECTION = TEXTS["docs/recipes.md"].partition("### Which folder")[2].partition("\n## ")[0]
BY_DAY, BY_ZONE, BY_PARTITION, BY_RUN = re.findall(r"^\| `(.+?)/` \|", SECTION, re.MULTILINE)


def folders_of(airflow, folder, root, *runs, **options):
    """Whether each run of one DAG found its files in place, and the folders with a manifest afterwards."""
    dag = airflow.dag(
        lambda: asset_export(
            "export",
            conn_id="scenario_default",
            destination=f"{root.as_uri()}/{folder}/",
            layout="files",
            plans=root.as_uri(),
        ),
        **options,
    )
    found = [airflow.run(dag, **run).result("export.land", 0)["skipped"] for run in runs]
    return found, sorted(path.parent.name for path in root.rglob("*.manifest.json"))


def test_the_folder_of_the_day_is_the_day_that_is_exported_in_repeated_runs_too(
    airflow, sandbox, tmp_path
):
    runs = ({"logical_date": "2026-01-07"}, {"logical_date": "2026-01-07T15:00:00"})
    skipped, found = folders_of(airflow, BY_DAY, tmp_path, *runs)
    assert (skipped, found) == ([False, True], ["day=2026-01-06"])
    assert {path.parent for path in tmp_path.rglob(".plans")} == {tmp_path}


def test_the_folder_of_another_time_zone_is_its_day(airflow, sandbox, tmp_path):
    from airflow.sdk import CronTriggerTimetable

    run = {"logical_date": "2026-01-06T23:00:00"}  # the seventh begins there
    schedule = CronTriggerTimetable("@daily", timezone="Europe/Berlin")
    _, found = folders_of(airflow, BY_ZONE, tmp_path, run, schedule=schedule)
    assert found == ["2026-01-06"]


@pytest.mark.skipif(VERSION < (3, 2), reason="partitions came with Airflow 3.2")
def test_the_folder_of_a_partition_is_its_key(airflow, sandbox, tmp_path):
    from airflow.sdk import CronPartitionTimetable

    schedule = CronPartitionTimetable(
        "0 0 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d"
    )
    run = {"logical_date": None, "partition_key": "2026-01-06", "run_type": DagRunType.SCHEDULED}
    _, found = folders_of(airflow, BY_PARTITION, tmp_path, run, schedule=schedule)
    assert found == ["2026-01-06"]


def test_the_folder_of_the_run_lands_a_window_again(airflow, sandbox, tmp_path):
    runs = ({"logical_date": "2026-01-07"}, {"logical_date": "2026-01-07T15:00:00"})
    skipped, found = folders_of(airflow, BY_RUN, tmp_path, *runs)
    assert (skipped, len(found)) == ([False, False], 2)


def test_the_folder_of_the_day_is_undefined_without_a_logical_date(airflow, sandbox, tmp_path):
    dag = airflow.dag(
        lambda: asset_export(
            "export",
            conn_id="scenario_default",
            destination=f"{tmp_path.as_uri()}/{BY_DAY}/",
            window=(day("2026-01-06"), day("2026-01-07")),
        )
    )
    run = airflow.run(dag, None)
    assert run.state == "failed"
    assert "ds" in str(run.error)
