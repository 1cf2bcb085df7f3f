"""A listing without an end is an error after a number of pages that no real listing has."""

from __future__ import annotations

import itertools

import pytest
from roma_samples import roma
from scenario_samples import scenario
from vendor_script import Clock, reply

from airflow_provider_assets.sansio import flow as flows
from airflow_provider_assets.sansio.errors import ProtocolError
from airflow_provider_assets.vendors import paging
from airflow_provider_assets.vendors.connection import VendorConnection
from airflow_provider_assets.vendors.topaz import Topaz


def read(pages, monkeypatch, why, most=50, empty=20) -> int:
    """The number of pages that are read of *pages*, each entries and a token, until the error."""
    monkeypatch.setattr(paging, "MAX_PAGES", most)
    monkeypatch.setattr(paging, "MAX_EMPTY_PAGES", empty)
    asked = []

    def fetch(token):
        yield from ()
        asked.append(token)
        return next(pages)

    reading = paging.read_pages(fetch, lambda entries: False, listing="A, list")
    with pytest.raises(ProtocolError, match=f"^A, list: {why}"):
        flows.run(reading, perform=None, sleep=None)
    return len(asked)


def fresh(entries):
    return ((entries, f"t{number}") for number in itertools.count())


def test_pages_that_always_name_a_new_one_end_at_the_most_there_can_be(monkeypatch) -> None:
    assert read(fresh([{"id": "a"}]), monkeypatch, "no end after 50 pages") == 50


def test_empty_pages_that_always_name_a_new_one_end_earlier(monkeypatch) -> None:
    why = "20 pages in a row are empty"
    assert read(fresh([]), monkeypatch, why) == 20
    after_one = (([{}], f"first {n}") if n == 0 else ([], f"t{n}") for n in itertools.count())
    assert read(after_one, monkeypatch, why) == 21


def test_tokens_that_come_again_end_at_once(monkeypatch) -> None:
    circle = itertools.cycle([([{}], "a"), ([], "b"), ([], "c")])
    assert read(circle, monkeypatch, "pagination loop") == 4


@pytest.mark.parametrize(
    ("vendor", "page", "name"),
    [
        (scenario().vendor, {"assets": [], "nextPaginationToken": "t"}, "Scenario /assets"),
        (
            Topaz(VendorConnection("t", "topaz", password="k"), clock=Clock()),
            {"data": [], "pagination": {"has_next_page": True, "next_cursor": "t"}},
            "Topaz, list of statuses",
        ),
    ],
)
def test_the_listing_without_an_end_is_named(vendor, page, name) -> None:
    with pytest.raises(ProtocolError, match=f"^{name}: pagination loop"):
        flows.run(vendor.select({}, None), perform=lambda request: reply(page), sleep=None)


def test_a_listing_by_offset_ends_likewise(monkeypatch) -> None:
    monkeypatch.setattr(paging, "MAX_PAGES", 50)
    asked = []

    def perform(request):
        offset = int(dict(request.params)["offset"])
        asked.append(offset)
        apps = [{"id": f"a{number}"} for number in (offset, offset + 1)]
        return reply({"total": 10**9, "apps": apps})

    with pytest.raises(ProtocolError, match="ROMA Connect, list of apps: no end after 50 pages"):
        flows.run(roma().select({"apps": True}, None), perform=perform, sleep=None)
    assert len(asked) == 50
