"""One file into one object, as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from airflow_provider_assets.landing.cancel import CancelToken
from airflow_provider_assets.landing.checkpoint import Checkpoint, chain, load, save
from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.describe import describe_file
from airflow_provider_assets.landing.http import Connections
from airflow_provider_assets.landing.job import Job
from airflow_provider_assets.landing.manifest import Entry, Manifest
from airflow_provider_assets.landing.options import MIB, Source
from airflow_provider_assets.landing.ownership import claimed
from airflow_provider_assets.landing.source.download import Download, SourceChangedError
from airflow_provider_assets.landing.stores.base import PartWriter, Stored, best_effort
from airflow_provider_assets.landing.transfer.autotune import START, Tuner
from airflow_provider_assets.landing.transfer.pipeline import (
    Feed,
    PartInFlight,
    PartScheduler,
    Pump,
)
from airflow_provider_assets.landing.transfer.workers import WorkerPool
from airflow_provider_assets.landing.transfer.writers import (
    BufferedPut,
    GuardedWriter,
    NullWriter,
    SequentialWriter,
)
from airflow_provider_assets.landing.verify import StreamVerifier
from airflow_provider_assets.sansio.errors import (
    IntegrityError,
    JobError,
    PermanentError,
    TransferInterruptedError,
)

_RESTARTS = 3
_HOPELESS = (SourceChangedError, IntegrityError, PermanentError, JobError)
_SAVE_EVERY = 10.0  # seconds: what a SIGKILL may cost in bytes fetched again
PART = 8 * MIB
FIRST = 2 * MIB  # asked for by the first request, before the length is known
_HASHED = 256 * MIB  # above, sha256 costs over 15 % of the wall time of a fast transfer


def land_one(job: Job, source: Source) -> tuple[Manifest, list[Entry]]:
    """Land one file as it is, under ``job.key``; go on where an earlier attempt broke, if it is known.

    :raises AssetsError: nothing is visible then. With ``job.state`` the parts are kept for the next
        attempt where another may succeed; otherwise nothing is left behind.
    """
    for _ in range(_RESTARTS):
        transfer = Transfer(job, source)
        try:
            return transfer.run()
        except SourceChangedError:
            save(job.state, job.key, None)
            job.meter.begin(None)
    raise TransferInterruptedError("the download changes while it is read; try again later")


@dataclass(slots=True)
class Transfer:
    """One attempt at one object."""

    job: Job
    source: Source
    cancel: CancelToken = field(default_factory=CancelToken)
    _writer: PartWriter | None = None
    _checkpoint: Checkpoint | None = None
    _saved: float = 0.0
    _proof: str = ""

    def run(self) -> tuple[Manifest, list[Entry]]:
        """Fetch, verify, publish.

        :raises SourceChangedError: if the file became another one.
        :raises AssetsError: as :func:`land_one` says.
        """
        job, options = self.job, self.job.options
        download = Download(self.source, options, self.cancel, on_bytes=job.meter.add)
        wire = Connections(options)
        failure: BaseException | None = None
        try:
            with job.cancel.on_cancel(self.cancel.set), self.cancel.on_cancel(wire.interrupt):
                audit, pump = self._prepare(download, wire)
                whole = self._pump(download, pump, wire)
            audit.close()
            _check_length(download, self.source, whole)
            stored = self._publish(whole)
            known = download.total is not None
            return describe_file(job, audit, whole, stored=stored, known_length=known)
        except BaseException as error:
            failure = error
            raise
        finally:
            wire.close()
            self._leave(failure)

    def _prepare(self, download: Download, wire: Connections) -> tuple[StreamVerifier, Pump]:
        job = self.job
        known, writer = self._resumable()
        self._writer = writer
        # Where nothing is left to fetch, its last byte shows whether the file is still the same.
        download.open(wire, FIRST, at=min(known.done, known.total - 1) if known else 0)
        total = download.total
        job.meter.begin(total)
        if known and (total, download.validator) != (known.total, known.validator):
            raise SourceChangedError
        size = known.part_size if known else part_size(job, total)
        if writer is None:
            small = total is not None and total <= size
            writer = (
                BufferedPut(job.store, job.key)
                if small
                else job.store.begin(job.key, label=job.label)
            )
        self._writer = writer = GuardedWriter(writer)
        # After the store's first answers: whether it keeps checksums decides whether we compute one.
        audit = (
            self._resumed_audit(download, wire, known, writer)
            if known
            else verifier_for(job, total)
        )
        feed: Feed = audit
        if job.store.rules.in_order:
            feed, writer = SequentialWriter(audit, writer), NullWriter()
        spare = max(2, job.options.max_memory // 2 // size)
        scheduler = PartScheduler(
            total, size, FIRST if download.ranged else size, size, spare, feed,
            sliced=download.ranged, window=spare, on_verified=self._note(download, audit, size),
        )  # fmt: skip
        if known:
            scheduler.skip(known.parts, Checksum(known.done, known.crc32))
            job.meter.add(known.done)
        return audit, Pump(download, scheduler, writer)

    def _publish(self, whole: Checksum) -> Stored:
        assert self._writer is not None  # noqa: S101  # for the type checker: prepared before
        with claimed(self.job) as overwrite:
            return self._writer.commit(whole, overwrite=overwrite)

    def _pump(self, download: Download, pump: Pump, wire: Connections) -> Checksum:
        options, scheduler = self.job.options, pump.scheduler
        crew = WorkerPool(
            pump.step,
            self.cancel,
            options,
            tuner=self._tuner(download),
            resized=scheduler.resize,
            busy=lambda: download.busy,
        )
        with self.cancel.on_cancel(scheduler.cancel):
            crew.run(wire, options.concurrency or min(START, options.max_concurrency), self._tick)
        return scheduler.whole

    def _tuner(self, download: Download) -> Tuner | None:
        options = self.job.options
        given = options.concurrency or not download.ranged
        return None if given else Tuner(options.max_concurrency)

    def _tick(self) -> int:
        now = self.job.options.clock()
        if self._checkpoint and now - self._saved >= _SAVE_EVERY:
            self._saved = now
            save(self.job.state, self.job.key, self._checkpoint)
        return self.job.meter.tick()

    # -- going on -----------------------------------------------------------------------------

    def _resumable(self) -> tuple[Checkpoint | None, PartWriter | None]:
        job = self.job
        known = load(job.state, job.key, label=job.label)
        if known is None:
            return None, None
        # A store that shows no part before the end cannot give a digest its first bytes again.
        starts_over = job.options.sha256 and not job.store.rules.reads_back
        writer = None if starts_over else job.store.resume(job.key, known.writer)
        if writer and known.is_proven_by(writer.done()):
            self._proof, self._checkpoint = known.proof, known
            return known, writer
        save(job.state, job.key, None)
        job.store.sweep([job.key])
        return None, None

    def _resumed_audit(
        self, download: Download, wire: Connections, known: Checkpoint, writer: PartWriter | None
    ) -> StreamVerifier:
        """An audit that has seen the parts which are stored: read back, or taken over from the ledger."""
        audit = verifier_for(self.job, known.total)
        done = known.done
        if writer and writer.read(0, memoryview(bytearray(1))):
            _feed(audit, writer.read, 0, done)
            return audit
        audit.take_over(known.ledger, done, is_zip=known.container == "zip")
        if known.container == "zip" and self.job.verify:
            _feed(audit.scanner or audit, partial(download.read, wire), known.offset, done)
        return audit

    def _note(
        self, download: Download, audit: StreamVerifier, size: int
    ) -> Callable[[PartInFlight, int], None]:
        """What remembers the parts that went by; called in their order."""

        def note(part: PartInFlight, crc: int) -> None:
            self._proof = chain(self._proof, part.tag)
            snapshot = audit.snapshot()
            if self._writer is None or snapshot is None or not self._writer.state:
                return
            container, ledger = snapshot
            self._checkpoint = Checkpoint(
                label=self.job.label,
                writer=dict(self._writer.state),
                part_size=size,
                total=download.total or 0,
                validator=download.validator,
                parts=part.number,
                crc32=crc,
                proof=self._proof,
                container=container,
                offset=ledger.offset,
                count=ledger.count,
                digest=f"{ledger.digest:x}",
            )

        can_resume = self.job.state is not None and download.ranged and download.validator
        return note if can_resume else lambda part, crc: None

    def _leave(self, failure: BaseException | None) -> None:
        """Keep the parts for the next attempt, if there may be one and it can use them."""
        if self._writer is None:
            return
        hopeless = isinstance(failure, _HOPELESS)
        if failure is not None and self._checkpoint and not hopeless:
            try:
                save(self.job.state, self.job.key, self._checkpoint)
            finally:
                self._writer.keep()
            return
        try:
            save(self.job.state, self.job.key, None)
        finally:
            best_effort(self._writer.abort)


def _feed(audit: Feed, read: Callable[[int, memoryview], object], start: int, end: int) -> None:
    buffer = memoryview(bytearray(MIB))
    for at in range(start, end, MIB):
        view = buffer[: min(MIB, end - at)]
        read(at, view)
        audit.feed(view)


def verifier_for(job: Job, total: int | None) -> StreamVerifier:
    """The verifier of an object of *total* bytes, with a digest where the options ask for one."""
    wanted = job.options.sha256
    if wanted is None:
        wanted = not job.store.rules.checksum or total is None or total <= _HASHED
    return StreamVerifier(
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


def _check_length(download: Download, source: Source, whole: Checksum) -> None:
    total = download.total if download.total is not None else source.file.size
    if total is not None and whole.size != total:
        raise TransferInterruptedError(f"{whole.size} of {total} bytes arrived")
