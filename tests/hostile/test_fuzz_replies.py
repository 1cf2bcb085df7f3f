"""Whatever a vendor answers, and whatever was stored: a result, or an error of ours, after a bounded time.

Each case takes a valid reply or record, changes it by a seed, and performs the real flow or reader with it. A
failure names its case, such as ``topaz.link 1234``; ``CASE="topaz.link 1234"`` plays that one alone.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import time
import traceback
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from io import BytesIO
from multiprocessing import get_context
from random import Random

import pytest
import requests
from mutations import RETRY_AFTER
from reply_flows import DEADLINE, EndlessError, Play, asking_flows, planned, play_case, wait
from stored_records import READERS, read_case
from vendor_script import NOW, Clock

from airflow_provider_assets.network.retries import BUDGET_SECONDS, TRIES
from airflow_provider_assets.network.transport import Transport
from airflow_provider_assets.sansio.errors import AssetsError, ProtocolError
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.vendors import BUILT_IN, paging


def _case(name: str, seed: int) -> str:
    vendor, _, flow = name.partition(".")
    return play_case(vendor, flow, seed) if vendor in BUILT_IN else read_case(flow, seed)


NAMES = [
    *(f"{vendor}.{flow}" for vendor, flow in asking_flows()),
    *(f"stored.{name}" for name in READERS),
]
SHORT, FULL = 500, 24_000
SLOW = {"huawei_roma.select", "topaz.wait"}  # they take three times as long
PIECE = 2_000


def _played(piece: tuple[str, int, int]) -> tuple[str, Counter[str], list[str]]:
    """The ends of the cases of one piece, and those that broke the promise."""
    name, first, stop = piece
    logging.disable()  # thousands of lines tell nobody anything
    ends: Counter[str] = Counter()
    broken: list[str] = []
    for seed in range(first, stop):
        try:
            ends[_case(name, seed)] += 1
        except (Exception, EndlessError) as error:  # noqa: BLE001  # what must not come out
            ends["broken"] += 1
            frame = traceback.extract_tb(error.__traceback__)[-1]
            broken.append(
                f"{name} {seed}: {type(error).__name__} at {frame.filename}:{frame.lineno}: {error}"[
                    :300
                ]
            )
    logging.disable(logging.NOTSET)
    return name, ends, broken


def _pieces(each: int) -> Iterator[tuple[str, int, int]]:
    for first in range(0, each, PIECE):
        for name in NAMES:
            if name not in SLOW or first < each / 2:
                yield name, first, min(first + PIECE, each)


def test_no_reply_and_no_record_raises_anything_but_our_errors(full_form, figure) -> None:
    if given := os.environ.get("CASE"):
        name, _, seed = given.rpartition(" ")
        figure(f"{given}: {_case(name, int(seed))}")
        return
    started, ends = time.monotonic(), {name: Counter[str]() for name in NAMES}
    broken: list[str] = []
    each = FULL if full_form else SHORT
    with ExitStack() as stack:
        played = map(_played, _pieces(each))
        if full_form:
            pool = stack.enter_context(get_context("spawn").Pool(os.cpu_count(), os.nice, (10,)))
            played = pool.imap_unordered(_played, _pieces(each))
        for name, ended, wrong in played:
            ends[name] += ended
            broken += wrong
    seconds = time.monotonic() - started
    total = sum(map(Counter.total, ends.values()))
    if full_form:
        for name, ended in ends.items():
            figure(
                f"{name}: {ended.total()} cases, {ended['returned']} results, {len(ended)} ways to end"
            )
    figure(
        f"replies and records: {total:,} cases in {seconds:.0f} s, {total / seconds:,.0f} a second, "
        f"{len(broken)} broken promises"
    )
    assert broken == []
    assert total >= (1_000_000 if full_form else 20_000)
    # A fuzz that ends only in errors, or never, would prove nothing.
    assert [name for name, ended in ends.items() if len(ended) < 2 and name not in ONE_END] == []


ONE_END = {
    "stored.checkpoint",
    "stored.landed files",
    "stored.record",
    "stored.metadata rows",
}  # what cannot be used is ignored


# --- listings and waits without an end -------------------------------------------------------


def _page(vendor: str, entries: list[str], token: str) -> HttpResponse:
    """A page of a listing that names another one."""
    if vendor == "scenario":
        data = {
            "assets": [{"id": one} for one in entries],
            "jobs": [{"jobId": one} for one in entries],
            "nextPaginationToken": token,
        }
    elif vendor == "topaz":
        status = {"status": "Completed", "modification_time": NOW - 60, "creation_time": NOW}
        data = {
            "data": [{"process_id": one, **status} for one in entries],
            "pagination": {"has_next_page": True, "next_cursor": token},
        }
    else:
        data = {"total": 10**12, "apps": [{"id": one} for one in entries], "entities": []}
    return HttpResponse(200, {}, json.dumps(data).encode())


ENDLESS: dict[str, Callable[[int], tuple[list[str], str]]] = {
    "the same token again": lambda number: ([f"a{number}"], "t"),
    "a cycle of tokens": lambda number: ([f"a{number}"], f"t{number % 7}"),
    "always another page": lambda number: ([f"a{number}", f"a{number + 1}"], f"t{number}"),
    "the same page under new tokens": lambda number: (["a"], f"t{number}"),
    "empty pages for ever": lambda number: ([], f"t{number}"),
}


@pytest.mark.parametrize("way", ENDLESS)
@pytest.mark.parametrize(
    ("vendor", "flow"), [*((vendor, "select") for vendor in BUILT_IN), ("scenario", "find")]
)
def test_a_listing_without_an_end_is_left_after_a_bounded_number_of_requests(
    vendor, flow, way, monkeypatch
) -> None:
    monkeypatch.setattr(paging, "MAX_PAGES", 300)
    monkeypatch.setattr(paging, "MAX_EMPTY_PAGES", 100)
    numbers = itertools.count()

    def fault(number: int, request: HttpRequest, reply: HttpResponse) -> HttpResponse:
        is_listing = "pageSize" in dict(request.params) or "limit" in dict(request.params)
        if vendor == "huawei_roma":
            offset = int(dict(request.params).get("offset", "0"))
            entries = {"empty pages for ever": [], "the same page under new tokens": ["a"]}
            page = _page(vendor, entries.get(way, [f"a{offset}", f"a{offset + 1}"]), "")
        else:
            page = _page(vendor, *ENDLESS[way](next(numbers)))
        return page if is_listing else reply

    play = Play(vendor, fault, max_requests=1_600)
    flows = {
        "select": lambda: play.vendor.select({}, None),
        "find": lambda: play.vendor.find(planned(play), NOW),
    }
    if vendor == "huawei_roma" and way in {
        "empty pages for ever",
        "the same page under new tokens",
    }:
        play.run(flows[flow]())  # an offset that does not move ends the listing
    else:
        with pytest.raises(ProtocolError):
            play.run(flows[flow]())
    assert play.requests <= 303


@pytest.mark.parametrize("vendor", BUILT_IN)
@pytest.mark.parametrize("header", ["retry-after", "retry-after-ms"])
def test_no_retry_after_makes_a_wait_outlast_its_deadline(header, vendor) -> None:
    for value in RETRY_AFTER:
        refusal = HttpResponse(429, {header: value}, b"{}")
        play = Play(vendor, lambda number, request, reply, refusal=refusal: refusal)
        error = play.vendor.error_for(HttpRequest("GET", play.vendor.base_url), refusal)
        assert error.retry_after is None or 0 <= error.retry_after < float("inf")
        wait(play, Random(1))
        assert play.slept <= DEADLINE - NOW + 1


def _refused(asked, status, value, *args, **given):
    asked.append(args)
    answer = requests.Response()
    answer.status_code, answer.raw = status, BytesIO(b"{}")
    answer.headers["Retry-After"] = value
    return answer


@pytest.mark.parametrize("status", [429, 500, 503])
def test_no_retry_after_makes_a_request_exceed_its_budget(status, monkeypatch) -> None:
    clock = Clock(0.0)

    def sleep(seconds: float) -> None:
        assert 0 <= seconds <= BUDGET_SECONDS
        clock.now += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", clock)
    play = Play("topaz", lambda number, request, reply: reply)
    for value in RETRY_AFTER:
        transport, began, asked = Transport(play.vendor.error_for), clock.now, []
        monkeypatch.setattr(transport._session, "request", partial(_refused, asked, status, value))
        with pytest.raises(AssetsError):
            transport.run(play.vendor.check())
        assert 1 <= len(asked) <= TRIES
        assert clock.now - began <= BUDGET_SECONDS


@pytest.mark.parametrize("unit", [b"[],", b"x"])
def test_a_body_of_100_megabytes_is_refused_before_it_is_parsed(unit) -> None:
    form = b"[" + unit * (100_000_000 // len(unit))
    play = Play("topaz", lambda number, request, reply: HttpResponse(200, {}, form))
    tracemalloc.start()
    try:
        with pytest.raises(AssetsError, match="bytes"):
            play.run(play.vendor.check())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
