# ruff: noqa: DTZ001  # naive datetimes are among what is refused
from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.partitions import KeyFormat
from airflow_provider_assets.sansio.run_window import RunTiming, resolve
from airflow_provider_assets.sansio.window import Window

UTC = timezone.utc
PARIS = ZoneInfo("Europe/Paris")
# Midnight comes twice where its clocks go back.
AZORES = ZoneInfo("Atlantic/Azores")
DAY = timedelta(days=1)
# A calendar far from the ends of time, where every zone has an offset.
MOMENTS = st.datetimes(datetime(1980, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def days(start: str, end: str) -> Window:
    return Window(at(start), at(end))


def next_midnight(moment: datetime) -> datetime:
    return moment.astimezone(PARIS).replace(hour=0, minute=0, second=0, microsecond=0) + DAY


# --- partition keys --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "start", "end"),
    [
        ("2026", "2026-01-01", "2027-01-01"),
        ("2026-02", "2026-02-01", "2026-03-01"),
        ("2026-12", "2026-12-01", "2027-01-01"),
        ("2024-02-29", "2024-02-29", "2024-03-01"),
        ("2026-01-31T08", "2026-01-31T08:00:00", "2026-01-31T09:00:00"),
        ("2026-01-31 23", "2026-01-31T23:00:00", "2026-02-01"),
        ("2026-01-31T08Z", "2026-01-31T08:00:00", "2026-01-31T09:00:00"),
        ("2026-01-31+02:00", "2026-01-30T22:00:00", "2026-01-31T22:00:00"),
        ("2026-01-31T00-0530", "2026-01-31T05:30:00", "2026-01-31T06:30:00"),
    ],
)
def test_a_partition_is_named_by_its_start_and_as_long_as_its_finest_part(key, start, end) -> None:
    assert resolve("auto", RunTiming(partition_key=key)) == days(start, end)


@pytest.mark.parametrize("key", ["2026-01-09T00:00:00", "2026-01-09 00:00", "2026-01-09"])
def test_the_key_of_a_scheduled_partition_spans_its_period_however_finely_it_is_written(
    key,
) -> None:
    # CronPartitionTimetable writes %Y-%m-%dT%H:%M:%S by default, a daily one too.
    timing = RunTiming(partition_key=key, zone=PARIS, next_tick=next_midnight)
    midnight = datetime(2026, 1, 9, tzinfo=PARIS)
    assert resolve("auto", timing) == Window(midnight, midnight + DAY)


def test_a_weekly_partition_is_a_week_though_its_key_is_a_date() -> None:
    def next_friday(moment: datetime) -> datetime:
        days_ahead = (4 - next_midnight(moment).weekday()) % 7
        return next_midnight(moment) + days_ahead * DAY

    timing = RunTiming(partition_key="2026-01-09", zone=PARIS, next_tick=next_friday)
    assert resolve("auto", timing).end == datetime(2026, 1, 16, tzinfo=PARIS)


@pytest.mark.parametrize(
    ("key", "minutes"),
    [
        ("2026-01-09T08:15:00", 15),
        ("2026-01-09T08:00:00", 15),
        ("2026-01-09T08", 60),
        ("2026-01-09", 1440),
    ],
)
def test_a_schedule_of_quarter_hours_has_quarter_hour_partitions(key, minutes) -> None:
    def next_quarter(moment: datetime) -> datetime:
        floor = moment.replace(minute=moment.minute // 15 * 15, second=0, microsecond=0)
        return floor + timedelta(minutes=15)

    window = resolve("auto", RunTiming(partition_key=key, next_tick=next_quarter))
    assert window.end - window.start == timedelta(minutes=minutes)


def test_a_key_beside_the_schedules_ticks_is_as_long_as_its_finest_part() -> None:
    timing = RunTiming(partition_key="2026-01-09T08", next_tick=next_midnight)
    assert resolve("auto", timing) == days("2026-01-09T08:00:00", "2026-01-09T09:00:00")


@pytest.mark.parametrize("key", ["2026-01-09T00:00:00", "2026-01-09T08:30", "2026-01-09 23:00Z"])
@pytest.mark.parametrize("next_tick", [None, lambda moment: at("2027-01-01")], ids=["no", "other"])
def test_a_key_to_the_minute_that_no_schedule_explains_is_refused_with_a_remedy(
    key, next_tick
) -> None:
    """It is the key of an hour as well as of a day: ``CronPartitionTimetable`` writes both so."""
    with pytest.raises(InvalidRequestError, match=r"how long the partition is; .*StartOfDayMapper"):
        resolve("auto", RunTiming(partition_key=key, next_tick=next_tick))


def test_a_date_on_the_clocks_of_an_unknown_zone_is_refused_with_a_remedy() -> None:
    midnight = datetime(2026, 1, 9, tzinfo=PARIS)
    elsewhere = RunTiming(partition_key="2026-01-09", partition_date=midnight)
    with pytest.raises(InvalidRequestError, match=r"another zone; .*StartOfDayMapper"):
        resolve("auto", elsewhere)
    for known in (
        replace(elsewhere, zone=PARIS),
        replace(elsewhere, partition_key="2026-01-09+01:00"),
    ):
        assert resolve("auto", known).start == midnight
    utc = RunTiming(partition_key="2026-01-09", partition_date=at("2026-01-09"))
    assert resolve("auto", utc) == days("2026-01-09", "2026-01-10")


def test_the_date_of_a_partition_tells_which_of_two_hours_its_key_means() -> None:
    def next_hour(moment: datetime) -> datetime:
        return moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)

    timing = RunTiming(partition_key="2026-10-25T02:00:00", zone=PARIS, next_tick=next_hour)
    hours = [at(f"2026-10-25T0{hour}:00:00") for hour in range(3)]
    assert resolve("auto", timing) == Window(hours[0], hours[2])
    for start, end in pairwise(hours):
        assert resolve("auto", replace(timing, partition_date=start)) == Window(start, end)


def weekday_mornings(moment: datetime) -> datetime:
    tick = moment.astimezone(PARIS).replace(hour=5, minute=0, second=0, microsecond=0)
    while tick <= moment or tick.weekday() > 4:
        tick += DAY
    return tick


@pytest.mark.parametrize(
    ("key", "start", "end"),
    [
        ("2026-01-08", "2026-01-08", "2026-01-09"),
        ("2026-01-09", "2026-01-09", "2026-01-12"),  # a Friday
        ("2026-01-09+0100", "2026-01-09", "2026-01-12"),
        ("2026-10-23", "2026-10-23", "2026-10-26"),  # clocks go back in that night
        ("2026-01-10", "2026-01-10", "2026-01-11"),  # none of the schedule
        ("2026-01", "2026-01-01", "2026-02-01"),
    ],
)
def test_a_partition_lasts_until_the_next_key_of_its_schedule(key, start, end) -> None:
    timing = RunTiming(partition_key=key, zone=PARIS, next_tick=weekday_mornings)
    bounds = (at(one).replace(tzinfo=PARIS) for one in (start, end))
    assert resolve("auto", timing) == Window(*bounds)


def daily(zone: ZoneInfo, hour: int, minute: int):
    """The ticks of a daily schedule; of a time that comes twice, the second."""

    def next_tick(moment: datetime) -> datetime:
        one = moment.astimezone(zone).replace(
            hour=hour, minute=minute, second=0, microsecond=0, fold=1
        )
        is_later = one.astimezone(UTC) > moment.astimezone(UTC)
        return one if is_later else (one + DAY).replace(fold=1)

    return next_tick


@pytest.mark.parametrize(
    ("zone", "time", "keys"),
    [
        (AZORES, (0, 0), ["2026-10-23", "2026-10-24", "2026-10-25", "2026-10-26"]),
        (AZORES, (0, 0), ["2026-10-24+0000", "2026-10-25-0100", "2026-10-26-0100"]),
        (PARIS, (5, 0), ["2026-03-28+0100", "2026-03-29+0200", "2026-03-30+0200"]),
        (PARIS, (5, 0), ["2026-10-24+0200", "2026-10-25+0100", "2026-10-26+0100"]),
        (PARIS, (2, 30), ["2025-10-25T02", "2025-10-26T02", "2025-10-27T02"]),
    ],
)
def test_partitions_meet_where_the_time_of_a_tick_comes_twice(zone, time, keys) -> None:
    ticks = daily(zone, *time)
    windows = [
        resolve("auto", RunTiming(partition_key=k, zone=zone, next_tick=ticks)) for k in keys
    ]
    for earlier, later in pairwise(windows):
        assert earlier.end == later.start


def test_a_key_with_an_offset_that_is_not_the_schedules_keeps_its_own_day() -> None:
    timing = RunTiming(partition_key="2026-01-09+05:00", zone=PARIS, next_tick=next_midnight)
    assert resolve("auto", timing) == days("2026-01-08T19:00:00", "2026-01-09T19:00:00")


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-01-09", 24)]
)
def test_a_day_partition_has_the_hours_that_the_zone_gives_it(day, hours) -> None:
    window = resolve("auto", RunTiming(partition_key=day, zone=PARIS))
    assert window.end.astimezone(UTC) - window.start.astimezone(UTC) == timedelta(hours=hours)


