from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.periods import (
    LENGTHS,
    Period,
    check_length,
    fitting_length,
    label_of,
    split_into_periods,
)
from airflow_provider_assets.sansio.window import BEGINNING, Window

UTC = timezone.utc


def window(start, end):
    return Window(*(datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (start, end)))


@pytest.mark.parametrize(
    ("length", "labels"),
    [
        ("day", ["2025-12-31", "2026-01-01", "2026-01-02"]),
        ("month", ["2025-12", "2026-01"]),
        ("year", ["2025", "2026"]),
    ],
)
def test_a_window_is_cut_at_the_calendar(length, labels):
    periods = list(split_into_periods(window("2025-12-31T12:00", "2026-01-02T06:00"), length))
    assert [one.label for one in periods] == labels
    assert periods[0].window.start == datetime(2025, 12, 31, 12, tzinfo=UTC)
    assert periods[-1].window.end == datetime(2026, 1, 2, 6, tzinfo=UTC)


def test_february_is_a_month():
    for year in (2024, 2026):
        periods = list(split_into_periods(window(f"{year}-01-31", f"{year}-03-31"), "month"))
        assert [one.label for one in periods] == [f"{year}-01", f"{year}-02", f"{year}-03"]
        assert periods[1].window == window(f"{year}-02-01", f"{year}-03-01")


@pytest.mark.parametrize("length", LENGTHS)
def test_the_next_period_begins_at_midnight_whenever_the_window_does(length):
    whole = window("2025-12-31T12:34:56.789", "2026-01-01T06:00")
    assert [one.window.start for one in split_into_periods(whole, length)] == [
        whole.start,
        datetime(2026, 1, 1, tzinfo=UTC),
    ]


def test_without_a_window_or_its_beginning_there_is_one_period():
    assert list(split_into_periods(None, "day")) == [Period("all", None)]
    without_beginning = Window(BEGINNING, datetime(2026, 1, 1, tzinfo=UTC))
    assert list(split_into_periods(without_beginning, "day")) == [Period("all", without_beginning)]


@pytest.mark.parametrize("length", LENGTHS)
def test_the_last_year_ends_with_its_window(length):
    last = list(split_into_periods(window("9999-12-31T01:00", "9999-12-31T23:00"), length))
    assert [one.window for one in last] == [window("9999-12-31T01:00", "9999-12-31T23:00")]


def test_another_length_is_refused():
    check_length("day")
    with pytest.raises(
        InvalidRequestError, match="period must be one of day, month, year, not 'week'"
    ):
        check_length("week")


NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(-400), timedelta(400)).map(lambda one: NEW_YEAR + one)


@given(MOMENTS, st.timedeltas(timedelta(seconds=1), timedelta(days=400)), st.sampled_from(LENGTHS))
def test_periods_are_the_window_without_gap_or_overlap(start, length, name):
    whole = Window(start, start + length)
    periods = list(split_into_periods(whole, name))
    assert (periods[0].window.start, periods[-1].window.end) == (whole.start, whole.end)
    assert all(a.window.end == b.window.start for a, b in pairwise(periods))
    assert len({one.label for one in periods}) == len(periods)
    assert all(label_of(one.window.start, name) == one.label for one in periods)


@pytest.mark.parametrize(
    ("end", "length"), [("2024-01-04", "day"), ("2024-01-05", "month"), ("2029-01-01", "year")]
)
def test_the_shortest_length_is_chosen_that_gives_few_rows(end, length):
    assert fitting_length(window("2024-01-01", end), 3) == length
    assert fitting_length(None, 3) == "day"
