"""When a window is listed, and what becomes of items that the vendor has not finished."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.sansio.errors import ItemsPendingError
from airflow_provider_assets.sansio.settle import LISTING_LAG, Settling, ensure_settled
from airflow_provider_assets.sansio.window import Window

END = datetime(2026, 1, 10, tzinfo=timezone.utc)
DAY = Window(END - timedelta(days=1), END)
SECONDS = st.floats(-100_000, 100_000)


@pytest.mark.parametrize(
    ("after_the_end", "wait"), [(-61, 0), (-60, 90), (0, 30), (12, 18), (30, 0), (86_400, 0)]
)
def test_a_window_that_has_ended_is_listed_after_the_lag(after_the_end, wait):
    now = END + timedelta(seconds=after_the_end)
    assert Settling().before_listing(DAY, now) == wait


def test_everything_there_is_can_be_listed_at_once():
    assert Settling().before_listing(None, END) == 0
    assert Settling().before_next(None, END, ["a"]) == 0


@given(SECONDS)
def test_the_first_listing_is_never_sooner_than_the_lag_after_the_end(offset):
    now = END + timedelta(seconds=offset)
    wait = Settling().before_listing(DAY, now)
    if now >= END - timedelta(minutes=1):  # the worker's clock may be that much behind
        assert now + timedelta(seconds=wait) >= END + LISTING_LAG - timedelta(milliseconds=1)
    else:
        assert wait == 0  # an open window exports what is there by now


@pytest.mark.parametrize(
    ("after_the_end", "pending", "wait"),
    [
        (60, [], 0),
        (60, ["a"], 30),
        (885, ["a"], 15),  # what is left of a quarter of an hour
        (900, ["a"], 0),
        (901, ["a"], 0),
        (-61, ["a"], 0),
    ],
)
def test_pending_items_are_waited_for_until_their_timeout(after_the_end, pending, wait):
    now = END + timedelta(seconds=after_the_end)
    assert Settling().before_next(DAY, now, pending) == wait


def test_named_items_that_are_pending_fail_the_task_however_old_it_is():
    with pytest.raises(ItemsPendingError, match="not finished 1 of"):
        ensure_settled(["a"], None, END, "fail", is_named=True)
    text = ensure_settled(["a"], None, END, "land", is_named=True)
    assert text is not None
    assert text.endswith("a; they are not exported")


def test_nothing_is_said_where_nothing_is_pending():
    assert ensure_settled([], DAY, END, "fail") is None


def test_pending_items_fail_the_task_and_a_retry_lists_them_again():
    with pytest.raises(
        ItemsPendingError, match=r"not finished 2 of .*: a, b\..*pending_timeout"
    ) as e:
        ensure_settled(["a", "b"], DAY, END, "fail")
    assert e.value.retry_after == 300
    assert e.value.retryable


@pytest.mark.parametrize(
    ("window", "after_the_end", "on_partial"),
    [
        (DAY, 0, "land"),
        (DAY, 86_400, "fail"),  # pending for a day: it will not be finished any more
        (None, 0, "fail"),  # the next run lists everything again
    ],
)
def test_pending_items_are_named_where_the_export_does_without_them(
    window, after_the_end, on_partial
):
    now = END + timedelta(seconds=after_the_end)
    said = ensure_settled(["a"], window, now, on_partial)
    assert said
    assert "a; they are not exported" in said
