# ruff: noqa: DTZ001  # naive datetimes are among what is refused
from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.moments import parse_moment, whole_ms
from airflow_provider_assets.sansio.run_window import RunTiming, resolve
from airflow_provider_assets.sansio.window import BEGINNING, Window

UTC = timezone.utc
DAY = timedelta(days=1)
# A calendar far from the ends of time, where every zone has an offset.
MOMENTS = st.datetimes(datetime(1980, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))

# An asset starts a run at any microsecond.
NOON = datetime(2026, 1, 10, 12, 0, 0, 123456, tzinfo=UTC)


class ProxyOfNone:
    """As Airflow's context has it for what there is not."""

    __class__ = property(lambda self: type(None))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def days(start: str, end: str) -> Window:
    return Window(at(start), at(end))


def daily(moment: datetime) -> tuple[datetime, datetime]:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - DAY, midnight


# --- every kind of run -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timing", "expected"),
    [
        pytest.param(
            RunTiming(data_interval=(at("2026-01-09"), at("2026-01-10"))),
            days("2026-01-09", "2026-01-10"),
            id="data-interval timetable",
        ),
        pytest.param(
            RunTiming(
                run_date=at("2026-01-10"),
                data_interval=(at("2026-01-10"), at("2026-01-10")),
                periods=daily,
            ),
            days("2026-01-09", "2026-01-10"),
            id="@daily of Airflow 3: zero width",
        ),
        pytest.param(
            RunTiming(run_date=at("2026-01-10T15:30:00"), periods=daily),
            days("2026-01-09", "2026-01-10"),
            id="manual run of a cron DAG",
        ),
        pytest.param(
            RunTiming(partition_key="2026-01-09"),
            days("2026-01-09", "2026-01-10"),
            id="partitioned run: no logical date, no interval",
        ),
        pytest.param(
            RunTiming(
                run_date=at("2026-03-01"),
                data_interval=(at("2026-02-28"), at("2026-03-01")),
                partition_key="2026-01-09",
                periods=daily,
            ),
            days("2026-01-09", "2026-01-10"),
            id="a partition key wins over an interval",
        ),
    ],
)
def test_auto_gives_every_kind_of_run_its_span(timing: RunTiming, expected: Window) -> None:
    assert resolve("auto", timing) == expected


@pytest.mark.parametrize(
    "timing",
    [
        RunTiming(),
        RunTiming(run_date=at("2026-01-10")),
        RunTiming(run_date=at("2026-01-10"), data_interval=(at("2026-01-10"), at("2026-01-10"))),
        RunTiming(data_interval=(at("2026-01-10"), at("2026-01-10")), periods=daily),
    ],
    ids=["nothing known", "asset-triggered", "zero width without cron", "zero width without date"],
)
def test_a_run_without_a_span_is_an_error_with_a_remedy_never_an_empty_span(timing) -> None:
    with pytest.raises(InvalidRequestError, match=r"timedelta\(days=1\)"):
        resolve("auto", timing)


def test_a_timedelta_ends_at_the_runs_date() -> None:
    timing = RunTiming(
        run_date=at("2026-01-10"), data_interval=(at("2020-01-01"), at("2020-01-02"))
    )
    assert resolve(2 * DAY, timing) == days("2026-01-08", "2026-01-10")


@pytest.mark.parametrize("length", [timedelta(0), -DAY])
def test_a_timedelta_must_be_positive(length: timedelta) -> None:
    with pytest.raises(InvalidRequestError, match="must be positive"):
        resolve(length, RunTiming(run_date=at("2026-01-10")))


def test_a_timedelta_before_the_beginning_of_time_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="window"):
        resolve(timedelta.max, RunTiming(run_date=at("2026-01-10")))


def test_a_timedelta_needs_a_run_with_a_date() -> None:
    with pytest.raises(InvalidRequestError, match="this run has no date"):
        resolve(DAY, RunTiming(partition_key="2026-01-09"))


