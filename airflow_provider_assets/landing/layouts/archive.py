"""``layout="archive"`` from one download: the file lands as one object, unchanged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_provider_assets.landing.call import LandingCall
from airflow_provider_assets.landing.cancel import CancelToken
from airflow_provider_assets.landing.checkpoint import Checkpoint, chain, save
from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.describe import describe_object, files_in
from airflow_provider_assets.landing.entries import Files
from airflow_provider_assets.landing.layouts.parts import FIRST, part_size, verifier_for
from airflow_provider_assets.landing.manifest import Manifest
from airflow_provider_assets.landing.options import SAVE_SECONDS, Source
from airflow_provider_assets.landing.ownership import ensure_free, ownership
from airflow_provider_assets.landing.source.connections import Connections
from airflow_provider_assets.landing.source.download import Download, SourceChangedError
from airflow_provider_assets.landing.stores.base import PartWriter, best_effort, pieces
from airflow_provider_assets.landing.transfer.autotune import START, Tuner
from airflow_provider_assets.landing.transfer.pipeline import (
    Feed,
    PartInFlight,
    PartPump,
    PartScheduler,
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
_UNSEEN = "unseen"  # container of a checkpoint that was recorded with verify=False
_HOPELESS = (SourceChangedError, IntegrityError, PermanentError, JobError)
_WRITERS = 6  # workers of a stream, of which one reads at a time


def land_one(
    call: LandingCall, source: Source, known: Checkpoint | None = None
) -> tuple[Manifest, Files]:
    """Land one file as it is, under ``call.key``.

    :param known: checkpoint of an earlier attempt; it is resumed if source and store still match it.
    :raises AssetsError: if the landing failed; nothing is visible then. With ``call.state`` the parts are
        kept if another attempt may succeed; otherwise nothing is left behind.
    """
    for _ in range(_RESTARTS):
        transfer = Transfer(call, source, known)
        try:
            return transfer.run()
        except SourceChangedError:
            known = None
            save(call.state, call.key, None)
            call.meter.begin(None)
    raise TransferInterruptedError("the download keeps changing while it is read; try again later")


@dataclass(slots=True)
class Transfer:
    """One attempt to land one object."""

    call: LandingCall
    source: Source
    known: Checkpoint | None = None
    cancel: CancelToken = field(default_factory=CancelToken)
    _writer: PartWriter | None = None
    _checkpoint: Checkpoint | None = None
    _saved: float = 0.0
    _proof: str = ""

    def run(self) -> tuple[Manifest, Files]:
        """Fetch, verify and publish the object.

        :raises SourceChangedError: if the source is another file by now.
        :raises AssetsError: as in :func:`land_one`.
        """
        call, options = self.call, self.call.options
        download = Download(self.source, options, self.cancel, on_bytes=call.meter.add)
        connections = Connections(options)
        failure: BaseException | None = None
        try:
            with (
                call.cancel.on_cancel(self.cancel.set),
                self.cancel.on_cancel(connections.interrupt),
            ):
                verifier, pump = self._prepare(download, connections)
                whole = self._run(pump, connections)
            verifier.close()
            _check_length(download, self.source, whole)
            return self._publish(verifier, whole, known_length=download.total is not None)
        except BaseException as error:
            failure = error
            raise
        finally:
            connections.close()
            self._leave(failure)

    def _prepare(
        self, download: Download, connections: Connections
    ) -> tuple[StreamVerifier, PartPump]:
        """Open the download and begin the object, or resume both."""
        known, self._writer = self._resumed_writer()
        self._open(download, connections, known)
        size = known.part_size if known else part_size(self.call, download.total)
        writer = GuardedWriter(self._writer or self._begun_writer(download.total, size))
        self._writer = writer
        # Only after the store's first answers: if it keeps checksums, we may not need to compute one.
        if known:
            verifier = self._resumed_verifier(download, known, writer)
        else:
            verifier = verifier_for(self.call, download.total)
        return verifier, self._pump_into(writer, verifier, download, known, size)

    def _open(self, download: Download, connections: Connections, known: Checkpoint | None) -> None:
        """Send the first request, for the first bytes that are missing.

        :raises SourceChangedError: if the file is not the one of the checkpoint *known*.
        """
        # If nothing is left to fetch, the last byte shows whether the file is still the same.
        download.open(connections, FIRST, at=min(known.done, known.total - 1) if known else 0)
        self.call.meter.begin(download.total)
        if download.total is not None:
            ensure_free(self.call, download.total)
        if known and (download.total, download.validator) != (known.total, known.validator):
            raise SourceChangedError

    def _begun_writer(self, total: int | None, size: int) -> PartWriter:
        if total is not None and total <= size:
            return BufferedPut(self.call.store, self.call.key, self.call.object_options)
        call = self.call
        return call.store.begin(call.key, label=call.label, options=call.object_options)

    def _pump_into(
        self,
        writer: PartWriter,
        verifier: StreamVerifier,
        download: Download,
        known: Checkpoint | None,
        size: int,
    ) -> PartPump:
        """A pump for the parts that are missing."""
        feed: Feed = verifier
        if self.call.store.rules.needs_order:
            # Each part is written right after it was verified, in order.
            feed, writer = SequentialWriter(verifier, writer), NullWriter()
        scheduler = PartScheduler.of(
            download, size, feed, first_slice=FIRST, most_parts=self._buffers(size),
            on_verified=self._record_checkpoint(download, verifier, size),
        )  # fmt: skip
        if known:
            scheduler.skip(known.parts, Checksum(known.done, known.crc32))
            self.call.meter.keep(known.done)
        return PartPump(download, scheduler, writer)

    def _buffers(self, size: int) -> int:
        return max(2, self.call.options.max_memory // 2 // size)

    def _publish(
        self, verifier: StreamVerifier, whole: Checksum, *, known_length: bool
    ) -> tuple[Manifest, Files]:
        assert self._writer is not None  # noqa: S101  # for the type checker: prepared before
        call, files = self.call, files_in(self.call, verifier, whole)
        with ownership(call, len(files)) as overwrite:
            stored = self._writer.commit(whole, overwrite=overwrite)
        record = describe_object(
            call, verifier, whole, stored=stored, entries=len(files), known_length=known_length
        )
        return record, files

    def _run(self, pump: PartPump, connections: Connections) -> Checksum:
        """Move all parts; return the checksum of the whole."""
        options, scheduler, download = self.call.options, pump.scheduler, pump.download
        workers = WorkerPool(
            pump.step,
            self.cancel,
            options,
            tuner=self._tuner(download),
            resized=scheduler.resize,
            busy=lambda: download.busy,
        )
        with self.cancel.on_cancel(scheduler.cancel):
            first = START if download.is_ranged else _WRITERS
            workers.run(connections, options.concurrency or first, self._tick)
        return scheduler.whole

    def _tuner(self, download: Download) -> Tuner | None:
        options = self.call.options
        given = options.concurrency or not download.is_ranged
        return None if given else Tuner()

    def _tick(self) -> int:
        now = self.call.options.clock()
        if self._checkpoint and now - self._saved >= SAVE_SECONDS:
            self._saved = now
            save(self.call.state, self.call.key, self._checkpoint)
        return self.call.meter.tick()

    # -- resuming -----------------------------------------------------------------------------

    def _resumed_writer(self) -> tuple[Checkpoint | None, PartWriter | None]:
        """The checkpoint and its unfinished object, if the store still holds the parts; else None twice."""
        call, known = self.call, self.known
        if known is None:
            return None, None
        writer = None
        if not self._needs_first_bytes(known):
            writer = call.store.resume(call.key, known.writer, options=call.object_options)
        if writer and self._is_proven(known, writer):
            self._proof, self._checkpoint = known.proof, known
            return known, writer
        if writer:
            best_effort(writer.discard)
        save(call.state, call.key, None)
        call.store.sweep([call.key])
        return None, None

    @staticmethod
    def _is_proven(known: Checkpoint, writer: PartWriter) -> bool:
        try:
            return known.is_proven_by(writer.done())
        except BaseException:
            writer.keep()  # the next attempt may be able to look
            raise

    def _needs_first_bytes(self, known: Checkpoint) -> bool:
        """Whether stored bytes still have to be verified, and the store cannot return them."""
        call = self.call
        is_unseen = call.options.sha256 or (call.verify and known.container == _UNSEEN)
        return bool(is_unseen) and not call.store.rules.reads_back

    def _resumed_verifier(
        self, download: Download, known: Checkpoint, writer: PartWriter
    ) -> StreamVerifier:
        """A verifier of the stored parts: they are read back, or the checkpoint's census is taken over."""
        verifier = verifier_for(self.call, known.total)
        if writer.read(0, memoryview(bytearray(1))):
            for piece in pieces(writer.read, known.done):
                verifier.feed(piece)
            return verifier
        verifier.take_over(known.census, known.done, is_zip=known.container == "zip")
        if verifier.scanner:
            self._fetch_again(download, verifier.scanner, known)
        return verifier

    def _fetch_again(self, download: Download, scanner: Feed, known: Checkpoint) -> None:
        """Feed *scanner* the first bytes of the entry that the checkpoint cuts in two.

        They are stored, but no store that resumes an upload can return them before its end.
        """
        size, buffers = known.part_size, self._buffers(known.part_size)
        scheduler = PartScheduler(known.done, size, size, size, scanner, most_parts=buffers)
        scheduler.skip(0, Checksum(known.offset, 0))
        connections = Connections(self.call.options)
        with self.cancel.on_cancel(connections.interrupt):
            self._run(PartPump(download, scheduler, NullWriter()), connections)

    def _record_checkpoint(
        self, download: Download, verifier: StreamVerifier, size: int
    ) -> Callable[[PartInFlight, int], None]:
        """A callback that records a checkpoint after each part that was verified, in order."""

        def record(part: PartInFlight, crc: int) -> None:
            self._proof = chain(self._proof, part.tag)
            snapshot = verifier.snapshot()
            if self._writer is None or snapshot is None or not self._writer.handle:
                return
            container, census = snapshot
            self._checkpoint = Checkpoint(
                label=self.call.label,
                writer=dict(self._writer.handle),
                part_size=size,
                total=download.total or 0,
                validator=download.validator,
                parts=part.number,
                crc32=crc,
                proof=self._proof,
                container=container if self.call.verify else _UNSEEN,
                offset=census.offset,
                count=census.count,
                digest=f"{census.digest:x}",
            )

        can_resume = self.call.state is not None and download.is_ranged and download.validator
        return record if can_resume else lambda part, crc: None

    def _leave(self, failure: BaseException | None) -> None:
        """Keep the parts if another attempt can use them; otherwise remove them."""
        if self._writer is None:
            return
        hopeless = isinstance(failure, _HOPELESS)
        if failure is not None and self._checkpoint and not hopeless:
            try:
                save(self.call.state, self.call.key, self._checkpoint)
            finally:
                self._writer.keep()
            return
        try:
            if self.known or self._saved:  # else the state has nothing of this object
                save(self.call.state, self.call.key, None)
        finally:
            best_effort(self._writer.discard)


def _check_length(download: Download, source: Source, whole: Checksum) -> None:
    total = download.total if download.total is not None else source.file.size
    if total is not None and whole.size != total:
        raise TransferInterruptedError(f"{whole.size} of {total} bytes arrived")
