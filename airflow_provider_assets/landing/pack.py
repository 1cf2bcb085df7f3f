"""``layout="archive"`` from several files: a zip packed while they arrive, the same bytes every time.

Stored, in the order of the sources, dated 1980-01-01, without owner or permissions: the archive
depends on names and contents only. A small file is written when it is complete, with its CRC-32 in
its header; a large one streams through, with a data descriptor behind it (APPNOTE 4.3.9).
"""

from __future__ import annotations

import queue
import struct
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from airflow_provider_assets.landing.audit import Audit
from airflow_provider_assets.landing.claim import claimed
from airflow_provider_assets.landing.crc import crc32
from airflow_provider_assets.landing.crew import Crew
from airflow_provider_assets.landing.describe import describe_object
from airflow_provider_assets.landing.fetch import FIRST, part_size
from airflow_provider_assets.landing.job import Job
from airflow_provider_assets.landing.manifest import Entry, Manifest
from airflow_provider_assets.landing.memory import Memory
from airflow_provider_assets.landing.model import MIB, Source
from airflow_provider_assets.landing.names import Names
from airflow_provider_assets.landing.nowhere import Nowhere
from airflow_provider_assets.landing.outlet import Outlet
from airflow_provider_assets.landing.pump import Board, Pump
from airflow_provider_assets.landing.source import Download, SourceChangedError
from airflow_provider_assets.landing.store import Whole
from airflow_provider_assets.landing.wire import Wire
from airflow_provider_assets.landing.zipformat import (
    CENTRAL,
    DESCRIBED,
    DESCRIPTOR,
    END,
    END64,
    LOCAL,
    LOCATOR64,
    MAX32,
    UTF8,
)
from airflow_provider_assets.sansio.errors import TransferInterruptedError

SMALL = 8 * MIB  # part of the format: another value would give other bytes
_DATE = 0x21  # 1980-01-01, the first day that a zip knows
_AHEAD = 3  # files that are fetched before their turn
_PIECE, _PIECES = 4 * MIB, 4  # buffers of a large file
_WORKERS = 4  # connections to one large file


@dataclass(frozen=True, slots=True)
class _Record:
    name: bytes
    flags: int
    crc: int
    size: int
    offset: int


@dataclass(slots=True)
class ZipWriter:
    """Writes the archive to *outlet* and *audit*, in order."""

    outlet: Outlet
    audit: Audit
    position: int = 0
    records: list[_Record] = field(default_factory=list)

    def small(self, name: str, data: memoryview | bytes) -> Entry:
        """A file that is here as a whole."""
        record = self._record(name, 0, crc32(data, 0), len(data))
        self._write(_local(record, wide=False))
        self._write(data)
        self.records.append(record)
        return Entry(name, record.size, f"{record.crc:08x}")

    def begin(self, name: str) -> _Record:
        """A file whose length and CRC-32 show when it has gone by; :meth:`feed` it."""
        record = self._record(name, DESCRIBED, 0, 0)
        self._write(_local(record, wide=True))
        return record

    def feed(self, view: memoryview) -> None:
        """The next bytes of it."""
        self._write(view)

    def end(self, record: _Record, whole: Whole) -> Entry:
        """It has gone by."""
        self._write(DESCRIPTOR + struct.pack("<LQQ", whole.crc32, whole.size, whole.size))
        self.records.append(
            _Record(record.name, record.flags, whole.crc32, whole.size, record.offset)
        )
        return Entry(record.name.decode(), whole.size, f"{whole.crc32:08x}")

    def close(self) -> None:
        """The directory and the end."""
        start = self.position
        for record in self.records:
            self._write(_central(record))
        size, count = self.position - start, len(self.records)
        wide = count >= 0xFFFF or max(start, size) >= MAX32  # APPNOTE 4.4.1.4
        if wide:
            at = self.position
            self._write(
                END64 + struct.pack("<Q2H2L4Q", 44, 45, 45, 0, 0, count, count, size, start)
            )
            self._write(LOCATOR64 + struct.pack("<LQL", 0, at, 1))
        count, size, start = (0xFFFF, MAX32, MAX32) if wide else (count, size, start)
        self._write(END + struct.pack("<4H2LH", 0, 0, count, count, size, start, 0))

    def _record(self, name: str, flags: int, crc: int, size: int) -> _Record:
        raw = name.encode()
        return _Record(raw, flags | (0 if name.isascii() else UTF8), crc, size, self.position)

    def _write(self, data: memoryview | bytes) -> None:
        view = memoryview(data)
        self.audit.feed(view)
        self.outlet.write(view)
        self.position += len(view)


def _local(record: _Record, *, wide: bool) -> bytes:
    # A file that streams through is given the wide form, for its length is not known yet.
    extra = struct.pack("<HHQQ", 1, 16, 0, 0) if wide else b""
    size = MAX32 if wide else record.size
    fixed = struct.pack(
        "<5H3L2H", 45 if wide else 20, record.flags, 0, 0, _DATE,
        record.crc, size, size, len(record.name), len(extra),
    )  # fmt: skip
    return LOCAL + fixed + record.name + extra


