"""A backfill that Airflow's own command creates, run by a real scheduler, forwards and backwards."""

from __future__ import annotations

import zipfile
from typing import Any

import pytest
from standalone import LockedError, Standalone, wait_until

from airflow_provider_assets.sandbox import running

pytestmark = [pytest.mark.airflow, pytest.mark.chaos]
DAG_ID = "scenario_backfill"
# The day of nothing has a run as well; the last item belongs to a day that no run exports.
DAYS = {"2026-01-05": 3, "2026-01-06": 5, "2026-01-07": 0, "2026-01-08": 4, "2026-01-09": 2}
BEYOND = {"2026-01-04": 2, "2026-01-10": 2}


@pytest.fixture
def scenario():
    flags = [f"{day}={count}" for day, count in (DAYS | BEYOND).items()]
    with running(
        "--vendor", "scenario", "--items", "0", "--item-bytes", "2000", "--job-seconds", "0.2",
        *(word for flag in flags for word in ("--day", flag)),
    ) as sandbox:  # fmt: skip
        yield sandbox


def backfill(airflow: Standalone, first: str, last: str, *flags: str) -> None:
    """Create the backfill of the runs of these dates and wait for their end."""
    words = ("--dag-id", DAG_ID, "--from-date", first, "--to-date", last, *flags)
    for _ in range(9):
        try:
            airflow.command("backfill", "create", *words)
            break
        except LockedError:
            # A backfill that was created in part is cancelled, which fails its runs, and created again.
            for one in backfills(airflow):
                if one["completed_at"] is None:
                    airflow.ask("PUT", f"/backfills/{one['id']}/cancel")
            if "--reprocess-behavior" not in words:
                words += ("--reprocess-behavior", "failed")
    wanted = set(range(int(first[-2:]), int(last[-2:]) + 1))

    def ended() -> bool:
        # Airflow looks for ended backfills now and then, and takes no other one of the DAG before.
        if any(one["completed_at"] is None for one in backfills(airflow)):
            return False
        done = {
            int(run["logical_date"][8:10]) for run in runs(airflow) if run["state"] == "success"
        }
        return wanted <= done

    wait_until(ended, f"the runs of {first} to {last} end", 180)


def backfills(airflow: Standalone) -> list[dict[str, Any]]:
    return list(airflow.ask("GET", f"/backfills?dag_id={DAG_ID}")["backfills"])


def runs(airflow: Standalone) -> list[dict[str, str]]:
    """Those of the backfills; the schedule has one as well, for last night."""
    return list(airflow.ask("GET", f"/dags/{DAG_ID}/dagRuns?run_type=backfill")["dag_runs"])


def test_each_item_of_the_days_lands_once(airflow, scenario):
    airflow.connect("scenario_default", scenario.scenario["connection"])
    backfill(airflow, "2026-01-06", "2026-01-08")
    backfill(airflow, "2026-01-09", "2026-01-10", "--run-backwards", "--max-active-runs", "1")
    landed = [
        name.rpartition("/")[2].partition(".")[0]
        for archive in (airflow.home / "exported").glob("*.zip")
        for name in zipfile.ZipFile(archive).namelist()
    ]
    listed = scenario.items("scenario", start="2026-01-05", end="2026-01-10")
    assert sorted(landed) == sorted(item["id"] for item in listed if item["exportable"])
    assert len(landed) == len(set(landed))
    assert scenario.stats()["totals"]["accepted"] == sum(count > 0 for count in DAYS.values())
    backwards = [run for run in runs(airflow) if run["logical_date"] >= "2026-01-09"]
    assert len(backwards) == 2
    order = sorted(backwards, key=lambda run: run["start_date"])
    assert [run["logical_date"][:10] for run in order] == ["2026-01-10", "2026-01-09"]
