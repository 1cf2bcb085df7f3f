"""``layout="files"``: the files inside one zip, or several downloads as they are."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from airflow_provider_assets.landing.crew import Crew
from airflow_provider_assets.landing.fetch import FIRST, land_one, part_size
from airflow_provider_assets.landing.job import Job
from airflow_provider_assets.landing.manifest import SUFFIX, Entry, Manifest
from airflow_provider_assets.landing.memory import Memory
from airflow_provider_assets.landing.model import MIB, Source
from airflow_provider_assets.landing.names import Names
from airflow_provider_assets.landing.resume import landed_files
from airflow_provider_assets.landing.source import Download, SourceChangedError
from airflow_provider_assets.landing.store import Store
from airflow_provider_assets.landing.tuner import Tuner
from airflow_provider_assets.landing.unpack import WINDOW, Reader, Unpacker
from airflow_provider_assets.landing.unpack_stream import StreamUnpacker
from airflow_provider_assets.landing.wire import Wire
from airflow_provider_assets.landing.zipindex import Extent, read_index
from airflow_provider_assets.sansio.errors import IntegrityError, TransferInterruptedError

_SIDE_BY_SIDE = 8  # uploads, or downloads of separate files
_DIRECTORY = 64 * MIB  # of central directory; an archive with more is read in one pass


@dataclass(frozen=True, slots=True)
class StoredReader:
    """An archive that is in the store already."""

    store: Store
    key: str
    busy: int = 0

    def read(self, wire: Wire, offset: int, view: memoryview) -> None:
        """Fill *view* from *offset* on."""
        self.store.read(self.key, offset, view)


def land_unpacked(job: Job, source: Source) -> tuple[Manifest, list[Entry]]:
    """Land the files inside the zip that *source* brings; any other file lands as it is.

    :raises AssetsError: files that were verified before stay; without a manifest they do not count.
    """
    stop = threading.Event()
    download = Download(source, job.options, stop, on_bytes=job.meter.add)
    wire, other = (Wire(timeout=job.options.stall_seconds) for _ in range(2))
    try:
        download.open(wire, FIRST)
        job.meter.begin(download.total)
        if not download.ranged or download.total is None:
            entries = _unpack_stream(job, download, stop)
            return describe(job, entries, known_length=download.total is not None), entries
        extents = read_index(partial(download.read, other), download.total, most=_DIRECTORY)
        if extents is not None:
            there = landed_files(job, f"{download.validator} {download.total}")
            entries = _unpack_ranged(job, download, extents, stop, wire, there=there)
            return describe(job, entries), entries
    except SourceChangedError:
        raise TransferInterruptedError("the download changed while it was unpacked") from None
    finally:
        wire.close()
        other.close()
    if job.name.lower().endswith(".zip") or source.file.name.lower().endswith(".zip"):
        raise IntegrityError(f"{source.file.name or job.name} is no zip archive")
    job.meter.begin(None)
    return land_many(job, [source])


def land_staged(job: Job, key: str, total: int) -> tuple[Manifest, list[Entry]]:
    """Land the files inside the zip that is in the store already, under *key*."""
    reader, wire = StoredReader(job.store, key), Wire()
    extents = read_index(partial(reader.read, wire), total, most=_DIRECTORY)
    if extents is None:
        raise IntegrityError(f"{job.store.uri(key)} is no zip archive")
    there = landed_files(job, f"{key} {total}")
    entries = _unpack_ranged(job, reader, extents, threading.Event(), wire, there=there)
    return describe(job, entries), entries


def _unpack_ranged(
    job: Job,
    reader: Reader,
    extents: list[Extent],
    stop: threading.Event,
    wire: Wire,
    *,
    there: Mapping[str, int],
) -> list[Entry]:
    memory = Memory(job.options.max_memory // 2)
    unpacker = Unpacker(job, reader, extents, memory, part_size(job), there)
    crew = Crew(
        unpacker.step,
        stop,
        halt=unpacker.halt,
        timeout=job.options.stall_seconds,
        tuner=None if job.options.concurrency else _tuner(job, memory),
        busy=lambda: reader.busy,
    )
    try:
        crew.run(wire, job.options.concurrency or _SIDE_BY_SIDE, job.meter.tick)
    finally:
        unpacker.abort()
    return unpacker.entries


def _tuner(job: Job, memory: Memory) -> Tuner:
    # Bytes come in windows here, and every window costs several puts: a short look shows chance.
    most = min(job.options.max_concurrency, max(1, memory.budget // WINDOW))
    return Tuner(most, workers=_SIDE_BY_SIDE, window=0.4)


def _unpack_stream(job: Job, download: Download, stop: threading.Event) -> list[Entry]:
    memory = Memory(job.options.max_memory // 2)
    buffer = memoryview(bytearray(MIB))
    with ThreadPoolExecutor(_SIDE_BY_SIDE, "landing") as pool:
        unpacker = StreamUnpacker(job, memory, part_size(job), pool)
        try:
            count = download.read_stream(buffer)
            scanner = unpacker.scanner_for(buffer[:count])
            while count:
                scanner.feed(buffer[:count])
                job.meter.tick()
                count = download.read_stream(buffer)
            scanner.close()
            unpacker.close()
        except BaseException:
            stop.set()
            memory.stop()
            unpacker.abort()
            raise
    return unpacker.entries


def land_many(job: Job, sources: Sequence[Source]) -> tuple[Manifest, list[Entry]]:
    """Land every source as a file of its own, side by side.

    :raises AssetsError: files that were verified before stay; without a manifest they do not count.
    """
    names = Names(frozenset({job.name + SUFFIX}))
    jobs = [replace(job, name=names.give(s.file.name or s.file.key)) for s in sources]
    if len(jobs) > 1:
        few = min(_SIDE_BY_SIDE, len(jobs))
        share = replace(
            job.options,
            concurrency=max(1, (job.options.concurrency or _SIDE_BY_SIDE) // few),
            max_memory=max(32 * MIB, job.options.max_memory // few),
        )
        jobs = [replace(one, options=share) for one in jobs]
        job.meter.shared = True
        if all(source.file.size is not None for source in sources):
            job.meter.total = sum(source.file.size or 0 for source in sources)
    there = landed_files(job, f"{len(jobs)} files")
    job.store.sweep([job.manifest_key, *(one.key for one in jobs)])
    entries: list[Entry] = []
    unproven = False
    with ThreadPoolExecutor(_SIDE_BY_SIDE, "landing") as pool:
        running = [
            pool.submit(_land_or_keep, one, source, there)
            for one, source in zip(jobs, sources, strict=True)
        ]
        try:
            for future in running:
                entry, known_length = future.result()
                unproven = unproven or not known_length
                entries.append(entry)
                job.meter.tick()
        except BaseException:
            for future in running:
                future.cancel()
            raise
    return describe(job, entries, known_length=not unproven, zipped=False), entries


def _land_or_keep(job: Job, source: Source, there: Mapping[str, int]) -> tuple[Entry, bool]:
    """The file as it landed, now or in an earlier attempt, and whether its length was announced."""
    size = source.file.size
    if size is not None and there.get(job.key) == size:
        stored = job.store.head(job.key)
        crc = f"{stored.crc32:08x}" if stored and stored.crc32 is not None else None
        return Entry(job.name, size, crc), True
    record, _ = land_one(job, source)
    known = "length" not in record.unverified
    return Entry(job.name, record.bytes, record.crc32, record.sha256), known


def describe(
    job: Job, entries: list[Entry], *, known_length: bool = True, zipped: bool = True
) -> Manifest:
    """The manifest of a folder; sorts *entries* by name."""
    entries.sort(key=lambda entry: entry.name)
    lines = "".join(f"{entry.crc32}  {entry.bytes}  {entry.name}\n" for entry in entries)
    checks = {
        "length": "" if known_length else "the source announces none",
        "store_checksum": "" if job.store.rules.checksum else "the store keeps none",
    }
    if zipped:
        checks |= {"zip_structure": "", "zip_crc32": ""}
    return Manifest(
        uri=job.store.uri(job.prefix),
        bytes=sum(entry.bytes for entry in entries),
        sha256=hashlib.sha256(lines.encode()).hexdigest(),
        crc32=None,
        entries=len(entries),
        manifest_uri=job.store.uri(job.manifest_key),
        layout=job.layout,
        verified=tuple(check for check, why in checks.items() if not why),
        unverified={check: why for check, why in checks.items() if why},
        facts=job.facts,
    )
