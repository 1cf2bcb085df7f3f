"""Every flow of every vendor, performed against replies of which some are hostile, by a clock of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent.parent / "vendors"))

from mutations import hostile
from vendor_contract import MOMENT, Wire
from vendor_script import NOW, Clock, checked

from airflow_provider_assets.hooks.client import mask_link
from airflow_provider_assets.sansio import flow as flows
from airflow_provider_assets.sansio.downloads import ArchiveFile, Link
from airflow_provider_assets.sansio.errors import AssetsError, from_dict, to_dict
from airflow_provider_assets.sansio.flow import Flow
from airflow_provider_assets.sansio.jobs import (
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    Item,
    Selected,
    describe,
)
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.sansio.metadata import COLUMNS, Batch, jsonl, rows
from airflow_provider_assets.sansio.moments import parse_moment
from airflow_provider_assets.sansio.records import Record
from airflow_provider_assets.sansio.verdict import ensure_complete
from airflow_provider_assets.sansio.waiter import Waitlist, submit_when_free, wait_for
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors import BUILT_IN, vendor_class
from airflow_provider_assets.vendors.base import Vendor

DAY = Window(parse_moment("2026-01-10T00:00:00Z", ""), parse_moment("2026-01-11T00:00:00Z", ""))
LISTED = {"huawei_roma": 53}  # of which 50 are tasks
MAX_REQUESTS = 300
MAX_SECONDS = 4_000.0  # an hour for a wait with its deadline, or for another export
MAX_MESSAGE = 12_000  # characters of a log line, of which a link may be eight thousand
MAX_STATE = 64 * 1024  # bytes that Airflow's task state store takes
# The longer one is later than the end of an outage.
SHORT_DEADLINE, DEADLINE = NOW + 60.0, NOW + 600.0


class EndlessError(BaseException):
    """A flow that asks or waits without an end; no ``except Exception`` may hide it."""


@cache
def _wire_of(vendor_name: str) -> type[Wire]:
    return import_module(f"wire_{vendor_name}").Wire


@dataclass
class Play:
    """A vendor and its wire, of which replies are changed by *fault*; counts requests and seconds."""

    vendor_name: str
    fault: Callable[[int, HttpRequest, HttpResponse], HttpResponse]
    clock: Clock = field(default_factory=Clock)
    requests: int = 0
    slept: float = 0.0
    max_requests: int = MAX_REQUESTS
    vendor: Vendor = field(init=False)
    wire: Wire = field(init=False)

    def __post_init__(self) -> None:
        self.wire = _wire_of(self.vendor_name)(MOMENT)
        self.wire.listed = LISTED.get(self.vendor_name, 7)
        self.vendor = vendor_class(self.vendor_name)(self.wire.connection, clock=self.clock)

    def run(self, flow: Flow) -> object:
        return flows.run(flow, perform=self.perform, sleep=self.sleep)

    def perform(self, request: HttpRequest) -> HttpResponse:
        self.requests += 1
        if self.requests > self.max_requests:
            raise EndlessError(f"{self.requests} requests, the last is {request}")
        request.full_url.encode("ascii")  # as a transport sends it
        try:
            honest = self.wire(request)
        except ValueError:  # a page token or an offset of a hostile page
            honest = HttpResponse(400, {}, b"{}")
        return checked(self.vendor, request, self.fault(self.requests, request, honest))

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.clock.now += seconds
        if not 0 <= self.slept <= MAX_SECONDS:
            raise EndlessError(f"waited {self.slept} seconds")


def planned(play: Play) -> ArchiveRequest:
    """A request that names the wire's items."""
    return _planned(play.vendor_name)


@cache
def _planned(vendor_name: str) -> ArchiveRequest:
    play = Play(vendor_name, lambda number, request, reply: reply)
    items = {kind: tuple(ids) for kind, ids in play.wire.items.items()}
    options = play.vendor.validate(options={})
    return ArchiveRequest(vendor_name, items, options, window=DAY.iso(), tag="tag", run_date=MOMENT)


