"""One file into one object, as it is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from airflow_provider_assets.landing.audit import Audit
from airflow_provider_assets.landing.crew import Crew
from airflow_provider_assets.landing.job import Job
from airflow_provider_assets.landing.manifest import Entry, Manifest
from airflow_provider_assets.landing.model import MIB, Source
from airflow_provider_assets.landing.pump import Board, Pump
from airflow_provider_assets.landing.source import Download, SourceChangedError
from airflow_provider_assets.landing.store import Part, PartWriter, Store, Stored, Whole
from airflow_provider_assets.landing.tuner import START, Tuner
from airflow_provider_assets.landing.wire import Wire
from airflow_provider_assets.landing.zipscan import ZipScanner
from airflow_provider_assets.sansio.errors import TransferInterruptedError

_RESTARTS = 3
PART = 8 * MIB
FIRST = 2 * MIB  # asked for by the first request, before the length is known
_HASHED = 256 * MIB  # above, sha256 costs over 15 % of the wall time of a fast transfer


@dataclass(frozen=True, slots=True)
class _Single:
    """An object of one part: held until it is verified, then stored in one request."""

    store: Store
    key: str
    held: list[memoryview] = field(default_factory=list)

    def put_part(self, part: Part, data: memoryview) -> None:
        self.held.append(data)

    def done(self) -> Sequence[Part]:
        return ()

    def commit(self, whole: Whole, *, overwrite: bool) -> Stored:
        data = self.held[0] if self.held else b""
        return self.store.put(self.key, data, crc32=whole.crc32, overwrite=overwrite)

    def abort(self) -> None:
        self.held.clear()


def land_one(job: Job, source: Source) -> tuple[Manifest, list[Entry]]:
    """Land one file as it is, under ``job.key``.

    :raises AssetsError: nothing is visible then, and nothing is left behind.
    """
    for _ in range(_RESTARTS):
        try:
            return _attempt(job, source)
        except SourceChangedError:
            job.meter.bytes = 0
    raise TransferInterruptedError("the download changes while it is read; try again later")


def _attempt(job: Job, source: Source) -> tuple[Manifest, list[Entry]]:
    options, stop = job.options, threading.Event()
    download = Download(source, options, stop, on_bytes=job.meter.add)
    wire = Wire(timeout=options.stall_seconds)
    writer: PartWriter | None = None
    try:
        download.open(wire, FIRST)
        job.meter.total = download.total
        audit = _audit(job, download.total)
        size = part_size(job, download.total)
        writer = _writer(job, download.total, size)
        spare = max(2, options.max_memory // 2 // size)
        first = FIRST if download.ranged else size
        board = Board(
            download.total, size, first, size, spare, audit,
            sliced=download.ranged, window=spare,
        )  # fmt: skip
        pump = Pump(download, board, writer)
        crew = Crew(
            pump.step,
            stop,
            halt=board.stop,
            timeout=options.stall_seconds,
            tuner=Tuner() if download.ranged and not options.concurrency else None,
            resized=board.resize,
            busy=lambda: download.busy,
        )
        crew.run(wire, options.concurrency or START, job.meter.tick)
        whole = pump.whole()
        audit.close()
        _check_length(download, source, whole)
        stored = writer.commit(whole, overwrite=job.overwrite)
        return _describe(job, audit, download, whole, stored)
    finally:
        wire.close()
        if writer:
            writer.abort()


def _audit(job: Job, total: int | None) -> Audit:
    wanted = job.options.sha256
    if wanted is None:
        wanted = not job.store.rules.checksum or total is None or total <= _HASHED
    return Audit(
        job.name,
        hash_it=wanted,
        look_inside=job.verify,
        max_entries=job.options.max_entries,
    )


def part_size(job: Job, total: int | None = None) -> int:
    """Bytes of a part, so that *total* fits into the parts that the store allows."""
    rules = job.store.rules
    least = -(-(total or 0) // max(1, rules.max_parts * 19 // 20))
    return max(job.options.part_size or PART, rules.min_part, -(-least // MIB) * MIB)


def _writer(job: Job, total: int | None, size: int) -> PartWriter:
    if total is not None and total <= size:
        return _Single(job.store, job.key)
    return job.store.begin(job.key, label=job.label)


def _check_length(download: Download, source: Source, whole: Whole) -> None:
    total = download.total if download.total is not None else source.file.size
    if total is not None and whole.size != total:
        raise TransferInterruptedError(f"{whole.size} of {total} bytes arrived")


def _describe(
    job: Job, audit: Audit, download: Download, whole: Whole, stored: Stored
) -> tuple[Manifest, list[Entry]]:
    scanner = audit.scanner
    if isinstance(scanner, ZipScanner):
        files = [Entry(m.name, m.size, f"{m.crc:08x}") for m in scanner.members if not m.is_folder]
    else:
        files = [Entry(job.name, whole.size, f"{whole.crc32:08x}", audit.sha256)]
    known = download.total is not None
    record = describe_object(
        job, audit, whole, stored=stored, entries=len(files), known_length=known
    )
    return record, files


def describe_object(
    job: Job,
    audit: Audit,
    whole: Whole,
    *,
    stored: Stored | None,
    entries: int,
    known_length: bool = True,
) -> Manifest:
    """The manifest of one object."""
    held, unverified = audit.verdict()
    if audit.sha256 is None:
        unverified["sha256"] = "not computed: the store keeps a checksum of the whole"
    if known_length:
        held.insert(0, "length")
    else:
        unverified["length"] = "the source announces none"
    if stored and stored.crc32 == whole.crc32:
        held.append("store_checksum")
    else:
        unverified["store_checksum"] = "the store keeps none"
    return Manifest(
        uri=job.store.uri(job.key),
        bytes=whole.size,
        sha256=audit.sha256,
        crc32=f"{whole.crc32:08x}",
        entries=entries,
        manifest_uri=job.store.uri(job.manifest_key),
        layout=job.layout,
        verified=tuple(held),
        unverified=unverified,
        facts=job.facts,
    )
