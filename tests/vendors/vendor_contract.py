"""Finds the registered vendors and their wires, and drives flows against them, both ways."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from vendor_script import Clock, checked

from airflow_provider_assets.sansio import flow as flows
from airflow_provider_assets.sansio.batching import split_into_batches
from airflow_provider_assets.sansio.flow import Flow
from airflow_provider_assets.sansio.jobs import ArchiveJob, ArchiveReference, ArchiveRequest
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.vendors import BUILT_IN, ENTRY_POINT_GROUP, vendor_class
from airflow_provider_assets.vendors.base import Vendor
from airflow_provider_assets.vendors.connection import VendorConnection

WIRES = "airflow_provider_assets.vendor_wires"
MOMENT = "2026-01-10T08:00:00.000Z"


class Wire(Protocol):
    """What a vendor answers, in memory.

    ``moment``: when everything listed was made. ``word``: the status of every job, "" for a vendor
    that knows none. ``finished``: the word for success. ``listed``: things in the listing, more than
    a page. ``items``: three things, named explicitly. ``secrets``: what must never be shown.
    """

    moment: str
    word: str
    finished: str
    listed: int
    connection: VendorConnection
    secrets: tuple[str, ...]
    items: Mapping[str, Sequence[str]]

    def __call__(self, request: HttpRequest) -> HttpResponse: ...


@contextmanager
def toy_installed():
    """The toy vendor's package on the path, as if installed."""
    place = str(Path(__file__).with_name("toy"))
    sys.path.insert(0, place)
    try:
        yield
    finally:
        sys.path.remove(place)


def all_vendors() -> dict[str, tuple[type[Vendor], Callable[[str], Wire]]]:
    """Name -> vendor class and wire class, of every registered vendor and the toy."""
    with toy_installed():
        others = [point.name for point in entry_points(group=ENTRY_POINT_GROUP)]
        wires = {point.name: point for point in entry_points(group=WIRES)}
        return {
            name: (
                vendor_class(name),
                wires[name].load() if name in wires else import_module(f"wire_{name}").Wire,
            )
            for name in [*BUILT_IN, *others]
        }


VENDORS = all_vendors()
HTML = b"<html><body>Bad Gateway</body></html>"


def always(status, body=b"{}", **headers):
    """A fault: every request is answered so."""
    return lambda request: HttpResponse(status, headers, body)


@dataclass
class Contract:
    """One vendor, its wire, and a driver."""

    cls: type[Vendor]
    wire: Wire
    asynchronous: bool
    clock: Clock = field(default_factory=Clock)
    fault: Callable[[HttpRequest], HttpResponse | None] = lambda request: None
    seen: list[HttpRequest] = field(default_factory=list)
    vendor: Vendor = field(init=False)

    def __post_init__(self) -> None:
        self.vendor = self.cls(self.wire.connection, clock=self.clock)

    def run(self, flow: Flow):
        if self.asynchronous:
            return asyncio.run(flows.arun(flow, perform=self._aperform, sleep=self._asleep))
        return flows.run(flow, perform=self.perform, sleep=self.sleep)

    def perform(self, request: HttpRequest) -> HttpResponse:
        self.seen.append(request)
        return checked(self.vendor, request, self.fault(request) or self.wire(request))

    def sleep(self, seconds: float) -> None:
        self.clock.now += seconds

    async def _aperform(self, request: HttpRequest) -> HttpResponse:
        return self.perform(request)

    async def _asleep(self, seconds: float) -> None:
        self.sleep(seconds)

    # --- steps that most tests share ---

    def requests(self) -> list[ArchiveRequest]:
        """One request for each of the wire's items."""
        items = self.run(self.vendor.expand(self.wire.items)).items
        options = self.vendor.validate(options={})
        planned = split_into_batches(self.vendor.spec.name, items, max_batch=1, options=options)
        return [replace(request, tag="tag-1") for request in planned]

    def submitted(self) -> list[ArchiveJob]:
        return [self.run(self.vendor.submit(request)) for request in self.requests()]

    def reference(self) -> ArchiveReference:
        """A finished archive."""
        request = self.requests()[0]
        job = self.run(self.vendor.submit(request))
        self.wire.word = self.wire.finished
        (job,) = self.run(self.vendor.poll([job]))
        return ArchiveReference(self.wire.connection.conn_id, request, job)
