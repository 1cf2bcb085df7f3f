from __future__ import annotations

import importlib.util
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk import (
    DAG,
    Asset,
    AssetOrTimeSchedule,
    CronDataIntervalTimetable,
    CronPartitionTimetable,
    CronTriggerTimetable,
    DeltaTriggerTimetable,
    PartitionedAssetTimetable,
    StartOfDayMapper,
)
from airflow.utils.types import DagRunType
from airflow_runs import day
from exported import CONN, archive, archives, export, exportable, ids_in, read

from airflow_provider_assets.run_timing import resolve_window
from airflow_provider_assets.sansio.errors import InvalidRequestError

pytestmark = pytest.mark.airflow
EXAMPLE = Path(__file__).parents[2] / "dags_examples" / "scenario_nightly_export.py"
CRON = "0 0 * * *"
INTERVAL = (day("2026-01-06"), day("2026-01-07"))


def test_three_days_of_the_example_land_three_disjoint_windows(airflow, sandbox, s3, monkeypatch):
    monkeypatch.setenv("EXPORT_TO", "s3://s3_test@exports/scenario/")
    spec = importlib.util.spec_from_file_location("example", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for date in ("2026-01-06", "2026-01-07", "2026-01-08"):
        run = airflow.run(module.dag, date)
        assert run.state == "success", run.states
    stored = archives(s3())
    assert len(stored) == 3
    landed = [item for data in stored.values() for item in ids_in(data)]
    assert len(landed) == len(set(landed)) == 16
    assert sorted(landed) == exportable(sandbox, "2026-01-05", "2026-01-08")


@pytest.mark.parametrize(
    ("window", "span"),
    [
        (("2026-01-05T00:00:00Z", None), ("2026-01-05", "2026-01-07T09:30:00")),
        ((None, "{{ '2026-01-06T00:00:00Z' }}"), ("1970-01-01", "2026-01-06")),
    ],
)
def test_a_window_with_one_bound_is_the_same_when_it_is_cleared(airflow, sandbox, window, span):
    dag = airflow.dag(lambda: archive(window=window, mode="links"))
    run = airflow.run(dag, "2026-01-07T09:30:00")
    for one in (run, airflow.clear(dag, run)):
        (reference,) = one.result("archive")
        request = reference["request"]
        assert [day(text[:19]) for text in request["window"]] == [day(text) for text in span]
        assert sorted(request["items"]["asset_ids"]) == exportable(sandbox, *span)


def cron_interval():
    return CronDataIntervalTimetable(CRON, timezone="UTC")


def cron_partition(**options):
    return CronPartitionTimetable(CRON, timezone="UTC", **options)


SIXTH = {
    "daily, scheduled: zero width": (
        "@daily",
        {"logical_date": "2026-01-07", "run_type": DagRunType.SCHEDULED},
    ),
    "daily, manual at some hour": ("@daily", {"logical_date": "2026-01-07T09:30:00"}),
    "daily, backfill": (
        "@daily",
        {"logical_date": "2026-01-07", "run_type": DagRunType.BACKFILL_JOB},
    ),
    "daily, manual without logical date": (
        "@daily",
        {"logical_date": None, "run_after": day("2026-01-07T03:00:00")},
    ),
    "data interval, scheduled": (
        cron_interval,
        {
            "logical_date": "2026-01-06",
            "run_type": DagRunType.SCHEDULED,
            "data_interval": INTERVAL,
        },
    ),
    "data interval, manual": (cron_interval, {"logical_date": "2026-01-07T05:00:00"}),
    "data interval, backfill": (
        cron_interval,
        {
            "logical_date": "2026-01-06",
            "run_type": DagRunType.BACKFILL_JOB,
            "data_interval": INTERVAL,
        },
    ),
    "partition, key of the day": (
        lambda: cron_partition(key_format="%Y-%m-%d", run_offset=-1),
        {
            "logical_date": None,
            "run_type": DagRunType.SCHEDULED,
            "partition_key": "2026-01-06",
            "run_after": day("2026-01-07"),
        },
    ),
    "partition, key to the second": (
        lambda: cron_partition(run_offset=-1),
        {
            "logical_date": None,
            "run_type": DagRunType.BACKFILL_JOB,
            "partition_key": "2026-01-06T00:00:00",
            "run_after": day("2026-01-07"),
        },
    ),
    "asset triggered, with a partition": (
        lambda: PartitionedAssetTimetable(assets=Asset("new_pictures")),
        {
            "logical_date": None,
            "run_type": DagRunType.ASSET_TRIGGERED,
            "partition_key": "2026-01-06",
        },
    ),
    "asset triggered, with a partition that its mapper explains": (
        lambda: PartitionedAssetTimetable(
            assets=Asset("new_pictures"),
            default_partition_mapper=StartOfDayMapper(output_format="%Y-%m-%dT%H:%M:%S"),
        ),
        {
            "logical_date": None,
            "run_type": DagRunType.ASSET_TRIGGERED,
            "partition_key": "2026-01-06T00:00:00",
        },
    ),
}
ONE_DAY = {
    "a timedelta, no schedule": (None, {"logical_date": "2026-01-07"}),
    "a timedelta, without logical date": (
        None,
        {"logical_date": None, "run_after": day("2026-01-07")},
    ),
    "a pair, asset triggered": (
        None,
        {"logical_date": None, "run_type": DagRunType.ASSET_TRIGGERED},
    ),
}


@pytest.mark.parametrize("name", [*SIXTH, *ONE_DAY])
def test_every_kind_of_run_exports_the_same_day(name, airflow, sandbox):
    schedule, run = {**SIXTH, **ONE_DAY}[name]
    window = "auto"
    if name in ONE_DAY:
        pair = ("2026-01-06T00:00:00Z", "2026-01-07T01:00:00+01:00")
        window = pair if "pair" in name else timedelta(days=1)
    done = airflow(
        lambda: archive(window=window, wait_for_completion=False),
        schedule=schedule() if callable(schedule) else schedule,
        run=run,
    )
    assert done.state == "success", done.tries
    (reference,) = done.result("archive")
    request = reference["request"]
    assert request["window"] == ["2026-01-06T00:00:00.000Z", "2026-01-07T00:00:00.000Z"]
    assert sorted(request["items"]["asset_ids"]) == exportable(sandbox, "2026-01-06", "2026-01-07")


@pytest.mark.parametrize("window", ["all", None], ids=repr)
def test_everything_there_is_lands_every_night_under_the_date_of_its_run(
    airflow, sandbox, folder, window
):
    """The same items each night: no night may be taken for another one's landing."""
    select = {"types": ["uploaded"]}
    dag = airflow.dag(export(folder.as_uri(), window=window, select=select))
    jobs = []
    for date in ("2026-01-06", "2026-01-07"):
        run = airflow.run(dag, date)
        assert run.state == "success", run.tries
        (manifest,) = run.results("export.land")
        assert not manifest["skipped"]
        assert date.replace("-", "") in manifest["uri"]
        jobs.append(manifest["facts"]["job_id"])
    assert len(set(jobs)) == 2
    first, second = (sorted(ids_in(data)) for data in archives(read(folder)).values())
    everything = sandbox.items("scenario", start="2000-01-01", end="2030-01-01")
    assert first == second
    assert set(first) <= {item["id"] for item in everything if item["exportable"]}


def test_a_run_that_can_know_no_window_says_what_to_pass(airflow, sandbox):
    run = airflow(archive, schedule=None, run={"logical_date": None})
    assert type(run.error).__name__ == "InvalidRequestError"
    assert "pass window=timedelta(days=1)" in str(run.error)
    assert sandbox.stats()["totals"]["requests"] == 0


def test_a_partition_of_a_length_that_nothing_tells_is_not_exported(airflow, sandbox):
    """The key of a daily producer, by Airflow's default: its first hour must not pass for the day."""
    run = airflow(
        archive,
        schedule=PartitionedAssetTimetable(assets=Asset("new_pictures")),
        run={
            "logical_date": None,
            "run_type": DagRunType.ASSET_TRIGGERED,
            "partition_key": "2026-01-06T00:00:00",
        },
    )
    assert type(run.error).__name__ == "InvalidRequestError"
    assert "default_partition_mapper=StartOfDayMapper" in str(run.error)
    assert sandbox.stats()["totals"]["requests"] == 0


def test_a_window_in_another_zone_ends_where_the_next_begins(airflow, sandbox):
    dag = airflow.dag(
        lambda: archive(wait_for_completion=False, on_empty="succeed"),
        schedule=CronDataIntervalTimetable("0 */12 * * *", timezone="Europe/Berlin"),
    )
    dates = ("2026-01-06T11:00:00", "2026-01-06T23:00:00", "2026-01-07T11:00:00")
    requests = [airflow.run(dag, date).result("archive")[0]["request"] for date in dates]
    windows = [request["window"] for request in requests]
    assert [end for _, end in windows[:-1]] == [start for start, _ in windows[1:]]
    items = [item for request in requests for item in request["items"]["asset_ids"]]
    assert sorted(items) == exportable(sandbox, "2026-01-05T23:00", "2026-01-07T11:00")


def timed(schedule, **run):
    """The context of a run of 7 January, without a data interval."""
    facts = {"logical_date": None, "run_after": day("2026-01-07"), "partition_key": None, **run}
    dag = DAG("timed", schedule=None)
    dag.timetable = schedule
    return {"dag": dag, "dag_run": SimpleNamespace(**facts)}


def test_a_schedule_by_assets_or_times_has_the_periods_of_its_times():
    schedule = AssetOrTimeSchedule(
        timetable=CronTriggerTimetable(CRON, timezone="UTC"), assets=[Asset("any")]
    )
    window = resolve_window("auto", timed(schedule, run_type=DagRunType.SCHEDULED), CONN)
    assert (window.start, window.end) == INTERVAL
    started = timed(schedule, run_type=DagRunType.ASSET_TRIGGERED)
    with pytest.raises(InvalidRequestError, match="no data interval of its own"):
        resolve_window("auto", started, CONN)


def test_a_run_keeps_its_data_interval_when_the_schedule_is_changed():
    hourly = CronTriggerTimetable("@hourly", timezone="UTC")
    start, end = INTERVAL
    stored = {"data_interval_start": start, "data_interval_end": end}
    for schedule in (hourly, DeltaTriggerTimetable(timedelta(hours=1))):
        window = resolve_window("auto", {**timed(schedule, logical_date=end), **stored}, CONN)
        assert (window.start, window.end) == INTERVAL


@pytest.mark.parametrize("zone", ["utc", "UTC", "Etc/UTC"])
def test_a_time_zone_is_named_as_airflow_names_it(zone):
    context = timed(CronTriggerTimetable(CRON, timezone=zone))
    window = resolve_window("auto", context, CONN)
    assert (window.start, window.end) == INTERVAL


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../utc"])
def test_a_time_zone_that_there_is_not_is_an_error_that_names_it(zone):
    context = timed(CronTriggerTimetable(CRON, timezone=zone))
    with pytest.raises(InvalidRequestError, match=f"timezone '{zone}' is unknown"):
        resolve_window("auto", context, CONN)


RULE = SimpleNamespace(expression="FREQ=DAILY;BYHOUR=2")


@pytest.mark.parametrize("schedule", [RULE, SimpleNamespace(timetables=[RULE])])
def test_an_expression_that_is_no_cron_leaves_the_windows_that_need_none(schedule):
    context = timed(schedule)
    for given in (INTERVAL, timedelta(days=1)):
        window = resolve_window(given, context, CONN)
        assert (window.start, window.end) == INTERVAL
    with pytest.raises(InvalidRequestError, match="no data interval of its own"):
        resolve_window("auto", context, CONN)
