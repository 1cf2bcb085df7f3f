"""Moves one file from its source into a part writer: in parallel, in bounded memory, verified in order.

The number of connections does not depend on the memory: many connections fill a few part buffers, a slice
each. The worker that fills a part's last slice uploads the part. The verifier (digest, zip) needs the parts
in order: the worker that completes the next part in sequence feeds it, so that buffers may wait for their
turn, but workers never do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from airflow_provider_assets.landing.crc import Checksum, combine, crc32
from airflow_provider_assets.landing.options import MIB
from airflow_provider_assets.landing.pipeline.buffers import Buffer, new_buffer
from airflow_provider_assets.landing.source.connections import Connections
from airflow_provider_assets.landing.source.download import Download
from airflow_provider_assets.landing.stores.base import Part, PartWriter

_LEAST_SLICE = MIB


class Feed(Protocol):
    """Receives the bytes of a file in order."""

    def feed(self, view: memoryview) -> None:
        """Process the next bytes, which are valid during the call only."""


@dataclass(slots=True)
class PartInFlight:
    """A part being transferred.

    :ivar handed_out: bytes that were handed out to workers. :ivar missing: bytes that have not arrived.
    :ivar crc: CRC-32 of the part. :ivar tag: the store's tag of the part, once it is stored.
    """

    number: int
    offset: int
    size: int
    buffer: Buffer
    handed_out: int = 0
    missing: int = 0
    crc: int = 0
    tag: str = ""

    @property
    def view(self) -> memoryview:
        """The part's bytes in its buffer."""
        return memoryview(self.buffer)[: self.size]


@dataclass(slots=True)
class PartScheduler:
    """Hands out slices to workers, and feeds completed parts to the verifier in order.

    Parts take buffers in the order of their numbers, and give them back in that order, each after it was
    verified. So the part that is verified next always has a buffer, and whoever waits for a buffer waits only
    for parts that other workers are moving: not even one buffer for all can block them for ever.

    :param total: bytes of the file, None if unknown. :param part_size: bytes of each part but the last.
    :param first_slice: bytes of the first slice. :param slice_size: bytes of the others.
    :param feed: receives every part in order.
    :param is_sliced: whether a part can be fetched in several slices.
    :param on_verified: called after each part with the CRC-32 of all parts so far.
    :param most_parts: largest number of parts in memory; more than one per worker are never needed.
    """

    total: int | None
    part_size: int
    first_slice: int
    slice_size: int
    feed: Feed
    is_sliced: bool = True
    on_verified: Callable[[PartInFlight, int], None] = lambda part, crc: None
    most_parts: int = 1
    buffers: list[Buffer] = field(default_factory=list)
    _created: int = 0
    _workers: int = 1
    _next_offset: int = 0
    _next_number: int = 1
    _filling: PartInFlight | None = None
    _turn: int = 1
    _waiting: dict[int, PartInFlight] = field(default_factory=dict)
    _is_verifying: bool = False
    _whole: Checksum = field(default=Checksum(0, 0))
    _is_first: bool = True
    _is_cancelled: bool = False
    _ready: threading.Condition = field(default_factory=threading.Condition)

    @classmethod
    def of(
        cls,
        download: Download,
        part_size: int,
        feed: Feed,
        *,
        first_slice: int,
        most_parts: int,
        on_verified: Callable[[PartInFlight, int], None] = lambda part, crc: None,
    ) -> PartScheduler:
        """A scheduler of a *download* that was opened: part by part, and in slices if it has ranges.

        :param first_slice: bytes that its first request has asked for.
        """
        return cls(
            download.total,
            part_size,
            first_slice if download.is_ranged else part_size,
            part_size,
            feed,
            is_sliced=download.is_ranged,
            on_verified=on_verified,
            most_parts=most_parts,
        )

    def take(self) -> tuple[PartInFlight, int, int] | None:
        """The next slice to fetch (part, offset in it, bytes); None if no work is left.

        Waits for a free buffer.
        """
        with self._ready:
            while not self._is_cancelled:
                part = self._filling or self._new_part()
                if part:
                    start = part.handed_out
                    wanted = self.first_slice if self._is_first else self.slice_size
                    self._is_first = False
                    size = min(wanted, part.size - start)
                    part.handed_out += size
                    self._filling = part if part.handed_out < part.size else None
                    return part, start, size
                if self._is_all_handed_out():
                    return None
                self._ready.wait()
            return None

    def resize(self, workers: int) -> None:
        """Give each of *workers* a buffer; if there are too few, make slices small enough to share them."""
        with self._ready:
            self._workers = workers
            self._ready.notify_all()
        if self.is_sliced:
            fair = self.part_size * self.most_parts * 2 // (3 * workers)
            is_enough = workers < self.most_parts
            self.slice_size = self.part_size if is_enough else max(_LEAST_SLICE, fair)

    def cut(self, part: PartInFlight, size: int) -> None:
        """End the file with *part*, of which only *size* bytes exist."""
        with self._ready:
            part.size = part.missing = size
            self.total = part.offset + size
            self._filling = None

    def arrived(self, part: PartInFlight, size: int) -> bool:
        """Count a slice of *part* as arrived; return whether it was the last one."""
        with self._ready:
            part.missing -= size
            return part.missing == 0

    def stored(self, part: PartInFlight) -> None:
        """Count *part* as stored; verify the parts that are next in order, and free their buffers."""
        with self._ready:
            self._waiting[part.number] = part
            if self._is_verifying:
                return
            self._is_verifying = True
        while True:
            with self._ready:
                due = self._waiting.pop(self._turn, None)
                if due is None or self._is_cancelled:
                    self._is_verifying = False
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
        """Begin after the first *parts* parts, which are stored and verified; their checksum is *whole*."""
        self._next_offset, self._whole = whole.size, whole
        self._next_number = self._turn = parts + 1

    def cancel(self) -> None:
        """Hand out no more work, and end waits for buffers."""
        with self._ready:
            self._is_cancelled = True
            self._ready.notify_all()

    @property
    def whole(self) -> Checksum:
        """Checksum of the parts that were verified; of the whole file when no work is left."""
        return self._whole

    def _is_all_handed_out(self) -> bool:
        return self.total is not None and self._next_offset >= self.total

    def _new_part(self) -> PartInFlight | None:
        if self._is_all_handed_out():
            return None
        if not self.buffers:
            if self._created >= min(self.most_parts, self._workers):
                return None
            self._created += 1
            self.buffers.append(new_buffer(self.part_size))
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
    """Moves the parts of one file; its :meth:`step` is what each worker repeats.

    :param scheduler: hands out the slices. :param writer: receives the parts.
    """

    download: Download
    scheduler: PartScheduler
    writer: PartWriter
    _stream: threading.Lock = field(default_factory=threading.Lock)

    def step(self, connections: Connections) -> bool:
        """Fetch one slice, and upload its part if it was the last one; false if no work is left."""
        return self._fetch_ranged(connections) if self.download.is_ranged else self._fetch()

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
