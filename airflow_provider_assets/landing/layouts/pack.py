"""``layout="archive"`` from several downloads: they are packed into one zip while they arrive.

The archive depends on names and contents only, so that every attempt writes the same bytes: entries are
stored uncompressed in the order of the sources, as :mod:`~.zips.writer` describes. A small file is written
when it is complete; a large one streams through.
"""

from __future__ import annotations

import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

from airflow_provider_assets.ahead import in_order
from airflow_provider_assets.landing.call import LandingCall
from airflow_provider_assets.landing.describe import describe_object
from airflow_provider_assets.landing.layouts.parts import (
    FIRST,
    object_writer,
    part_size,
    verifier_for,
)
from airflow_provider_assets.landing.manifest import Entry, Manifest
from airflow_provider_assets.landing.names import Names
from airflow_provider_assets.landing.options import MIB, Source
from airflow_provider_assets.landing.ownership import ownership
from airflow_provider_assets.landing.pipeline.buffers import BufferPool
from airflow_provider_assets.landing.pipeline.scheduler import PartPump, PartScheduler
from airflow_provider_assets.landing.pipeline.workers import WorkerPool
from airflow_provider_assets.landing.pipeline.writers import NullWriter
from airflow_provider_assets.landing.source.connections import Connections
from airflow_provider_assets.landing.source.download import Download, SourceChangedError
from airflow_provider_assets.landing.zips.writer import Record, ZipWriter
from airflow_provider_assets.sansio.errors import AssetsError, TransferInterruptedError

SMALL = 8 * MIB  # part of the format: another value would change the bytes of archives
_FETCHED_AHEAD = 3  # files that are fetched while an earlier one is written
_PART_SIZE, _BUFFERS = 4 * MIB, 4  # size and number of a large file's buffers
_WORKERS = 4  # connections to one large file


@dataclass(slots=True)
class _Fetched:
    """A source that was opened: the bytes of a small file, else its open download."""

    download: Download
    connections: Connections
    data: memoryview | None = None

    def close(self) -> None:
        """Close the download and its connections."""
        self.download.close()
        self.connections.close()


