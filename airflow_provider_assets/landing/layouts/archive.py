"""``layout="archive"`` from one download: the file lands as one object, unchanged."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from airflow_provider_assets.landing.call import LandingCall
from airflow_provider_assets.landing.cancel import CancelToken
from airflow_provider_assets.landing.checkpoint import Checkpoint, save
from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.describe import describe_object, files_in
from airflow_provider_assets.landing.entries import Files
from airflow_provider_assets.landing.layouts.parts import FIRST, part_size, verifier_for
from airflow_provider_assets.landing.layouts.resume import (
    CheckpointRecorder,
    find_unfinished,
    verifier_of_stored,
)
from airflow_provider_assets.landing.manifest import Manifest
from airflow_provider_assets.landing.options import Source
from airflow_provider_assets.landing.ownership import ensure_free, ownership
from airflow_provider_assets.landing.pipeline.autotune import START, Tuner
from airflow_provider_assets.landing.pipeline.scheduler import (
    Feed,
    PartPump,
    PartScheduler,
)
from airflow_provider_assets.landing.pipeline.workers import WorkerPool
from airflow_provider_assets.landing.pipeline.writers import (
    BufferedPut,
    GuardedWriter,
    NullWriter,
    SequentialWriter,
)
from airflow_provider_assets.landing.source.connections import Connections
from airflow_provider_assets.landing.source.download import Download, SourceChangedError
from airflow_provider_assets.landing.stores.base import PartWriter, best_effort
from airflow_provider_assets.landing.verify import StreamVerifier
from airflow_provider_assets.sansio.errors import (
    IntegrityError,
    JobError,
    PermanentError,
    TransferInterruptedError,
)

_RESTARTS = 3
_SPOILS_PARTS = (SourceChangedError, IntegrityError, PermanentError, JobError)
_WRITERS = 6  # workers of a stream, of which one reads at a time


def land_object(
    call: LandingCall, source: Source, checkpoint: Checkpoint | None = None
) -> tuple[Manifest, Files]:
    """Land one file as it is, under ``call.key``.

    :param checkpoint: that of an earlier attempt, which is resumed if source and store still match it.
    :raises AssetsError: if the landing failed; nothing is visible then. With ``call.state`` the parts are
        kept if another attempt may succeed; otherwise nothing is left behind.
    """
    for _ in range(_RESTARTS):
        landing = ObjectLanding(call, source, checkpoint)
        try:
            return landing.run()
        except SourceChangedError:
            checkpoint = None
            save(call.state, call.key, None)
            call.meter.begin(None)
    raise TransferInterruptedError("the download keeps changing while it is read; try again later")


@dataclass(slots=True)
class ObjectLanding:
    """One attempt to land one object."""

    call: LandingCall
    source: Source
    checkpoint: Checkpoint | None = None
    cancel: CancelToken = field(default_factory=CancelToken)
    _writer: PartWriter | None = None
    _recorder: CheckpointRecorder = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the record for the next attempt."""
        self._recorder = CheckpointRecorder(self.call, is_saved=self.checkpoint is not None)

    def run(self) -> tuple[Manifest, Files]:
        """Fetch, verify and publish the object.

        :raises SourceChangedError: if the source is another file by now.
        :raises AssetsError: as in :func:`land_object`.
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
        call, checkpoint = self.call, self.checkpoint
        if checkpoint:
            self._writer = find_unfinished(call, checkpoint)
            if self._writer is None:
                checkpoint = None
            else:
                self._recorder.resume(checkpoint)
        self._open(download, connections, checkpoint)
        size = checkpoint.part_size if checkpoint else part_size(call, download.total)
        writer = GuardedWriter(self._writer or self._begun_writer(download.total, size))
        self._writer = writer
        # Only after the store's first answers: if it keeps checksums, we may not need to compute one.
        if checkpoint:
            fetch_again = partial(self._fetch_again, download, checkpoint)
            verifier = verifier_of_stored(call, checkpoint, writer, fetch_again)
        else:
            verifier = verifier_for(call, download.total)
        return verifier, self._pump_into(writer, verifier, download, checkpoint, size)

    def _open(
        self, download: Download, connections: Connections, checkpoint: Checkpoint | None
    ) -> None:
        """Send the first request, for the first bytes that are missing.

        :raises SourceChangedError: if the file is not the one of the *checkpoint*.
        """
        # If nothing is left to fetch, the last byte shows whether the file is still the same.
        at = min(checkpoint.done, checkpoint.total - 1) if checkpoint else 0
        download.open(connections, FIRST, at=at)
        self.call.meter.begin(download.total)
        if download.total is not None:
            ensure_free(self.call, download.total)
        found = download.total, download.validator
        if checkpoint and found != (checkpoint.total, checkpoint.validator):
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
        checkpoint: Checkpoint | None,
        size: int,
    ) -> PartPump:
        """A pump for the parts that are missing."""
        record = self._recorder.callback(download, verifier, writer, size)
        feed: Feed = verifier
        if self.call.store.rules.needs_order:
            # Each part is written right after it was verified, in order.
            feed, writer = SequentialWriter(verifier, writer), NullWriter()
        scheduler = PartScheduler.of(
            download, size, feed, first_slice=FIRST, most_parts=self._buffers(size),
            on_verified=record,
        )  # fmt: skip
        if checkpoint:
            scheduler.skip(checkpoint.parts, Checksum(checkpoint.done, checkpoint.crc32))
            self.call.meter.keep(checkpoint.done)
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
        self._recorder.save_if_due()
        return self.call.meter.tick()

    def _fetch_again(self, download: Download, checkpoint: Checkpoint, scanner: Feed) -> None:
        """Feed *scanner* the bytes before the end of *checkpoint* that it has not seen."""
        size = checkpoint.part_size
        scheduler = PartScheduler(
            checkpoint.done, size, size, size, scanner, most_parts=self._buffers(size)
        )
        scheduler.skip(0, Checksum(checkpoint.offset, 0))
        connections = Connections(self.call.options)
        with self.cancel.on_cancel(connections.interrupt):
            self._run(PartPump(download, scheduler, NullWriter()), connections)

    def _leave(self, failure: BaseException | None) -> None:
        """Keep the parts if another attempt can use them; otherwise remove them."""
        if self._writer is None:
            return
        is_spoilt = isinstance(failure, _SPOILS_PARTS)
        if failure is not None and self._recorder.latest and not is_spoilt:
            try:
                self._recorder.save()
            finally:
                self._writer.keep()
            return
        try:
            self._recorder.forget()
        finally:
            best_effort(self._writer.discard)


def _check_length(download: Download, source: Source, whole: Checksum) -> None:
    total = download.total if download.total is not None else source.file.size
    if total is not None and whole.size != total:
        raise TransferInterruptedError(f"{whole.size} of {total} bytes arrived")
