"""Whatever creates its runs, a schedule's windows meet without a gap and without an overlap.

Each schedule is one that users write, and its runs are those that Airflow itself creates from it: by the
scheduler, by a backfill in either direction, and by hand.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice, pairwise
from types import SimpleNamespace

import pytest
from airflow.sdk import (
    DAG,
    CronDataIntervalTimetable,
    CronPartitionTimetable,
    CronTriggerTimetable,
    DeltaDataIntervalTimetable,
    DeltaTriggerTimetable,
    MultipleCronTriggerTimetable,
)
from airflow.serialization.encoders import coerce_to_core_timetable
from airflow.timetables.base import DagRunInfo, TimeRestriction
from airflow_runs import day
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pendulum import instance

from airflow_provider_assets.airflow_compat import AIRFLOW_V_3_3_PLUS
from airflow_provider_assets.run_timing import resolve_window
from airflow_provider_assets.sansio.window import Window

pytestmark = pytest.mark.airflow
CRONS = [
    "@daily",
    "@hourly",
    "@weekly",
    "30 2 * * *",
    "0 */6 * * *",
    "*/15 * * * *",
    "0 5 * * 1-5",
    "0 0 1 * *",
]
# Clocks go forward and back on several days of the year (on the Azores at midnight), or never.
AZORES = "Atlantic/Azores"
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Asia/Kathmandu", AZORES]
DELTAS = [timedelta(days=1), timedelta(hours=7), timedelta(minutes=20)]

crons = st.tuples(st.sampled_from(CRONS), st.sampled_from(ZONES))
of_cron = st.one_of(
    crons.map(lambda one: CronTriggerTimetable(one[0], timezone=one[1])),
    crons.map(lambda one: CronDataIntervalTimetable(one[0], one[1])),
    crons.map(lambda one: MultipleCronTriggerTimetable(one[0], "45 8 * * 1", timezone=one[1])),
)
# To the second by default; a coarser key names the same partition, or all of those that share it.
FORMATS = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H", "%Y-%m-%d", "%Y-%m-%d%z"]
partitions = st.builds(
    lambda cron, form: CronPartitionTimetable(
        cron[0], timezone=cron[1], run_offset=-1, key_format=form
    ),
    crons,
    st.sampled_from(FORMATS),
)
of_delta = st.sampled_from(DELTAS).flatmap(
    lambda delta: st.sampled_from([DeltaTriggerTimetable(delta), DeltaDataIntervalTimetable(delta)])
)
# A whole year holds every change of the clocks; a partition that has not ended yet would be refused.
starts = st.integers(0, 400 * 24).map(lambda hours: day("2025-01-01") + timedelta(hours=hours))


def scheduled(schedule: object, first: datetime) -> list[DagRunInfo]:
    """What the scheduler creates runs from: at most 20 runs of 70 days."""
    timetable = coerce_to_core_timetable(schedule)
    last = first + timedelta(days=70)
    restriction = TimeRestriction(instance(first), instance(last), catchup=True)
    made: list[DagRunInfo] = []
    while len(made) < 20:
        info = timetable.next_dagrun_info_v2(
            last_dagrun_info=made[-1] if made else None, restriction=restriction
        )
        if info is None:
            break
        made.append(info)
    return made


def backfilled(schedule: object, first: datetime) -> list[DagRunInfo]:
    """What a backfill of partitions creates runs from, likewise."""
    found = coerce_to_core_timetable(schedule).iter_partition_dagrun_infos(
        earliest=instance(first), latest=instance(first + timedelta(days=70))
    )
    return list(islice(found, 20))


def window_of(schedule: object, info: DagRunInfo) -> Window:
    """The window of the run that Airflow makes from *info*."""
    interval = info.data_interval
    run = SimpleNamespace(
        logical_date=info.logical_date,
        run_after=info.run_after,
        partition_key=info.partition_key,
        **({"partition_date": info.partition_date} if AIRFLOW_V_3_3_PLUS else {}),
    )
    context = {
        "dag": DAG("scheduled", schedule=schedule, start_date=day("2024-12-01")),
        "dag_run": run,
        "data_interval_start": interval.start if interval else None,
        "data_interval_end": interval.end if interval else None,
    }
    return resolve_window("auto", context, "scenario_default")


def by_hand(schedule: object, moment: datetime) -> DagRunInfo:
    """What a person's run at *moment* is made from."""
    at = instance(moment)
    interval = coerce_to_core_timetable(schedule).infer_manual_data_interval(run_after=at)
    return DagRunInfo(run_after=at, data_interval=interval, partition_date=None, partition_key=None)


def of_half_past_two() -> CronPartitionTimetable:
    """A tick of it is in the hour that clocks skip, and one in the hour that comes twice."""
    return CronPartitionTimetable("30 2 * * *", timezone="Europe/Berlin", run_offset=-1)