def job_of(play: Play, request: ArchiveRequest) -> ArchiveJob:
    """Its job, as an earlier task has recorded it."""
    details: Mapping[str, object] = {
        "kind": "output",
        "process_ids": list(request.items.get("process_ids", ())),
    }
    if play.vendor_name != "topaz":
        details = {"archive_id": "arch-77aa"} if play.vendor_name == "huawei_roma" else {}
    play.wire.names = {"job_0": "a", "job_1": "b"}  # those that Scenario knows
    return ArchiveJob(play.vendor_name, "job_0", submitted_at=NOW, details=details)


# --- the flows --------------------------------------------------------------------------------


def check(play: Play, rng: Random) -> None:
    text = play.run(play.vendor.check())
    assert isinstance(text, str)


def select(play: Play, rng: Random) -> None:
    records: dict[Item, Record] = {}
    query = {"by": "updatedAt"} if play.vendor_name == "scenario" and rng.random() < 0.3 else {}
    play.wire.word = play.wire.finished
    window = rng.choice((None, DAY))
    selecting = play.vendor.select_part(
        query, window, pages=rng.choice((None, 1)), on_record=records.__setitem__
    )
    selected, rest = play.run(selecting)
    assert isinstance(selected, Selected)
    assert rest is None or window is not None
    for item in selected.items:
        storable([*item])
    storable(selected.pending)
    for record in records.values():
        play.vendor.facts(query, record)
    _described(play, selected, records)


def _described(play: Play, selected: Selected, records: dict[Item, Record]) -> None:
    items: dict[str, tuple[str, ...]] = {}
    for kind, one in selected.items:
        items[kind] = (*items.get(kind, ()), one)
    request = ArchiveRequest(play.vendor_name, items, run_date=MOMENT)
    table = list(
        rows(Batch("c", request, "j", "s3://b/k", {}, {}), records, play.vendor.spec.columns)
    )
    assert all(row.keys() == COLUMNS.keys() for row in table)
    jsonl(table)


def expand(play: Play, rng: Random) -> None:
    kinds = play.vendor.spec.kinds
    items = {kinds[-1]: ["m1"]} if play.vendor_name == "scenario" else play.wire.items
    for item in play.run(play.vendor.expand(items)).items:
        storable([*item])


def submit(play: Play, rng: Random) -> None:
    request = planned(play)
    submitting = submit_when_free(lambda: play.vendor.submit(request), clock=play.clock)
    _job(play, play.run(submitting))


def find(play: Play, rng: Random) -> None:
    job_of(play, planned(play))
    play.wire.names = {"job_0": "tag", "job_1": "b"}
    found = play.run(
        play.vendor.find(
            replace(planned(play), options={**planned(play).options, "archive_name": "x"}), NOW
        )
    )
    assert found is None or _job(play, found)


def poll(play: Play, rng: Random) -> None:
    job = job_of(play, planned(play))
    many = [replace(job, job_id=f"job_{n}") for n in range(rng.choice((1, 2)))]
    play.wire.word = rng.choice((play.wire.word, play.wire.finished, ""))
    answers = play.run(play.vendor.poll(many))
    assert len(answers) == len(many)
    for answer in answers:
        _answer(play, answer)


def wait(play: Play, rng: Random) -> str:
    job = job_of(play, planned(play))
    play.wire.word = rng.choice((play.wire.word, play.wire.finished))
    waitlist = Waitlist(play.vendor.poll, play.vendor.spec.poll, play.clock, rng.random)
    deadline = DEADLINE if rng.random() < 0.1 else SHORT_DEADLINE
    (end,) = play.run(wait_for([job], waitlist=waitlist, deadline=deadline))
    _answer(play, end)
    return type(end).__name__ if isinstance(end, AssetsError) else end.state.value


def cancel(play: Play, rng: Random) -> None:
    assert play.run(play.vendor.cancel(job_of(play, planned(play)))) in (True, False)


def job_url(play: Play, rng: Random) -> None:
    storable(play.run(play.vendor.job_url(job_of(play, planned(play)))))


def files(play: Play, rng: Random) -> None:
    for file in play.run(play.vendor.files(_reference(play, rng))):
        assert isinstance(file, ArchiveFile)
        storable([file.key, file.name])


