"""Moves one file from its source into a part writer: side by side, in bounded memory, in order for the audit.

Connections and memory are independent of each other. A few part buffers are filled by many
connections, each fetching a slice; who fills a part's last slice uploads the part. The audit (digest,
zip) wants the bytes in order: whoever finishes the next part in turn feeds it, and nobody waits
for a turn; only buffers do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from airflow_provider_assets.landing.crc import Checksum, combine, combine_all, crc32
from airflow_provider_assets.landing.http import Connections
from airflow_provider_assets.landing.source.download import Download
from airflow_provider_assets.landing.stores.base import Part, PartWriter

_LEAST_SLICE = 1 << 20


class Feed(Protocol):
    """Who gets the bytes in order."""

    def feed(self, view: memoryview) -> None:
        """The next bytes; valid during the call only."""


@dataclass(slots=True)
class PartInFlight:
    """A part on its way: its buffer, how much is asked for and how much is still to come."""

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
    """Who does what: hands out slices, takes back parts, keeps the order for the audit."""

    total: int | None
    part_size: int
    first_slice: int
    slice_size: int
    spare: int
    audit: Feed
    sliced: bool = True
    on_audited: Callable[[PartInFlight, int], None] = lambda part, crc: None
    window: int = 1
    buffers: list[bytearray] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    _next_offset: int = 0
    _next_number: int = 1
    _filling: PartInFlight | None = None
    _turn: int = 1
    _waiting: dict[int, PartInFlight] = field(default_factory=dict)
    _auditing: bool = False
    _crc: int = 0
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
        """The part is in the store. Audits what is due and frees its buffers."""
        with self._ready:
            self.parts.append(Part(part.number, part.offset, part.size, part.crc))
            self._waiting[part.number] = part
            if self._auditing:
                return
            self._auditing = True
        while True:
            with self._ready:
                due = self._waiting.pop(self._turn, None)
                if due is None or self._cancelled:
                    self._auditing = False
                    return
            self.audit.feed(due.view)
            self._crc = combine(self._crc, due.crc, due.size)
            self.on_audited(due, self._crc)
            with self._ready:
                self._turn += 1
                self.buffers.append(due.buffer)
                self._ready.notify_all()

    def skip(self, parts: int, whole: Checksum) -> None:
        """Begin after so many parts, together *whole*, which are stored and audited."""
        self.parts.append(Part(parts, 0, whole.size, whole.crc32))
        self._next_offset, self._crc = whole.size, whole.crc32
        self._next_number = self._turn = parts + 1

    def cancel(self) -> None:
        """Nothing is handed out any more."""
        with self._ready:
            self._cancelled = True
            self._ready.notify_all()

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
class Pump:
    """The workers of one file.

    :param board: what there is to do. :param writer: where the parts go.
    """

    download: Download
    board: PartScheduler
    writer: PartWriter
    _stream: threading.Lock = field(default_factory=threading.Lock)

    def step(self, wire: Connections) -> bool:
        """Fetch one slice, and upload the part if it was its last."""
        return self._fetch_ranged(wire) if self.download.ranged else self._fetch()

    def whole(self) -> Checksum:
        """What was moved."""
        parts = sorted(self.board.parts, key=lambda part: part.number)
        return Checksum(sum(p.size for p in parts), combine_all((p.crc32, p.size) for p in parts))

    def _fetch_ranged(self, wire: Connections) -> bool:
        task = self.board.take()
        if task is None:
            return False
        part, start, size = task
        self.download.read(wire, part.offset + start, part.view[start : start + size])
        if self.board.arrived(part, size):
            self._deliver(part)
        return True

    def _fetch(self) -> bool:
        with self._stream:
            task = self.board.take()
            if task is None:
                return False
            part = task[0]
            got = self.download.read_stream(part.view)
            if got < part.size:
                self.board.cut(part, got)
            if not got and part.number > 1:
                return False
        self._deliver(part)
        return True

    def _deliver(self, part: PartInFlight) -> None:
        part.crc = crc32(part.view, 0)
        part.tag = self.writer.put_part(
            Part(part.number, part.offset, part.size, part.crc), part.view
        )
        self.board.stored(part)
