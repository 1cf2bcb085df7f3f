"""The windows of the runs that partitioned assets start meet without a gap and without an overlap.

The mappers are those of Airflow, and it is Airflow that writes the keys with them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk import (
    DAG,
    AllowedKeyMapper,
    Asset,
    ChainMapper,
    DayWindow,
    FanOutMapper,
    IdentityMapper,
    PartitionedAssetTimetable,
    RollupMapper,
    StartOfDayMapper,
    StartOfHourMapper,
    StartOfMonthMapper,
    StartOfQuarterMapper,
    StartOfWeekMapper,
    StartOfYearMapper,
    WeekWindow,
)
from airflow.serialization.encoders import coerce_to_core_timetable
from airflow_runs import day
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_assets.run_timing import resolve_window
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.window import Window

pytestmark = pytest.mark.airflow
INPUT = "%Y-%m-%dT%H:%M:%S%z"
PICTURES = Asset("pictures")
# Clocks go forward and back on several days of the year (in Cairo and Beirut at midnight), or never.
ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Shanghai", "Africa/Cairo", "Asia/Beirut"]
FORMS = [
    *((mapper, None) for mapper in (StartOfHourMapper, StartOfDayMapper, StartOfWeekMapper)),
    *((mapper, None) for mapper in (StartOfMonthMapper, StartOfQuarterMapper, StartOfYearMapper)),
    *((mapper, "%Y-%m-%d") for mapper in (StartOfWeekMapper, StartOfMonthMapper)),
    (StartOfDayMapper, "%Y-%m-%dT%H:%M:%S"),
    (StartOfWeekMapper, "%G-W%V"),
]
mappers = st.builds(
    lambda form, zone: form[0](timezone=zone, input_format=INPUT, output_format=form[1]),
    st.sampled_from(FORMS),
    st.sampled_from(ZONES),
)
moments = st.integers(0, 500 * 24 * 60).map(
    lambda some: day("2023-01-01") + timedelta(minutes=some)
)


def schedule_of(mapper, **config):
    return PartitionedAssetTimetable(
        assets=PICTURES, default_partition_mapper=mapper, partition_mapper_config=config
    )


def window_of(schedule, key: str, **facts) -> Window:
    """The window of the run that Airflow starts for the partition *key*."""
    with DAG("consumer", schedule=schedule) as dag:
        run = SimpleNamespace(
            **{"logical_date": None, "run_after": day("2026-07-01"), "partition_key": key, **facts}
        )
    return resolve_window("auto", {"dag": dag, "dag_run": run}, "scenario_default")


def key_of(schedule, moment: datetime) -> str:
    """What Airflow makes of the key of a producer that exported *moment*."""
    mapper = coerce_to_core_timetable(schedule).get_partition_mapper(name=PICTURES.name)
    return mapper.to_downstream(moment.strftime(INPUT))


@settings(deadline=None, max_examples=150)
@example(StartOfDayMapper(timezone="Africa/Cairo", input_format=INPUT), day("2024-10-31T12:00:00"))
@example(
    StartOfHourMapper(timezone="Europe/Berlin", input_format=INPUT), day("2024-10-27T00:10:00")
)
@given(mappers, moments)
def test_the_partitions_of_a_mapper_tile_the_calendar(mapper, moment):
    schedule = schedule_of(mapper)
    window = window_of(schedule, key_of(schedule, moment))
    assert window.holds(moment)
    following = window_of(schedule, key_of(schedule, window.end))
    assert following.start == window.end


SHANGHAI = {"timezone": "Asia/Shanghai", "input_format": INPUT}
WEEK = Window(day("2026-01-04T16:00:00"), day("2026-01-11T16:00:00"))


@pytest.mark.parametrize(
    "mapper",
    [
        RollupMapper(upstream_mapper=StartOfWeekMapper(**SHANGHAI), window=WeekWindow()),
        ChainMapper(StartOfWeekMapper(**SHANGHAI), IdentityMapper()),
        ChainMapper(IdentityMapper(), StartOfWeekMapper(**SHANGHAI)),
    ],
)
def test_mappers_around_the_one_that_writes_the_key_change_nothing(mapper):
    schedule = schedule_of(mapper)
    assert window_of(schedule, key_of(schedule, day("2026-01-09"))) == WEEK


def test_a_mapper_that_divides_periods_names_the_parts():
    mapper = FanOutMapper(upstream_mapper=StartOfDayMapper(input_format=INPUT), window=DayWindow())
    schedule = schedule_of(mapper)
    windows = [window_of(schedule, key) for key in key_of(schedule, day("2026-01-09T07:00:00"))]
    assert windows[0].start == day("2026-01-09")
    assert [one.end - one.start for one in windows] == [timedelta(hours=1)] * 24


@pytest.mark.parametrize(
    "mapper", [IdentityMapper(), ChainMapper(IdentityMapper(), IdentityMapper())]
)
def test_a_key_that_no_mapper_writes_is_read_in_utc_if_its_partition_starts_there(mapper):
    schedule = schedule_of(mapper)
    utc = window_of(schedule, "2026-01-09", partition_date=day("2026-01-09"))
    assert utc == Window(day("2026-01-09"), day("2026-01-10"))
    with pytest.raises(InvalidRequestError, match="another zone"):
        window_of(schedule, "2026-01-09", partition_date=WEEK.start + timedelta(days=4))


def test_the_mapper_of_one_asset_tells_of_the_keys_of_others():
    schedule = PartitionedAssetTimetable(
        assets=PICTURES & Asset("prices"),
        partition_mapper_config={PICTURES: StartOfWeekMapper(output_format="%Y-%m-%d", **SHANGHAI)},
    )
    assert window_of(schedule, "2026-01-05") == WEEK
    with pytest.raises(InvalidRequestError, match=r"'eu-west' is not written as .*%Y-%m-%d"):
        window_of(schedule, "eu-west")
    schedule.default_partition_mapper = AllowedKeyMapper(["2026-01-05"])
    assert window_of(schedule, "2026-01-05") == WEEK