def _central(record: _Record) -> bytes:
    described = bool(record.flags & DESCRIBED)
    far, big = record.offset >= MAX32, record.size >= MAX32
    values = [record.size, record.size] * big + [record.offset] * far
    extra = struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values), *values) if values else b""
    version = 45 if values or described else 20
    size, offset = MAX32 if big else record.size, MAX32 if far else record.offset
    fixed = struct.pack(
        "<6H3L5H2L", version, version, record.flags, 0, 0, _DATE,
        record.crc, size, size, len(record.name), len(extra), 0, 0, 0, 0, offset,
    )  # fmt: skip
    return CENTRAL + fixed + record.name + extra


@dataclass(slots=True)
class _Fetched:
    """A source that was opened: its bytes if it is small, else the download to go on with."""

    download: Download
    wire: Wire
    data: memoryview | None


@dataclass(slots=True)
class Packer:
    """Fetches files ahead, side by side, and writes them in their order."""

    job: Job
    writer: ZipWriter
    stop: threading.Event = field(default_factory=threading.Event)
    _wires: queue.SimpleQueue[Wire] = field(default_factory=queue.SimpleQueue)

    def run(self, sources: Sequence[Source]) -> list[Entry]:
        """Pack them all.

        :raises AssetsError: the archive is not complete then.
        """
        names = Names()
        given = [names.give(source.file.name or source.file.key) for source in sources]
        entries = []
        with ThreadPoolExecutor(_AHEAD, "landing") as pool:
            try:
                for name, fetched in zip(given, self._ahead(pool, sources), strict=True):
                    entries.append(self._add(name, fetched))
                    self.job.meter.tick()
            except SourceChangedError:
                raise TransferInterruptedError("a download changed while it was packed") from None
            finally:
                self.stop.set()
                pool.shutdown(cancel_futures=True)
                while not self._wires.empty():
                    self._wires.get().close()
        self.writer.close()
        return entries

    def _ahead(self, pool: ThreadPoolExecutor, sources: Sequence[Source]) -> Iterator[_Fetched]:
        waiting: deque[Future[_Fetched]] = deque()
        for source in sources:
            if len(waiting) == _AHEAD:
                yield waiting.popleft().result()
            waiting.append(pool.submit(self._fetch, source))
        while waiting:
            yield waiting.popleft().result()

    def _fetch(self, source: Source) -> _Fetched:
        try:
            wire = self._wires.get_nowait()
        except queue.Empty:
            wire = Wire(timeout=self.job.options.stall_seconds)
        download = Download(source, self.job.options, self.stop, on_bytes=self.job.meter.add)
        download.open(wire, FIRST)
        if download.total is None or download.total > SMALL:
            return _Fetched(download, wire, None)
        data = memoryview(bytearray(download.total))
        if download.ranged:
            download.read(wire, 0, data)
        elif download.read_stream(data) == len(data):
            download.read_stream(memoryview(bytearray(1)))  # nothing may follow
        return _Fetched(download, wire, data)

    def _add(self, name: str, fetched: _Fetched) -> Entry:
        if fetched.data is not None:
            self._wires.put(fetched.wire)
            return self.writer.small(name, fetched.data)
        record = self.writer.begin(name)
        ranged = fetched.download.ranged
        board = Board(
            fetched.download.total, _PIECE, FIRST if ranged else _PIECE, _PIECE, _PIECES,
            self.writer, sliced=ranged, window=_PIECES,
        )  # fmt: skip
        pump = Pump(fetched.download, board, Nowhere())
        crew = Crew(
            pump.step,
            self.stop,
            halt=board.stop,
            timeout=self.job.options.stall_seconds,
            resized=board.resize,
        )
        crew.run(fetched.wire, self.job.options.concurrency or _WORKERS, self.job.meter.tick)
        return self.writer.end(record, pump.whole())


def land_packed(job: Job, sources: Sequence[Source]) -> tuple[Manifest, list[Entry]]:
    """Land *sources* as one zip under ``job.key``.

    :raises AssetsError: nothing is visible then, and nothing is left behind.
    """
    if all(source.file.size is not None for source in sources):
        job.meter.total = sum(source.file.size or 0 for source in sources)
    size = part_size(job, job.meter.total)
    audit = Audit(job.key, hash_it=job.options.sha256 is not False, look_inside=job.verify)
    memory = Memory(max(3 * size, job.options.max_memory // 5))
    with ThreadPoolExecutor(_WORKERS, "landing-upload") as pool:
        outlet = Outlet(job.store, job.key, job.label, memory, size, job.overwrite, pool)
        try:
            entries = Packer(job, ZipWriter(outlet, audit)).run(sources)
            audit.close()
            with claimed(job) as outlet.overwrite:
                whole = outlet.finish()
                outlet.settle()
        except BaseException:
            outlet.abort()
            raise
    stored = job.store.head(job.key)
    return describe_object(job, audit, whole, stored=stored, entries=len(entries)), entries