def test_an_hour_that_the_clocks_skip_is_an_error_and_not_an_empty_span() -> None:
    with pytest.raises(InvalidRequestError, match="is empty"):
        resolve("auto", RunTiming(partition_key="2026-03-29T02", zone=PARIS))


def test_the_hour_that_comes_twice_is_one_partition_of_two_hours() -> None:
    window = resolve("auto", RunTiming(partition_key="2026-10-25T02", zone=PARIS))
    assert window.iso() == ("2026-10-25T00:00:00.000Z", "2026-10-25T02:00:00.000Z")


@pytest.mark.parametrize("key", ["2026-10-25T02", "2026-10-25T02:00"])
def test_the_key_of_an_hour_that_comes_twice_names_both_of_its_partitions(key) -> None:
    def next_hour(moment: datetime) -> datetime:
        return moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)

    window = resolve("auto", RunTiming(partition_key=key, zone=PARIS, next_tick=next_hour))
    assert window.iso() == ("2026-10-25T00:00:00.000Z", "2026-10-25T02:00:00.000Z")


def test_bounds_on_both_sides_of_the_clocks_going_back_are_compared_as_instants() -> None:
    start = datetime(2026, 10, 25, 2, 30, tzinfo=PARIS)
    end = datetime(2026, 10, 25, 2, 15, tzinfo=PARIS, fold=1)
    window = Window(start, end)
    assert window.iso() == ("2026-10-25T00:30:00.000Z", "2026-10-25T01:15:00.000Z")
    assert window.holds(datetime(2026, 10, 25, 2, 10, tzinfo=PARIS, fold=1))
    assert not window.holds(datetime(2026, 10, 25, 2, 20, tzinfo=PARIS))
    with pytest.raises(InvalidRequestError, match="is empty"):
        Window(end, start)