@dataclass(slots=True)
class Packer:
    """Fetches the next files in parallel and writes them in order."""

    call: LandingCall
    writer: ZipWriter
    _idle: queue.SimpleQueue[Connections] = field(default_factory=queue.SimpleQueue)
    _failures: list[BaseException] = field(default_factory=list)

    def run(self, sources: Sequence[Source]) -> list[Entry]:
        """Pack all sources; return the entries.

        :raises AssetsError: if a download failed; the archive is incomplete then.
        """
        names = Names()
        given = [names.give(source.own_name) for source in sources]
        entries = []
        pool = ThreadPoolExecutor(max(1, self._fetched_ahead), "landing")
        ahead = in_order(
            pool, sources, self._fetch, ahead=max(0, self._fetched_ahead - 1), discard=_discard
        )
        with pool, closing(ahead):
            try:
                for name, source, fetched in zip(given, sources, ahead, strict=True):
                    entries.append(self._add(name, fetched or self._open(source)))
                    self.call.meter.tick()
            except BaseException as error:
                self.call.cancel.set()
                is_late = self._failures and isinstance(error, AssetsError)
                first = self._failures[0] if is_late else error
                if isinstance(first, SourceChangedError):
                    raise TransferInterruptedError(
                        "a download changed while it was packed"
                    ) from None
                if first is not error:
                    raise first from first.__cause__
                raise
            finally:
                while not self._idle.empty():
                    self._idle.get().close()
        self.writer.close()
        return entries

    @property
    def _fetched_ahead(self) -> int:
        """Number of downloads beside the one that is written, of all that the options allow."""
        limit = self.call.options.concurrency
        return _FETCHED_AHEAD if limit is None else min(_FETCHED_AHEAD, limit - 1)

    def _fetch(self, source: Source) -> _Fetched | None:
        """Fetch a file before its turn; None if it has to be opened again when its turn comes.

        The first failure cancels the others, which may be waiting for a source that hangs.
        """
        try:
            return self._fetch_early(source)
        except BaseException as error:
            if not self.call.cancel.is_set():  # else it is what a cancelled download ends with
                self._failures.append(error)
            self.call.cancel.set()
            raise

    def _fetch_early(self, source: Source) -> _Fetched | None:
        """Read a small file, or open a large one.

        A large file without ranges would keep an idle connection until its turn, which servers close.
        """
        fetched = self._open(source)
        try:
            with self.call.cancel.on_cancel(fetched.connections.interrupt):
                is_kept = (
                    self._read_small(fetched) or fetched.download.is_ranged or source.single_use
                )
        except BaseException:
            fetched.close()
            raise
        if not is_kept:
            fetched.close()
        return fetched if is_kept else None

    def _read_small(self, fetched: _Fetched) -> bool:
        """Read the file if it is small; return whether it is."""
        download, total = fetched.download, fetched.download.total
        if (total is None and download.source.single_use) or (total is not None and total > SMALL):
            return False
        view = memoryview(bytearray((SMALL if total is None else total) + 1))
        if download.is_ranged:
            fetched.data = view[:-1]
            download.read(fetched.connections, 0, fetched.data)
            return True
        count = download.read_stream(view)
        fetched.data = memoryview(bytes(view[:count])) if count < len(view) else None
        return fetched.data is not None

    def _open(self, source: Source) -> _Fetched:
        try:
            connections = self._idle.get_nowait()
        except queue.Empty:
            connections = Connections(self.call.options)
        download = Download(
            source, self.call.options, self.call.cancel, on_bytes=self.call.meter.add
        )
        try:
            with self.call.cancel.on_cancel(connections.interrupt):
                download.open(connections, FIRST)
        except BaseException:
            connections.close()
            raise
        return _Fetched(download, connections)

    def _add(self, name: str, fetched: _Fetched) -> Entry:
        if fetched.data is not None:
            self._idle.put(fetched.connections)
            return _entry(self.writer.small(name, fetched.data))
        try:
            record = self.writer.begin(name)
        except BaseException:
            fetched.close()
            raise
        download, options = fetched.download, self.call.options
        scheduler = PartScheduler.of(
            download, _PART_SIZE, self.writer, first_slice=FIRST, most_parts=_BUFFERS
        )
        pump = PartPump(download, scheduler, NullWriter())
        pool = WorkerPool(pump.step, self.call.cancel, options, resized=scheduler.resize)
        with self.call.cancel.on_cancel(scheduler.cancel):
            limit = options.concurrency
            parallel = _WORKERS if limit is None else limit - self._fetched_ahead
            pool.run(fetched.connections, parallel, self.call.meter.tick)
        return _entry(self.writer.end(record, scheduler.whole))


def _discard(fetched: _Fetched | None) -> None:
    if fetched:
        fetched.close()


def _entry(record: Record) -> Entry:
    return Entry(record.name.decode(), record.size, f"{record.crc:08x}")


def land_packed(call: LandingCall, sources: Sequence[Source]) -> tuple[Manifest, list[Entry]]:
    """Land *sources* as one zip under ``call.key``.

    :raises AssetsError: if the landing failed; nothing is visible then, and nothing is left behind.
    """
    total = None
    if all(source.file.size is not None for source in sources):
        total = call.meter.total = sum(source.file.size or 0 for source in sources)
    size = part_size(call, total)
    buffers = BufferPool(max(3 * size, call.options.max_memory // 5))
    with ThreadPoolExecutor(_WORKERS, "landing-upload") as pool:
        target = object_writer(call, call.key, buffers, size, pool)
        try:
            if total is not None and total > size:
                target.begin()
            # Only after the store's first answers: if it keeps checksums, we may not need to compute one.
            verifier = verifier_for(call, total)

            def verified(view: memoryview) -> None:
                verifier.feed(view)
                target.write(view)

            entries = Packer(call, ZipWriter(verified)).run(sources)
            verifier.close()
            with ownership(call, len(entries)) as may_replace:
                whole = target.finish(overwrite=may_replace)
                target.wait()
        except BaseException:
            target.abort()
            raise
    stored = call.store.head(call.key)
    return describe_object(call, verifier, whole, stored=stored, entries=len(entries)), entries