@given(start=MOMENTS, first=st.timedeltas(DAY / 24, 90 * DAY), second=st.timedeltas(DAY / 24, DAY))
def test_since_last_spans_meet_without_gap_or_overlap(start, first, second) -> None:
    bounds = (start, start + first, start + first + second)
    timing = [
        RunTiming(data_interval=(bounds[1] - timedelta(hours=1), bounds[1]), watermark=bounds[0]),
        RunTiming(data_interval=(bounds[2] - timedelta(minutes=1), bounds[2]), watermark=bounds[1]),
    ]
    one, two = (resolve("since_last", each) for each in timing)
    bounds = tuple(map(whole_ms, bounds))
    assert (one.start, one.end, two.start, two.end) == (*bounds[:2], *bounds[1:])


def test_the_first_run_of_since_last_is_its_own_span() -> None:
    timing = RunTiming(data_interval=(at("2026-01-09"), at("2026-01-10")))
    assert resolve("since_last", timing) == days("2026-01-09", "2026-01-10")


def test_since_last_of_a_run_without_a_span_ends_at_its_date() -> None:
    timing = RunTiming(run_date=at("2026-01-10T07:30:00"), watermark=at("2026-01-09"))
    assert resolve("since_last", timing) == days("2026-01-09", "2026-01-10T07:30:00")
    keyed = replace(timing, partition_key="eu-west")  # by no time
    assert resolve("since_last", keyed) == days("2026-01-09", "2026-01-10T07:30:00")
    with pytest.raises(InvalidRequestError, match=r"'since_last': .* nor a date"):
        resolve("since_last", RunTiming(watermark=at("2026-01-09")))


def test_an_item_of_the_millisecond_in_which_since_last_ends_is_in_one_span() -> None:
    first = resolve("since_last", RunTiming(run_date=NOON, start_date=at("2026-01-01")))
    watermark = parse_moment(first.iso()[1], "watermark")
    second = resolve("since_last", RunTiming(run_date=NOON + DAY, watermark=watermark))
    item = NOON.replace(microsecond=123000)
    assert (first.holds(item), second.holds(item)) == (False, True)
    again = RunTiming(run_date=NOON, watermark=watermark)
    with pytest.raises(InvalidRequestError, match="has been exported"):
        resolve("since_last", again)


def test_the_first_run_of_since_last_without_a_span_begins_with_the_dag() -> None:
    known = {"run_date": at("2026-01-10T07:30:00")}
    timing = RunTiming(**known, start_date=at("2026-01-01"))
    assert resolve("since_last", timing) == days("2026-01-01", "2026-01-10T07:30:00")
    keyed = replace(timing, partition_key="eu-west")  # by no time
    assert resolve("since_last", keyed) == days("2026-01-01", "2026-01-10T07:30:00")
    with pytest.raises(InvalidRequestError, match=r"'since_last': .* give the DAG a start_date"):
        resolve("since_last", RunTiming(**known))


@pytest.mark.parametrize("key", ["eu-west", "2026-01-10"])
def test_what_is_wrong_with_a_partition_names_the_window_that_was_given(key) -> None:
    bare = RunTiming(partition_key=key, now=at("2026-01-10T07:30:00"))
    for spec in ("auto", "since_last"):
        for timing in (bare, replace(bare, run_date=bare.now), replace(bare, watermark=bare.now)):
            with pytest.raises(InvalidRequestError, match=f"^window='{spec}': partition"):
                resolve(spec, timing)


@pytest.mark.parametrize("watermark", [None, at("2026-01-09")])
def test_since_last_ends_no_later_than_now(watermark) -> None:
    """Else no run would export what is created between now and then."""
    interval, known = (at("2026-01-09"), at("2026-01-10")), {"watermark": watermark}
    for behind in (0, 60):  # seconds of the worker's clock behind the scheduler's
        now = interval[1] - timedelta(seconds=behind)
        over = RunTiming(data_interval=interval, now=now, **known)
        assert resolve("since_last", over) == Window(*interval)
    early = RunTiming(data_interval=interval, now=interval[1] - timedelta(seconds=61), **known)
    with pytest.raises(InvalidRequestError, match=r"2026-01-10T00:00:00.* in the future; clear"):
        resolve("since_last", early)


@pytest.mark.parametrize("end", ["2026-01-09", "2026-01-08"])
def test_what_has_been_exported_is_not_exported_again_unless_it_is_named(end) -> None:
    timing = RunTiming(data_interval=(at("2026-01-01"), at(end)), watermark=at("2026-01-09"))
    with pytest.raises(InvalidRequestError, match=r"has been exported; .*\(start, end\)"):
        resolve("since_last", timing)


