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

from airflow_provider_assets.landing.audit import Audit
from airflow_provider_assets.landing.crc import combine_all, crc32
from airflow_provider_assets.landing.source import Download
from airflow_provider_assets.landing.store import Part, PartWriter, Whole
from airflow_provider_assets.landing.wire import Wire


@dataclass(slots=True)
class Loading:
    """A part on its way: its buffer, how much is asked for and how much is still to come."""

    number: int
    offset: int
    size: int
    buffer: bytearray
    asked: int = 0
    missing: int = 0
    crc: int = 0

    @property
    def view(self) -> memoryview:
        """The part's bytes."""
        return memoryview(self.buffer)[: self.size]


@dataclass(slots=True)
class Board:
    """Who does what: hands out slices, takes back parts, keeps the order for the audit."""

    total: int | None
    part_size: int
    slice_size: int
    spare: int
    audit: Audit
    limit: int = 1 << 30
    buffers: list[bytearray] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    _next_offset: int = 0
    _next_number: int = 1
    _filling: Loading | None = None
    _turn: int = 1
    _waiting: dict[int, Loading] = field(default_factory=dict)
    _auditing: bool = False
    _stopped: bool = False
    _ready: threading.Condition = field(default_factory=threading.Condition)

    def take(self, worker: int = 0) -> tuple[Loading, int, int] | None:
        """The next slice to fetch (part, place in it, bytes); None when *worker* may go home."""
        with self._ready:
            while not self._stopped and worker < self.limit:
                part = self._filling or self._new_part()
                if part:
                    start = part.asked
                    size = min(self.slice_size, part.size - start)
                    part.asked += size
                    self._filling = part if part.asked < part.size else None
                    return part, start, size
                if self._is_all_asked():
                    return None
                self._ready.wait()
            return None

    def cut(self, part: Loading, size: int) -> None:
        """The stream ended with this part, which has *size* bytes."""
        with self._ready:
            part.size = part.missing = size
            self.total = part.offset + size
            self._filling = None

    def arrived(self, part: Loading, size: int) -> bool:
        """Whether this slice was the part's last."""
        with self._ready:
            part.missing -= size
            return part.missing == 0

    def stored(self, part: Loading) -> None:
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
                if due is None or self._stopped:
                    self._auditing = False
                    return
            self.audit.feed(due.view)
            with self._ready:
                self._turn += 1
                self.buffers.append(due.buffer)
                self._ready.notify_all()

    def stop(self) -> None:
        """Nothing is handed out any more."""
        with self._ready:
            self._stopped = True
            self._ready.notify_all()

    def _is_all_asked(self) -> bool:
        return self.total is not None and self._next_offset >= self.total

    def _new_part(self) -> Loading | None:
        if self._is_all_asked():
            return None
        if not self.buffers:
            if not self.spare:
                return None
            self.spare -= 1
            self.buffers.append(bytearray(self.part_size))
        left = self.part_size if self.total is None else self.total - self._next_offset
        size = min(self.part_size, left)
        part = Loading(self._next_number, self._next_offset, size, self.buffers.pop(), missing=size)
        self._next_offset += size
        self._next_number += 1
        return part


@dataclass(slots=True)
class Pump:
    """Runs the workers of one file.

    :param board: what there is to do. :param writer: where the parts go.
    :param stop: set when the landing gives up; the download waits on it as well.
    """

    download: Download
    board: Board
    writer: PartWriter
    stop: threading.Event
    timeout: float
    _errors: list[BaseException] = field(default_factory=list)
    _stream: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)
    _wires: list[Wire] = field(default_factory=list)

    def run(self, first: Wire, workers: int, tick: Callable[[], None]) -> Whole:
        """Move everything; *tick* is called several times a second, in this thread.

        :raises BaseException: the first error of any worker.
        """
        try:
            for number in range(workers):
                self._start(number, first if not number else Wire(timeout=self.timeout))
            while any(thread.is_alive() for thread in self._threads):
                for thread in list(self._threads):
                    thread.join(0.2 / len(self._threads))
                tick()
                if self.stop.is_set():
                    break
        finally:
            self._end()
        if self._errors:
            raise self._errors[0]
        parts = sorted(self.board.parts, key=lambda part: part.number)
        return Whole(sum(p.size for p in parts), combine_all((p.crc32, p.size) for p in parts))

    def _start(self, number: int, wire: Wire) -> None:
        self._wires.append(wire)
        thread = threading.Thread(
            target=self._work, args=(number, wire), name=f"landing-{number}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _end(self) -> None:
        self.board.stop()
        if any(thread.is_alive() for thread in self._threads):
            self.stop.set()
            for wire in self._wires:
                wire.interrupt()
        for thread in self._threads:
            thread.join(self.timeout)
        for wire in self._wires:
            wire.close()

    def _work(self, number: int, wire: Wire) -> None:
        try:
            while self._one(number, wire):
                pass
        except BaseException as error:  # noqa: BLE001  # handed to the thread that waits
            self._errors.append(error)
            self.board.stop()
            self.stop.set()

    def _one(self, number: int, wire: Wire) -> bool:
        if self.download.ranged:
            task = self.board.take(number)
            if task is None:
                return False
            part, start, size = task
            self.download.read(wire, part.offset + start, part.view[start : start + size])
        else:
            with self._stream:
                task = self.board.take(number)
                if task is None:
                    return False
                part, _, size = task
                got = self.download.read_stream(part.view)
                if got < size:
                    self.board.cut(part, got)
                    size = got
                if not got and part.number > 1:
                    return False
        if self.board.arrived(part, size):
            part.crc = crc32(part.view, 0)
            self.writer.put_part(Part(part.number, part.offset, part.size, part.crc), part.view)
            self.board.stored(part)
        return True
