# ruff: noqa: DTZ001  # the strategy gives them their zone
from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.sansio.moments import parse_moment
from airflow_provider_assets.sansio.window import Window, is_unbounded

DAY = timedelta(days=1)
# A calendar far from the ends of time, where every zone has an offset.
MOMENTS = st.datetimes(datetime(1980, 1, 1), datetime(2090, 1, 1), timezones=st.just(timezone.utc))


@given(MOMENTS, st.timedeltas(timedelta(milliseconds=1), 900 * DAY), MOMENTS)
def test_a_window_holds_its_start_and_not_its_end(start, length, moment) -> None:
    window = Window(start, start + length)
    assert window.holds(window.start)
    assert not window.holds(window.end)
    assert window.holds(moment) == (window.start <= moment < window.end)


@given(MOMENTS, st.timedeltas(timedelta(milliseconds=1), DAY), st.timedeltas(DAY, 2 * DAY))
def test_a_window_meets_the_one_that_resumes_from_its_written_end(start, first, second) -> None:
    window = Window(start, start + first)
    assert Window(*(parse_moment(one, "bound") for one in window.iso())) == window
    assert Window(start + first, start + first + second).start == window.end


@pytest.mark.parametrize(
    ("spec", "expected"),
    [("all", True), (None, True), ("auto", False), ("since_last", False), (DAY, False)],
)
def test_everything_there_is_has_no_window(spec, expected):
    assert is_unbounded(spec) is expected
