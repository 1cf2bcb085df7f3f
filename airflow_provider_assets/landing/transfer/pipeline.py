"""Moves one file from its source into a part writer: in parallel, in bounded memory, verified in order.

Connections and memory are independent of each other. A few part buffers are filled by many
connections, each fetching a slice; the worker that fills a part's last slice uploads the part. The
verifier (digest, zip) needs the bytes in order: the worker that completes the next part in turn feeds
it, so that no worker waits for its turn; only buffers do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from airflow_provider_assets.landing.crc import Checksum, combine, crc32
from airflow_provider_assets.landing.http import Connections
from airflow_provider_assets.landing.options import MIB
from airflow_provider_assets.landing.source.download import Download
from airflow_provider_assets.landing.stores.base import Part, PartWriter

_LEAST_SLICE = MIB


class Feed(Protocol):
    """Takes the bytes in order."""

    def feed(self, view: memoryview) -> None:
        """The next bytes; valid during the call only."""


@dataclass(slots=True)
class PartInFlight:
    """A part being transferred: its buffer, the bytes that are asked for, the bytes still missing."""

    number: int
    offset: int
    size: int
    buffer: bytearray
    asked: int = 0
    missing: int = 0
    crc: int = 0
    tag: str = ""

    @property
    def view(self) -> memoryview:
        """The part's bytes."""
        return memoryview(self.buffer)[: self.size]


@dataclass(slots=True)
class PartScheduler:
    """Hands out slices, takes back parts, and feeds them to the verifier in their order.

    :param total: bytes of the file, None where unknown. :param spare: buffers that may be made.
    :param feed: takes every part in its order. :param sliced: whether any part can be asked for.
    :param on_verified: called after each part with the CRC-32 of all parts so far.
    :param window: parts that are in memory at most.
    """

    total: int | None
    part_size: int
    first_slice: int
    slice_size: int
    spare: int
    feed: Feed
    sliced: bool = True
    on_verified: Callable[[PartInFlight, int], None] = lambda part, crc: None
    window: int = 1
    buffers: list[bytearray] = field(default_factory=list)
    _next_offset: int = 0
    _next_number: int = 1
    _filling: PartInFlight | None = None
    _turn: int = 1
    _waiting: dict[int, PartInFlight] = field(default_factory=dict)
    _verifying: bool = False
    _whole: Checksum = field(default=Checksum(0, 0))
    _first: bool = True
    _cancelled: bool = False
    _ready: threading.Condition = field(default_factory=threading.Condition)

    def take(self) -> tuple[PartInFlight, int, int] | None:
        """The next slice to fetch (part, place in it, bytes); None: no work is left.

        Waits while there is no buffer.
        """
        with self._ready:
            while not self._cancelled:
                part = self._filling or self._new_part()
                if part:
                    start = part.asked
                    wanted = self.first_slice if self._first else self.slice_size
                    self._first = False
                    size = min(wanted, part.size - start)
                    part.asked += size
                    self._filling = part if part.asked < part.size else None
                    return part, start, size
                if self._is_all_asked():
                    return None
                self._ready.wait()
            return None

    def resize(self, workers: int) -> None:
        """Make slices so small that the buffers keep *workers* busy."""
        if self.sliced:
            fair = self.part_size * self.window * 2 // (3 * workers)
            self.slice_size = min(self.part_size, max(_LEAST_SLICE, fair))

    def cut(self, part: PartInFlight, size: int) -> None:
        """The stream ended with this part, which has *size* bytes."""
        with self._ready:
            part.size = part.missing = size
            self.total = part.offset + size
            self._filling = None

    def arrived(self, part: PartInFlight, size: int) -> bool:
        """Whether this slice was the part's last."""
        with self._ready:
            part.missing -= size
            return part.missing == 0

    def stored(self, part: PartInFlight) -> None:
        """The part is in the store. Feeds the parts that are next in turn and frees their buffers."""
        with self._ready:
            self._waiting[part.number] = part
            if self._verifying:
                return
            self._verifying = True
        while True:
            with self._ready:
                due = self._waiting.pop(self._turn, None)
                if due is None or self._cancelled:
                    self._verifying = False
                    return
            self.feed.feed(due.view)
            before = self._whole
            crc = combine(before.crc32, due.crc, due.size)
            self._whole = Checksum(before.size + due.size, crc)
            self.on_verified(due, crc)
            with self._ready:
                self._turn += 1
                self.buffers.append(due.buffer)
                self._ready.notify_all()

    def skip(self, parts: int, whole: Checksum) -> None:
        """Begin after so many parts, together *whole*, which are stored and verified."""
        self._next_offset, self._whole = whole.size, whole
        self._next_number = self._turn = parts + 1

    def cancel(self) -> None:
        """Nothing is handed out any more."""
        with self._ready:
            self._cancelled = True
            self._ready.notify_all()

    @property
    def whole(self) -> Checksum:
        """The parts that went by, in their order; all of them when no work is left."""
        return self._whole

    def _is_all_asked(self) -> bool:
        return self.total is not None and self._next_offset >= self.total

    def _new_part(self) -> PartInFlight | None:
        if self._is_all_asked():
            return None
        if not self.buffers:
            if not self.spare:
                return None
            self.spare -= 1
            self.buffers.append(bytearray(self.part_size))
        left = self.part_size if self.total is None else self.total - self._next_offset
        size = min(self.part_size, left)
        part = PartInFlight(
            self._next_number, self._next_offset, size, self.buffers.pop(), missing=size
        )
        self._next_offset += size
        self._next_number += 1
        return part


@dataclass(slots=True)
class PartPump:
    """The work of one worker on one file.

    :param scheduler: hands out the work. :param writer: takes the parts.
    """

    download: Download
    scheduler: PartScheduler
    writer: PartWriter
    _stream: threading.Lock = field(default_factory=threading.Lock)

    def step(self, connections: Connections) -> bool:
        """Fetch one slice, and upload the part if it was its last."""
        return self._fetch_ranged(connections) if self.download.ranged else self._fetch()

    def _fetch_ranged(self, connections: Connections) -> bool:
        task = self.scheduler.take()
        if task is None:
            return False
        part, start, size = task
        self.download.read(connections, part.offset + start, part.view[start : start + size])
        if self.scheduler.arrived(part, size):
            self._deliver(part)
        return True

    def _fetch(self) -> bool:
        with self._stream:
            task = self.scheduler.take()
            if task is None:
                return False
            part = task[0]
            got = self.download.read_stream(part.view)
            if got < part.size:
                self.scheduler.cut(part, got)
            if not got and part.number > 1:
                return False
        self._deliver(part)
        return True

    def _deliver(self, part: PartInFlight) -> None:
        part.crc = crc32(part.view, 0)
        part.tag = self.writer.put_part(
            Part(part.number, part.offset, part.size, part.crc), part.view
        )
        self.scheduler.stored(part)