def test_an_event_tells_the_span_of_the_run_that_it_starts() -> None:
    timing = RunTiming(
        run_date=at("2026-02-01"),
        event_window=("2026-01-09T00:00:00.000Z", "2026-01-10T00:00:00.000Z"),
        periods=daily,
    )
    assert resolve("auto", timing) == days("2026-01-09", "2026-01-10")


# --- explicit pairs --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pair",
    [
        ("2026-01-09T00:00:00Z", "2026-01-10T00:00:00z"),
        ["2026-01-09 00:00:00+00:00", "2026-01-10T01:00:00.000000000+01:00"],
        (" 2026-01-09T00:00:00.0+00:00 ", at("2026-01-10")),
        ("2026-01-09T00:00:00+0000", "2026-01-09T19:00:00-0500"),
    ],
)
def test_a_pair_may_be_datetimes_or_iso_strings(pair) -> None:
    assert resolve(pair, RunTiming()) == days("2026-01-09", "2026-01-10")


def test_a_window_without_a_beginning_holds_whatever_is_older() -> None:
    window = resolve((None, "2026-01-10T00:00:00Z"), RunTiming())
    assert window == Window(BEGINNING, at("2026-01-10"))
    assert not window.has_beginning
    assert days("2026-01-09", "2026-01-10").has_beginning


@pytest.mark.parametrize(
    ("timing", "end"),
    [
        pytest.param(
            RunTiming(run_date=at("2026-01-10T15:30:00")), "2026-01-10T15:30:00", id="date"
        ),
        pytest.param(
            RunTiming(
                run_date=at("2026-01-09"), data_interval=(at("2026-01-09"), at("2026-01-10"))
            ),
            "2026-01-10",
            id="a date that begins the data interval",
        ),
        pytest.param(
            RunTiming(
                run_date=at("2026-01-10T15:30:00"),
                data_interval=(at("2026-01-09"), at("2026-01-10")),
                now=at("2026-02-01"),
            ),
            "2026-01-10T15:30:00",
            id="a manual run, retried weeks later",
        ),
        pytest.param(
            RunTiming(data_interval=(at("2026-01-09"), at("2026-01-10"))),
            "2026-01-10",
            id="no date",
        ),
    ],
)
def test_a_window_without_an_end_ends_with_its_run_whenever_it_is_retried(timing, end) -> None:
    assert resolve(("2025-01-01T00:00:00Z", None), timing) == days("2025-01-01", end)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (("2026-01-09T00:00:00", "2026-01-10T00:00:00Z"), "window start: .* no time zone"),
        (("2026-01-09T00:00:00Z", datetime(2026, 1, 10)), "window end: .* no time zone"),
        (("2026-01-09", "2026-01-10"), "no time zone"),
        (("2026-01-10T00:00:00Z", "2026-01-09T00:00:00Z"), "is empty"),
        (("2026-01-10T00:00:00Z", "2026-01-10T01:00:00+01:00"), "is empty"),
        (("today", "2026-01-10T00:00:00Z"), "'today' is not an ISO 8601"),
        (("2026-01-09T00:00:00Z",), "got 1 values"),
        ((None, None), 'no bounds; pass window="all"'),
        (("2026-01-09T00:00:00Z", None), "this run has no date; pass an end"),
        ((date(2026, 1, 9), "2026-01-10T00:00:00Z"), "expected a datetime, got date"),
        ((ProxyOfNone(), "2026-01-10T00:00:00Z"), "expected a datetime, got None"),
        ("yesterday", "not 'yesterday'"),
        (None, "window must be .*, not None"),
    ],
)
def test_a_wrong_window_is_refused_with_the_field_and_the_remedy(spec, says) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        resolve(spec, RunTiming())


def test_naive_bounds_are_refused_wherever_they_come_from() -> None:
    naive = datetime(2026, 1, 9)
    for timing in (
        RunTiming(data_interval=(naive, naive + DAY)),
        RunTiming(run_date=naive, periods=daily),
    ):
        with pytest.raises(InvalidRequestError, match="has no time zone"):
            resolve("auto", timing)
    with pytest.raises(InvalidRequestError, match="has no time zone"):
        resolve("since_last", RunTiming(partition_key="2026-01-09", watermark=naive))
