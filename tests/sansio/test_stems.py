from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.sansio.jobs import ArchiveRequest
from airflow_provider_assets.sansio.moments import parse_moment
from airflow_provider_assets.sansio.stems import end_of
from airflow_provider_assets.sansio.window import Window

FIRST = datetime(1970, 1, 1, tzinfo=timezone.utc)
MOMENTS = st.integers(0, 400_000 * 86_400_000).map(lambda ms: FIRST + timedelta(milliseconds=ms))
LENGTHS = st.timedeltas(timedelta(milliseconds=1), timedelta(days=400)) | st.just(timedelta(days=1))


@given(
    start=MOMENTS
    | MOMENTS.map(lambda moment: moment.replace(hour=0, minute=0, second=0, microsecond=0)),
    length=LENGTHS,
    of=st.sampled_from([1, 3, 2000]),
    ending=st.sampled_from(["", ".zip", ".zip.gz"]),
)
def test_the_end_of_a_window_is_read_from_the_name_that_it_gave(start, length, of, ending):
    window = Window(start, start + length).iso()
    request = ArchiveRequest(
        "toy-vendor", {}, window=window, query_id="7c92f9ee0", of=of, index=of - 1
    )
    assert end_of(request.stem + ending, "toy-vendor") == parse_moment(window[1], "end")


@pytest.mark.parametrize(
    "name",
    [
        "toy-20260109T000000-7c92f9ee",  # the date of a run: no window
        "toy-7c92f9ee",
        "toy-2026-01-09-mine",
        "toy-2026-13-09-7c92f9ee",
        "toy-9999-12-31-7c92f9ee",
        "toy-20260109T000000_20261309T000000-7c92f9ee",
        "other-2026-01-09-7c92f9ee",
        "my-2026-01-09-7c92f9ee-and-more",
    ],
)
def test_another_name_tells_of_no_window(name):
    assert end_of(name, "toy") is None
