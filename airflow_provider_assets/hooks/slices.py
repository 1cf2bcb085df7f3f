"""Lists a long window in slices of time, several of them in parallel.

The beginning of the window is listed first. Where that does not reach its end, the rest is halved, and so is
the rest of every slice while there are fewer slices than may be listed at a time. So slices are made where
the items are, and one is made only after ``PAGES`` pages: at worst there is one more request for each
``PAGES`` pages than in a listing in one piece.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from airflow_provider_assets.network.retries import BUDGET_SECONDS
from airflow_provider_assets.network.transport import Transport
from airflow_provider_assets.sansio.errors import RateLimitedError
from airflow_provider_assets.sansio.jobs import Item, Selected
from airflow_provider_assets.sansio.moments import whole_ms
from airflow_provider_assets.sansio.records import OnRecord, Record
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors import paging
from airflow_provider_assets.vendors.base import Vendor

PARALLEL = 8  # slices that are listed at the same time
PAGES = 12  # of a slice, before its rest is halved
MAX_SLICES = paging.MAX_PAGES // PAGES
SHORT = timedelta(days=2)  # a window up to this long, such as that of a nightly run, is one slice


class Slice(NamedTuple):
    """The listing of one slice.

    :param start: epoch seconds of the slice's start, by which slices are sorted; 0 for all time.
    :param rest: the end of the slice, which other slices hold.
    """

    start: float
    selected: Selected
    rest: Window | None = None


@dataclass(slots=True)
class Share:
    """The number of slices listed at a time: halved when the vendor refuses requests for their rate, then
    slowly raised again.

    Slices that are listed together may be refused together, which says no more than one refusal does. So
    those that began in the same round halve the number once.

    :ivar most: slices that may be listed at the same time.
    :ivar rounds: number of times that it was halved.
    """

    most: int = PARALLEL
    rounds: int = 0

    def may_ask_again(self, error: RateLimitedError, begun: int) -> bool:
        """Whether a refused slice is worth another request of this attempt.

        It is not if it was refused although it was listed alone, or if the vendor asks for a longer pause
        than any request makes: the task's next attempt can wait for it.

        :param begun: the round in which the slice began.
        """
        is_alone = self.most == 1 and begun == self.rounds
        return not is_alone and (error.retry_after or 0.0) <= BUDGET_SECONDS

    def halve(self, begun: int) -> None:
        """Halve the number, unless it was halved since round *begun*."""
        if begun == self.rounds:
            self.most, self.rounds = max(self.most // 2, 1), self.rounds + 1

    def grow(self) -> None:
        """Let one more slice be listed at a time."""
        self.most = min(self.most + 1, PARALLEL)


@dataclass(slots=True)
class Slices:
    """The listing of one query, slice by slice.

    :param on_record: as in :meth:`Vendor.select`; called by several threads, one at a time.
    """

    vendor: Vendor
    transport: Transport
    query: Mapping[str, JSON]
    on_record: OnRecord
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def read(self, window: Window | None) -> Iterator[Slice]:
        """The slices of *window*, as they are listed: half-open, without a gap and without an overlap.

        :raises AssetsError: of the slice that failed first; the others end with their present request.
        """
        if window is None or window.end - window.start <= SHORT:
            whole = self.vendor.select(self.query, window, on_record=self.on_record)
            yield Slice(_start(window), self.transport.run(whole))
            return
        first = self._part(window)
        yield first
        if first.rest is None:
            return
        with ThreadPoolExecutor(PARALLEL, "listing") as pool:
            try:
                yield from self._rest(pool, halves(first.rest))
            finally:
                self._stopped.set()

    def _rest(self, pool: ThreadPoolExecutor, waiting: list[Window]) -> Iterator[Slice]:
        reading: dict[Future[Slice], tuple[Window, int]] = {}
        share, refusals, begun_slices = Share(), self.transport.rate.refusals, 0
        while waiting or reading:
            while waiting and len(reading) < share.most:
                window, begun_slices = waiting.pop(0), begun_slices + 1
                if begun_slices > MAX_SLICES:
                    raise paging.endless(
                        self.vendor.spec.title, f"{MAX_SLICES} slices of the window"
                    )
                reading[pool.submit(self._part, window)] = window, share.rounds
            for done in wait(reading, return_when=FIRST_COMPLETED).done:
                window, begun = reading.pop(done)
                before, refusals = refusals, self.transport.rate.refusals
                error = done.exception()
                if isinstance(error, RateLimitedError) and share.may_ask_again(error, begun):
                    share.halve(begun)
                    waiting.append(window)
                    continue
                listed = done.result()
                if refusals > before:
                    share.halve(begun)
                else:
                    share.grow()
                yield listed
                if listed.rest:
                    is_idle = len(reading) + len(waiting) + 1 < share.most
                    waiting += halves(listed.rest) if is_idle else [listed.rest]

    def _part(self, window: Window) -> Slice:
        """The beginning of *window*; runs in several threads."""
        part = self.vendor.select_part(self.query, window, pages=PAGES, on_record=self._tell)
        for listed in self.transport.steps(part):
            if listed:
                return Slice(_start(window), *listed)
            if self._stopped.is_set():
                break
        return Slice(_start(window), Selected([]))  # no longer needed

    def _tell(self, item: Item, record: Record) -> None:
        with self._lock:
            self.on_record(item, record)


def _start(window: Window | None) -> float:
    return window.start.timestamp() if window else 0.0


def halves(window: Window) -> list[Window]:
    """*window* in two, at a whole millisecond, the finest time of the vendors; in one if it is too short."""
    middle = whole_ms(window.start + (window.end - window.start) / 2)
    if middle <= window.start:
        return [window]
    return [Window(window.start, middle), Window(middle, window.end)]