def skips_a_tick(schedule: CronPartitionTimetable) -> bool:
    """Whether a tick may be in the hour that clocks skip; Airflow makes no run of its partition."""
    is_at_midnight = schedule.expression.startswith(("0 0 ", "0 */6 "))
    return schedule.expression == "30 2 * * *" or (
        is_at_midnight and str(schedule.timezone) == AZORES
    )


def of_every_hour() -> CronPartitionTimetable:
    """Two of its partitions have one key where clocks go back."""
    return CronPartitionTimetable("@hourly", timezone="Europe/Berlin", run_offset=-1)


# Where clocks go back, ticks come twice under one key, or ticks of one day have keys with two offsets.
TWICE = [
    CronPartitionTimetable(cron, timezone=zone, run_offset=-1, key_format=form)
    for cron, zone, form in (
        ("0 0 * * *", AZORES, "%Y-%m-%d"),
        ("30 2 * * *", "Europe/Berlin", "%Y-%m-%dT%H"),
        ("0 */6 * * *", "Europe/Berlin", "%Y-%m-%d%z"),
    )
]


def assert_that_windows_tile(schedule, runs):
    assert len(runs) > 1
    windows = [window_of(schedule, info) for info in runs]
    assert [window_of(schedule, info) for info in reversed(runs)] == windows[::-1]
    # Two runs may have one key, and one window: the later one lands nothing more.
    windows = list(dict.fromkeys(windows))
    for earlier, later in pairwise(windows):
        assert earlier.end == later.start


@settings(deadline=None, max_examples=60)
@example(schedule=of_every_hour(), first=day("2026-10-24T20:00:00"))
@example(schedule=of_half_past_two(), first=day("2026-10-20"))
@example(schedule=TWICE[0], first=day("2026-10-20"))
@example(schedule=TWICE[1], first=day("2025-10-22"))
@example(schedule=TWICE[2], first=day("2025-10-25"))
@given(
    schedule=st.one_of(of_cron, of_delta, partitions.filter(lambda one: not skips_a_tick(one))),
    first=starts,
)
def test_the_runs_of_a_schedule_tile_the_calendar(schedule, first):
    assert_that_windows_tile(schedule, scheduled(schedule, first))


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="Airflow backfills partitions from 3.3 on")
@settings(deadline=None, max_examples=30)
@example(schedule=of_half_past_two(), first=day("2026-03-25"))
@example(schedule=of_half_past_two(), first=day("2026-10-20"))
@example(schedule=TWICE[0], first=day("2026-10-20"))
@example(schedule=TWICE[1], first=day("2025-10-22"))
@example(schedule=TWICE[2], first=day("2025-10-25"))
@example(schedule=of_every_hour(), first=day("2026-10-24T20:00:00"))
@given(schedule=partitions, first=starts)
def test_the_runs_of_a_backfill_of_partitions_tile_the_calendar(schedule, first):
    assert_that_windows_tile(schedule, backfilled(schedule, first))


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="a run has no partition date until 3.3")
def test_each_run_of_an_hour_that_comes_twice_exports_its_own_hour():
    """The first of them would otherwise be refused: the key that they have in common ends with the second."""
    schedule = of_every_hour()
    for runs in (scheduled, backfilled):
        infos = runs(schedule, day("2025-10-25T22:00:00"))
        assert len({one.partition_key for one in infos}) == len(infos) - 1
        assert len({window_of(schedule, one) for one in infos}) == len(infos)


@pytest.mark.xfail(strict=True, reason="Airflow 3.3.2 skips one partition and makes the next twice")
def test_a_scheduled_partition_whose_tick_is_in_the_hour_that_clocks_skip_is_exported():
    schedule = of_half_past_two()
    assert_that_windows_tile(schedule, scheduled(schedule, day("2026-03-25")))


@settings(deadline=None, max_examples=30)
@given(schedule=of_cron, first=starts, share=st.floats(0, 1, exclude_max=True))
def test_a_run_by_hand_exports_the_window_of_a_scheduled_run(schedule, first, share):
    for info, later in islice(pairwise(scheduled(schedule, first)), 5):
        moment = info.run_after + (later.run_after - info.run_after) * share
        window = window_of(schedule, by_hand(schedule, moment))
        assert window in [window_of(schedule, one) for one in (info, later)]


@settings(deadline=None, max_examples=30)
@given(delta=st.sampled_from(DELTAS), moment=starts)
def test_a_run_by_hand_of_a_schedule_without_a_calendar_exports_what_ends_with_it(delta, moment):
    for schedule in (DeltaTriggerTimetable(delta), DeltaDataIntervalTimetable(delta)):
        window = window_of(schedule, by_hand(schedule, moment))
        assert window == Window(moment - delta, moment)