@given(st.dates(date(1980, 1, 1), date(2090, 1, 1)), st.sampled_from(["UTC", "Europe/Paris"]))
def test_day_partitions_tile_the_calendar(day, zone) -> None:
    one, two = (
        resolve("auto", RunTiming(partition_key=d.isoformat(), zone=ZoneInfo(zone)))
        for d in (day, day + DAY)
    )
    assert one.end.astimezone(UTC) == two.start.astimezone(UTC)


@pytest.mark.parametrize(
    "key",
    [
        *("", "eu-west", "2026-1-9", "2026-13", "2026-02-30", "0000", "9999", "20260109"),
        *("2026-01-09T24", "2026-01-09T08:61", "2026-01-09+99:99", "2026-01-09|eu"),
    ],
)
def test_a_key_that_is_no_date_is_refused_with_a_remedy(key) -> None:
    with pytest.raises(InvalidRequestError, match=r"partition key .* \(start, end\) pair"):
        resolve("auto", RunTiming(partition_key=key))


@given(st.from_regex(r"\d{4}(-\d{2}(-\d{2}(T\d{2}(:\d{2})?)?)?)?(Z|[+-]\d{4})?", fullmatch=True))
def test_any_key_gives_a_span_or_is_refused(key) -> None:
    try:
        window = resolve("auto", RunTiming(partition_key=key))
    except InvalidRequestError:
        return
    assert window.start.astimezone(UTC) < window.end.astimezone(UTC)


@pytest.mark.parametrize(
    ("formats", "remedy"),
    [((), "run_offset=-1"), ((KeyFormat("day", "%Y-%m-%d", UTC),), "RollupMapper")],
)
def test_a_partition_that_has_not_ended_yet_is_refused_with_a_remedy(formats, remedy) -> None:
    timing = RunTiming(now=at("2026-01-09T00:00:05"), key_formats=formats)
    yesterday = resolve("auto", replace(timing, partition_key="2026-01-08"))
    assert yesterday.end == at("2026-01-09")
    with pytest.raises(InvalidRequestError, match=remedy):
        resolve("auto", replace(timing, partition_key="2026-01-09"))


