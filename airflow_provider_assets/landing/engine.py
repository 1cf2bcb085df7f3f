"""The landing of one archive: skip, fetch, verify, publish, and the manifest last."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace

from airflow_provider_assets.landing import manifest as records
from airflow_provider_assets.landing.audit import Audit
from airflow_provider_assets.landing.crc import crc32
from airflow_provider_assets.landing.crew import Crew
from airflow_provider_assets.landing.manifest import Entry, Manifest
from airflow_provider_assets.landing.model import MIB, LandingOptions, Progress, Source
from airflow_provider_assets.landing.pump import Board, Pump
from airflow_provider_assets.landing.source import Download, SourceChangedError
from airflow_provider_assets.landing.store import Part, PartWriter, Store, Stored, Whole
from airflow_provider_assets.landing.tuner import START, Tuner
from airflow_provider_assets.landing.wire import Wire
from airflow_provider_assets.landing.zipscan import ZipScanner
from airflow_provider_assets.sansio.errors import InvalidRequestError, TransferInterruptedError
from airflow_provider_assets.sansio.messages import JSON

_RESTARTS = 3
_PART = 8 * MIB
_FIRST = 2 * MIB  # asked for by the first request, before the length is known
_HASHED = 256 * MIB  # above, sha256 costs over 15 % of the wall time of a fast transfer


@dataclass(slots=True)
class Meter:
    """Counts bytes from all threads and reports them at a human pace: every 5 s or 5 %."""

    clock: Callable[[], float]
    report: Callable[[Progress], None] | None
    total: int | None = None
    bytes: int = 0
    _began: float = 0.0
    _last: tuple[float, int] = (0.0, 0)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """The time runs from now."""
        self._began = self.clock()
        self._last = (self._began, 0)

    def add(self, count: int) -> None:
        """More bytes arrived."""
        with self._lock:
            self.bytes += count

    def tick(self) -> int:
        """Report if it is time; returns the bytes so far."""
        now = self.clock()
        then, had = self._last
        step = self.total and self.bytes - had >= self.total / 20
        if self.report and (now - then >= 5 or step):  # noqa: PLR2004
            self._last = (now, self.bytes)
            self.report(self.now(now))
        return self.bytes

    def now(self, at: float | None = None) -> Progress:
        """The present state."""
        spent = max((self.clock() if at is None else at) - self._began, 1e-6)
        rate = self.bytes / spent
        left = None if self.total is None or not rate else max(0, self.total - self.bytes) / rate
        return Progress(self.bytes, self.total, rate, left)


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


@dataclass(frozen=True, slots=True)
class Job:
    """Everything one landing was called with."""

    store: Store
    prefix: str
    name: str
    layout: str
    overwrite: bool
    verify: bool
    options: LandingOptions
    facts: Mapping[str, JSON]
    meter: Meter

    @property
    def key(self) -> str:
        """Of the object."""
        return self.prefix + self.name

    @property
    def manifest_key(self) -> str:
        """Of the manifest beside it."""
        return self.key + records.SUFFIX

    @property
    def label(self) -> str:
        """Identity of the landing."""
        return records.identity(self.facts)


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
        download.open(wire, _FIRST)
        job.meter.total = download.total
        audit = _audit(job, download.total)
        wanted = max(options.part_size or _PART, job.store.rules.min_part)
        size = part_size(download.total, wanted, job.store.rules.max_parts)
        writer = _writer(job, download.total, size)
        spare = max(2, options.max_memory // 2 // size)
        first = _FIRST if download.ranged else size
        board = Board(download.total, size, first, size, spare, audit, window=spare)
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


def part_size(total: int | None, wanted: int, max_parts: int) -> int:
    """Bytes of a part, so that *total* fits into the parts that the store allows."""
    least = -(-(total or 0) // max(1, max_parts * 19 // 20))
    return max(wanted, -(-least // MIB) * MIB)


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
    held, unverified = audit.verdict()
    verified = [*held]
    if audit.sha256 is None:
        unverified["sha256"] = "not computed: the store keeps a checksum of the whole"
    if download.total is not None:
        verified.insert(0, "length")
    else:
        unverified["length"] = "the source announces none"
    if stored.crc32 == whole.crc32:
        verified.append("store_checksum")
    else:
        unverified["store_checksum"] = "the store keeps none"
    scanner = audit.scanner
    members = scanner.members if isinstance(scanner, ZipScanner) else []
    files = [Entry(m.name, m.size, f"{m.crc:08x}") for m in members if not m.is_folder]
    if not isinstance(scanner, ZipScanner):
        files = [Entry(job.name, whole.size, f"{whole.crc32:08x}", audit.sha256)]
    record = Manifest(
        uri=job.store.uri(job.key),
        bytes=whole.size,
        sha256=audit.sha256,
        crc32=f"{whole.crc32:08x}",
        entries=len(files),
        manifest_uri=job.store.uri(job.manifest_key),
        layout=job.layout,
        verified=tuple(verified),
        unverified=unverified,
        facts=job.facts,
    )
    return record, files


def landed_before(job: Job) -> Manifest | None:
    """The manifest of the same landing, if it is whole; no byte has to move then.

    :raises InvalidRequestError: if another landing owns the name and ``overwrite`` is false.
    """
    document = job.store.get(job.manifest_key)
    if document is None:
        return None
    known = records.parse(document)
    if records.identity(known.facts) != job.label:
        if job.overwrite:
            return None
        raise InvalidRequestError(
            f"{job.store.uri(job.manifest_key)} records another landing; "
            "choose another name or set overwrite=True"
        )
    there = job.store.head(job.key)
    if there is None or there.size != known.bytes:
        return None
    if there.crc32 is not None and known.crc32 and f"{there.crc32:08x}" != known.crc32:
        return None
    return replace(known, skipped=True)


def land(
    sources: Sequence[Source],
    store: Store,
    *,
    prefix: str = "",
    name: str | None = None,
    layout: str = "archive",
    overwrite: bool = False,
    verify: bool = True,
    options: LandingOptions | None = None,
    facts: Mapping[str, JSON] | None = None,
    progress: Callable[[Progress], None] | None = None,
    state: MutableMapping[str, JSON] | None = None,
) -> Manifest:
    """Land *sources* in *store* and return what landed.

    :param prefix: key prefix, with its trailing slash if it is a folder.
    :param name: of the object (``archive``) or of the manifest (``files``); None: the source's own.
    :param layout: ``archive``: one object; ``files``: one object per file.
    :param overwrite: replace what has the same name. A finished landing of the same
        ``facts["fingerprint"]`` is never done again, unless its object is damaged.
    :param verify: read zip and gzip archives through; length and checksums are always compared.
    :param facts: remembered in the manifest; must hold no secret.
    :param progress: called at most every 5 s or 5 %, in the calling thread.
    :param state: where a broken landing is remembered for the next attempt; None: nowhere.
    :raises InvalidRequestError: if the name is taken, or the arguments are wrong.
    :raises TransferInterruptedError: if source or store failed too often; try again.
    :raises IntegrityError: if what arrived is not what was announced.
    :raises AuthenticationError, ArchiveExpiredError: if fresh links are refused.
    """
    if layout not in ("archive", "files"):
        raise InvalidRequestError(f"layout must be 'archive' or 'files', not {layout!r}")
    if not sources:
        raise InvalidRequestError("there is nothing to land")
    options = options or LandingOptions()
    job = Job(
        store=store,
        prefix=prefix,
        name=name or (sources[0].file.name if len(sources) == 1 else "") or "archive.zip",
        layout=layout,
        overwrite=overwrite,
        verify=verify,
        options=options,
        facts=dict(facts or {}),
        meter=Meter(options.clock, progress),
    )
    before = landed_before(job)
    if before:
        return before
    record, files = land_one(job, sources[0])
    document = record.document(files)
    store.put(job.manifest_key, document, crc32=crc32(document, 0), overwrite=True)
    return record