def link(play: Play, rng: Random) -> None:
    reference = _reference(play, rng)
    key = reference.request.items.get("process_ids", ["arch-77aa"])[0]
    target = "webp" if play.vendor_name == "scenario" and rng.random() < 0.3 else None
    found = play.run(play.vendor.link(reference, ArchiveFile(key, "n"), target_format=target))
    assert isinstance(found, Link)
    mask_link(found)
    found.url.encode("ascii")
    assert found.expires_at is None or isinstance(found.expires_at, float)


def refused(play: Play, rng: Random) -> None:
    """The verdict on a refused download, of which the first KiB are read."""
    play.wire.word = play.wire.finished
    if play.vendor_name == "huawei_roma":
        reference = ArchiveReference("c", planned(play), job_of(play, planned(play)))
        honest = Play(play.vendor_name, lambda number, request, reply: reply)
        honest.wire.word = honest.wire.finished
        judge = honest.run(honest.vendor.link(reference, ArchiveFile("arch-77aa"))).refused
    else:
        judge = None
    body = {
        "error_code": "ROMA.1",
        "error_msg": "the package has been downloaded",
        "request_id": "r",
    }
    reply = hostile(rng, HttpResponse(403, {}, json.dumps(body).encode()))
    if judge is not None:
        raise judge(reply.status, reply.headers, reply.body[:4096])
    raise play.vendor.error_for(HttpRequest("GET", play.vendor.base_url), reply)


FLOWS = {
    one.__name__: one
    for one in (
        check,
        select,
        expand,
        submit,
        find,
        poll,
        wait,
        cancel,
        job_url,
        files,
        link,
        refused,
    )
}


def _reference(play: Play, rng: Random) -> ArchiveReference:
    request, is_single = planned(play), play.vendor_name == "scenario" and rng.random() < 0.4
    job = job_of(play, request)
    play.wire.word = play.wire.finished
    if is_single:
        request = replace(request, options={"mode": "links"})
    return ArchiveReference("c", request, job)


# --- what results have to be ---------------------------------------------------------------------


def storable(value: object) -> None:
    """As XComs, task state and manifests store it: JSON that any reader takes, in UTF-8."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    assert json.loads(text.encode()) == value


def _answer(play: Play, answer: ArchiveJob | AssetsError) -> None:
    if isinstance(answer, AssetsError):
        told(answer)
    else:
        _job(play, answer)


def _job(play: Play, job: ArchiveJob) -> bool:
    storable(job.to_dict())
    describe(job).encode()
    assert len(json.dumps(job.to_dict())) < MAX_STATE
    assert ArchiveJob.from_dict(job.to_dict()) == job
    ensure_complete([job], "land")
    return True


def told(error: AssetsError) -> None:
    """An error crosses the border of the triggerer and is logged."""
    storable(to_dict(error))
    assert str(from_dict(to_dict(error))) == str(error)
    assert len(str(error)) < MAX_MESSAGE


# --- one case ----------------------------------------------------------------------------------


def play_case(vendor_name: str, flow: str, seed: int) -> str:
    """Play one case; returns the name of what it ended with.

    :raises BaseException: whatever the promise does not allow.
    """
    rng = Random(seed)
    first = 1 + rng.randrange(max(min(REQUESTS[vendor_name, flow], 4), 1))
    lasting = rng.random() < 0.3

    def fault(number: int, request: HttpRequest, reply: HttpResponse) -> HttpResponse:
        if number < first or (number > first and not lasting):
            return reply
        return hostile(rng, reply)

    play = Play(vendor_name, fault)
    try:
        return FLOWS[flow](play, rng) or "returned"
    except AssetsError as error:
        told(error)
        return type(error).__name__


def _requests(vendor: str, flow: str) -> int:
    """Number of requests of an honest play, of which at least one is."""
    play = Play(vendor, lambda number, request, reply: reply)
    with suppress(AssetsError):
        FLOWS[flow](play, Random(1))
    return play.requests


REQUESTS = {(vendor, flow): _requests(vendor, flow) for vendor in BUILT_IN for flow in FLOWS}


def asking_flows() -> list[tuple[str, str]]:
    """Vendor and flow, of the flows that ask the vendor something, or judge an answer."""
    return [one for one, number in REQUESTS.items() if number or one[1] == "refused"]