# --- keys that a mapper writes ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("period", "pattern", "key", "start", "end"),
    [
        ("hour", "%Y-%m-%dT%H", "2026-01-09T08", "2026-01-09T08:00:00", "2026-01-09T09:00:00"),
        ("day", "%d.%m.%Y", "09.01.2026", "2026-01-09", "2026-01-10"),
        ("day", "%Y-%m-%dT%H:%M:%S", "2026-01-09T00:00:00", "2026-01-09", "2026-01-10"),
        ("week", "%Y-%m-%d (W%V)", "2026-01-26 (W05)", "2026-01-26", "2026-02-02"),
        ("week", "%Y-%m-%d", "2026-01-26", "2026-01-26", "2026-02-02"),
        ("week", "%G-W%V", "2026-W01", "2025-12-29", "2026-01-05"),
        ("day", "%G-W%V-%u", "2026-W05-4", "2026-01-29", "2026-01-30"),
        ("day", "%G-W%V %a", "2026-W05 Thu", "2026-01-29", "2026-01-30"),
        ("day", "%Y-%m-%d %a W%V", "2026-01-29 Thu W05", "2026-01-29", "2026-01-30"),
        ("day", "%Y-%j W%V", "2026-029 W05", "2026-01-29", "2026-01-30"),
        ("quarter", "%Y-Q{quarter} W%V", "2026-Q2 W14", "2026-04-01", "2026-07-01"),
        ("week", "%G-W%V (Q{quarter})", "2026-W06 (Q1)", "2026-02-02", "2026-02-09"),
        ("week", "%Y-%m-%d W%V Q{quarter}", "2026-01-26 W05 Q1", "2026-01-26", "2026-02-02"),
        ("quarter", "Q{quarter} %b %Y", "Q2 Apr 2026", "2026-04-01", "2026-07-01"),
        ("month", "%Y-%m", "2026-12", "2026-12-01", "2027-01-01"),
        ("month", "%Y-%m-%d", "2026-02-01", "2026-02-01", "2026-03-01"),
        ("quarter", "%Y-Q{quarter}", "2026-Q1", "2026-01-01", "2026-04-01"),
        ("quarter", "%Y-Q{quarter}", "2026-Q4", "2026-10-01", "2027-01-01"),
        ("quarter", "%Y-%m (Q{quarter})", "2026-04 (Q2)", "2026-04-01", "2026-07-01"),
        ("year", "%Y", "2024", "2024-01-01", "2025-01-01"),
    ],
)
def test_a_mapper_says_how_long_its_partitions_are_and_on_which_clocks(
    period, pattern, key, start, end
) -> None:
    for zone in (UTC, PARIS):
        formats = (KeyFormat(period, pattern, zone), KeyFormat("year", "year %Y", UTC))
        window = resolve("auto", RunTiming(partition_key=key, key_formats=formats))
        assert window == Window(*(at(one).replace(tzinfo=zone) for one in (start, end)))


def test_a_mapped_key_with_an_offset_is_a_day_of_the_mappers_zone() -> None:
    formats = (KeyFormat("day", "%Y-%m-%d%z", PARIS),)
    window = resolve("auto", RunTiming(partition_key="2026-03-29+0100", key_formats=formats))
    assert window == days("2026-03-28T23:00:00", "2026-03-29T22:00:00")


def test_a_mapped_quarter_with_an_offset_is_the_one_that_its_key_names() -> None:
    formats = (KeyFormat("quarter", "%Y-Q{quarter}%z", PARIS),)
    window = resolve("auto", RunTiming(partition_key="2026-Q2+0200", key_formats=formats))
    assert window == days("2026-03-31T22:00:00", "2026-06-30T22:00:00")


@pytest.mark.parametrize("key", ["2026-10-25+0000", "2026-10-25-0100"])
def test_a_mapped_day_starts_with_the_first_of_two_midnights(key) -> None:
    formats = (KeyFormat("day", "%Y-%m-%d%z", AZORES),)
    window = resolve("auto", RunTiming(partition_key=key, key_formats=formats))
    assert window == days("2026-10-25", "2026-10-26T01:00:00")


@pytest.mark.parametrize(
    ("period", "pattern", "key"),
    [
        ("day", "%Y-%m-%d", "2026-01"),
        ("quarter", "%Y-Q{quarter}", "2026-Q5"),
        ("week", "%G-W%V (%V)", "2026-W05 (05)"),
        ("week", "%Y-%m-%d W%V", "2026-01-26 W06"),
        ("week", "%Y-W%V", "2024-W01"),  # Airflow writes it of two weeks: %Y is not the week's year
        ("year", "%Y", "9999"),
        ("day", "%Y-%m-%d", "eu-west"),
    ],
)
def test_a_key_that_no_mapper_writes_is_refused_with_a_remedy(period, pattern, key) -> None:
    timing = RunTiming(partition_key=key, key_formats=(KeyFormat(period, pattern, UTC),))
    with pytest.raises(InvalidRequestError, match=r"is not written as .* \(start, end\) pair"):
        resolve("auto", timing)


def test_a_key_that_two_mappers_read_differently_is_refused() -> None:
    formats = tuple(KeyFormat(one, "%Y-%m-%d", UTC) for one in ("day", "week"))
    with pytest.raises(InvalidRequestError, match="read differently by the schedule's mappers"):
        resolve("auto", RunTiming(partition_key="2026-01-26", key_formats=formats))
