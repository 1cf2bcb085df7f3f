"""A long window is listed in slices in parallel: the same items, for hardly a request more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta, timezone

import pytest
from airflow_runs import connect
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_assets.hooks import slices
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.hooks.slices import Slices, halves
from airflow_provider_assets.listing.batches import list_batches
from airflow_provider_assets.listing.inputs import ExportInputs
from airflow_provider_assets.listing.spool import ListingSpool
from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio.errors import (
    InvalidRequestError,
    ProtocolError,
    RateLimitedError,
)
from airflow_provider_assets.sansio.records import ignore
from airflow_provider_assets.sansio.window import Window

YEAR = Window(datetime(2025, 1, 1, tzinfo=timezone.utc), datetime(2026, 1, 1, tzinfo=timezone.utc))
PAGES = 40  # of a listing of the year in one piece


@pytest.fixture(scope="module")
def year():
    flags = ("--items", "300", "--years", "1", "--history", "3600", "--empty-pages", "0")
    with running("--vendor", "scenario", *flags, "--day", "2025-07-01=100") as sandbox:
        yield sandbox


@pytest.fixture
def hook(year, monkeypatch):
    """A slice may be divided after two pages, so that few assets make many slices."""
    year.reset()
    connect(monkeypatch, "scenario_year", year.scenario["connection"])
    monkeypatch.setattr(slices, "PAGES", 2)
    return AssetArchiveHook.for_conn("scenario_year")


def in_slices(hook, window, query=None):
    """The items and the records of *window*, in the order of the slices."""
    records = {}
    found = sorted(hook.slices(query or {}, window, on_record=records.__setitem__))
    return [item for one in found for item in one.selected.items], records


def in_one_piece(hook, window, query=None):
    records = {}
    whole = hook.vendor.select(query or {}, window, on_record=records.__setitem__)
    return hook.run(whole).items, records


def listings(sandbox):
    return sandbox.stats()["totals"]["listings"]


def test_a_year_is_listed_as_it_is_in_one_piece(hook, year):
    expected, described = in_one_piece(hook, YEAR)
    assert listings(year) == PAGES
    year.reset_stats()
    found, records = in_slices(hook, YEAR)
    assert found == expected
    assert records.keys() == described.keys()
    # One request more for each time that a slice was divided, which is after two pages or later. How often
    # depends on which slice answers first.
    assert listings(year) <= PAGES * 2


@settings(
    deadline=None, max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    start=st.integers(0, 300 * 86_400_000),
    length=st.integers(1, 65 * 86_400_000),
    late=st.integers(0, 12),
)
def test_any_window_holds_the_same_whatever_slice_ends_first(hook, year, start, length, late):
    begin = YEAR.start + timedelta(milliseconds=start)
    window = Window(begin, begin + timedelta(milliseconds=length))
    year.reset()
    expected, _ = in_one_piece(hook, window)
    year.fault(f"list:delay=0.02:2,after={late}")
    assert in_slices(hook, window)[0] == expected


@pytest.mark.parametrize(
    ("window", "query"),
    [
        (Window(YEAR.end - timedelta(days=2), YEAR.end), {}),
        (YEAR, {"by": "updatedAt"}),
        (None, {}),
    ],
    ids=["short", "by change", "all time"],
)
def test_other_listings_are_one_chain_of_requests(hook, year, window, query):
    expected, _ = in_one_piece(hook, window, query)
    requests = listings(year)
    assert in_slices(hook, window, query)[0] == expected
    assert listings(year) == 2 * requests


def test_a_night_of_many_items_makes_no_request_more(hook, year):
    day = datetime(2025, 7, 1, tzinfo=timezone.utc)
    found, _ = in_slices(hook, Window(day, day + timedelta(days=1)))
    assert 100 <= len(found) <= 120
    assert listings(year) == 2


def test_a_vendor_that_refuses_some_requests_for_their_rate_is_listed_to_the_end(hook, year):
    expected, _ = in_one_piece(hook, YEAR)
    year.reset()
    year.fault("list:429:4,retry_after=0.05,after=6")
    assert in_slices(hook, YEAR)[0] == expected


def test_slices_that_are_all_refused_at_once_are_all_listed_again(hook, year):
    expected, _ = in_one_piece(hook, YEAR)
    year.reset()
    # Every attempt of every slice, until not one is in flight any more.
    year.fault(f"list:429:{4 * slices.PARALLEL},retry_after=0.01")
    reading = Slices(hook.vendor, hook.transport, {}, ignore)
    length = (YEAR.end - YEAR.start) / slices.PARALLEL
    starts = [YEAR.start + length * number for number in range(slices.PARALLEL)]
    with ThreadPoolExecutor(slices.PARALLEL) as pool:
        found = sorted(reading._rest(pool, [Window(one, one + length) for one in starts]))
    assert [item for one in found for item in one.selected.items] == expected


@pytest.mark.parametrize(
    ("fault", "retry_after"),
    [
        ("list:429:1,retry_after=99,after=8", 99),  # too long a pause for any request
        ("list:429,retry_after=0.01,after=8", 0.01),  # also of a slice that is listed alone
    ],
)
def test_a_vendor_that_refuses_a_slice_for_its_rate_is_told(hook, year, fault, retry_after):
    year.fault(fault)
    with pytest.raises(RateLimitedError) as raised:
        in_slices(hook, YEAR)
    assert raised.value.retry_after == retry_after
    # Eight slices, then four, two and one of them, in four attempts each.
    assert listings(year) <= 8 + 4 * (8 + 4 + 2 + 1)


def test_an_error_of_one_slice_ends_the_others_and_is_the_vendors(hook, year):
    year.fault("list:400:1,after=10,body.message=no such asset")
    with pytest.raises(InvalidRequestError, match="no such asset"):
        in_slices(hook, YEAR)
    assert listings(year) < PAGES


def test_a_window_without_an_end_is_told_in_slices(hook, year, monkeypatch):
    monkeypatch.setattr(slices, "MAX_SLICES", 3)
    with pytest.raises(ProtocolError, match="Scenario: no end after 3 slices of the window"):
        in_slices(hook, YEAR)
    assert listings(year) < PAGES


def test_whoever_wants_no_more_slices_asks_for_no_more(hook, year):
    found = hook.slices({}, YEAR)
    next(found), next(found)
    found.close()
    assert listings(year) < PAGES


def test_records_are_handed_on_one_at_a_time(hook, year):
    with closing(ListingSpool(keeps_records=True)) as spool:
        inputs = ExportInputs(hook.vendor, None, None, {})
        batches, pending = list_batches(hook, inputs, YEAR, "2026-01-01", spool)
        expected, described = in_one_piece(hook, YEAR)
        ids = [one for batch in batches for one in batch.items["asset_ids"]]
        assert ids == [item.id for item in expected]
        records = {item: record for batch in batches for item, record in spool.of(batch)}
        assert {one["id"] for one in records.values()} == set(ids)
        assert records.keys() == described.keys()
        assert pending == hook.run(hook.vendor.select({}, YEAR)).pending


@given(st.integers(0, 5_000), st.integers(1, 5_000))
def test_a_window_is_halved_without_a_gap(start, length):
    begin = YEAR.start + timedelta(milliseconds=start)
    whole = Window(begin, begin + timedelta(milliseconds=length))
    parts = halves(whole)
    assert (parts[0].start, parts[-1].end) == (whole.start, whole.end)
    assert parts[0].end == parts[-1].start or parts == [whole]
    assert len(parts) == (2 if length > 1 else 1)
