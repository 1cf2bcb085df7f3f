"""The batches of one task, from their record to the references that the task returns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import TYPE_CHECKING

from airflow_provider_assets.batches.ledger import BatchEntry, BatchLedger, RecordedBatches
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.hooks.client import cancel_job
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    InvalidRequestError,
    JobCancelledError,
    JobTimeoutError,
    StaleEventError,
    is_refusal,
)
from airflow_provider_assets.sansio.jobs import (
    LINKS,
    Answer,
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    Data,
    JobState,
    describe,
)
from airflow_provider_assets.sansio.verdict import ensure_complete
from airflow_provider_assets.sansio.waiter import ensure_succeeded
from airflow_provider_assets.vendors.base import VendorSpec

if TYPE_CHECKING:
    from airflow.sdk.types import Logger


@dataclass(slots=True)
class BatchRun:
    """Gets every batch of *recorded* a job, never two, and judges how the jobs have ended.

    A batch goes from recorded to submitted to succeeded, and each step is recorded in the ledger before
    and after it is taken. Batches run in waves, since some vendors take one job at a time. The waiting
    itself is the operator's, because only an operator can defer::

        while wave := run.next_wave():
            run.start(wave)
            run.judge(wave, ...)  # the ends of the jobs of wave
        return run.references()

    :param cancel_on_kill: as in the operator.
    :param on_partial: as in the operator.
    :param patience: seconds that a submission may wait for another job of an account that runs one at a time.
    """

    hook: AssetArchiveHook
    ledger: BatchLedger
    recorded: RecordedBatches
    log: Logger
    cancel_on_kill: bool | None = None
    on_partial: str = "fail"
    patience: float = inf
    _running: list[BatchEntry] = field(default_factory=list)
    _is_killed: bool = False

    def next_wave(self) -> list[int]:
        """Positions of the batches to run next; empty when all have succeeded."""
        size = self.hook.vendor.spec.parallel_jobs or len(self.recorded.entries)
        return [i for i, entry in enumerate(self.recorded.entries) if not entry.has_succeeded][
            :size
        ]

    def wave_of(self, job_ids: Sequence[str]) -> list[int]:
        """Positions of the batches of *job_ids*, in that order.

        :raises StaleEventError: if one is missing: the event belongs to another attempt.
        """
        by_id = {entry.job.job_id: i for i, entry in enumerate(self.recorded.entries) if entry.job}
        missing = [job_id for job_id in job_ids if job_id not in by_id]
        if missing:
            raise StaleEventError(
                f"the trigger's event refers to jobs that are not in this task's record: {missing}; "
                "clear the task to export again"
            )
        return [by_id[job_id] for job_id in job_ids]

    def jobs(self, wave: Sequence[int]) -> list[ArchiveJob]:
        """The jobs of *wave*, which has been started."""
        return [job for i in wave if (job := self.recorded.entries[i].job)]

    def start(self, wave: Sequence[int]) -> None:
        """Give each batch of *wave* a job that is worth waiting for.

        :raises JobCancelledError: if the task has been killed: it starts no more jobs.
        """
        for i in wave:
            if self._is_killed:
                raise JobCancelledError("the task was killed; it starts no more jobs")
            entry = self.recorded.entries[i]
            started = replace(entry, job=self._known(entry) or self._submit(entry))
            self.ledger.try_to_record(started, self.log)
            self.recorded = self.recorded.updated([started])
            self._running.append(started)
            if self._is_killed:  # while it was being submitted, when it could not be cancelled yet
                self.cancel([started])

    def _known(self, entry: BatchEntry) -> ArchiveJob | None:
        """The job of an earlier attempt, unless the vendor has given it up."""
        if entry.job is not None:
            job = self.hook.poll_or_last_known([entry.job])[0]
            if job.state in {JobState.RUNNING, JobState.SUCCEEDED}:
                self.log.info("Re-attached to %s", describe(job))
                self.hook.metrics.reattached()
                return job
            self.log.info("%s; the batch is submitted again", describe(job))
        elif entry.since is not None and self.hook.vendor.spec.makes_job(entry.request):
            return self._found(entry.request, entry.since)
        return None

    def _found(self, request: ArchiveRequest, since: float) -> ArchiveJob | None:
        """The job of a submission whose answer was lost, if the vendor has it and can be asked for it."""
        vendor = self.hook.vendor
        found = self.hook.find(request, since)
        if found is not None:
            self.log.info("Found %s, which an earlier attempt could not record", describe(found))
            self.hook.metrics.reattached()
            return found
        self.log.warning(
            "An earlier attempt may have submitted batch %d, %s; the batch is submitted again",
            request.index + 1,
            f"but {vendor.spec.title} has no running or succeeded job for it"
            if vendor.can_find
            else f"and {vendor.spec.title} cannot be asked for its job",
        )
        return None

    def _submit(self, entry: BatchEntry) -> ArchiveJob:
        request = entry.request
        self.ledger.record(BatchEntry(request, since=time.time()))
        try:
            with self.hook.metrics.submitting(request):
                job = self.hook.submit(request, patience=self.patience)
        except AssetsError as error:
            if is_refusal(error):
                self.ledger.try_to_record(entry, self.log)  # nothing was started: as it was before
            raise
        if self.hook.vendor.spec.makes_job(request):
            self.hook.metrics.submitted()
        if request.mode == LINKS:
            self.log.info(
                "Batch %d of %d: %d items, which are downloaded one by one without a job",
                request.index + 1,
                request.of,
                request.count,
            )
            return job
        self.log.info(
            "Submitted batch %d of %d with %d items as %s job %s",
            request.index + 1,
            request.of,
            request.count,
            job.vendor,
            job.job_id,
        )
        return job

    def judge(self, wave: Sequence[int], ends: Sequence[Answer]) -> None:
        """Record how the jobs of *wave* have ended, and cancel those that were still running.

        :raises AssetsError: for the first job that did not succeed, after every end has been recorded.
        """
        entries = [self.recorded.entries[i] for i in wave]
        ended = [
            replace(entry, job=end) if isinstance(end, ArchiveJob) else entry
            for entry, end in zip(entries, ends, strict=True)
        ]
        for entry, end in zip(ended, ends, strict=True):
            self.ledger.try_to_record(entry, self.log)
            if entry.job and entry.request.mode != LINKS:  # of those, nothing was waited for
                self.hook.metrics.ended(end, entry.job.submitted_at, time.time())
        late = [e for e, end in zip(entries, ends, strict=True) if isinstance(end, JobTimeoutError)]
        self.cancel(late)  # nobody is waiting for them now
        self._running = []
        self.recorded = self.recorded.updated(ended)
        self._log_ends(ended)
        for end in ends:
            ensure_succeeded(end)

    def _log_ends(self, entries: Sequence[BatchEntry]) -> None:
        """Say how a wait has ended, which is all that the log of a deferred task has about it."""
        started = [e.job.submitted_at for e in entries if e.job and e.job.submitted_at]
        if started and entries[0].request.mode != LINKS:
            self.log.info(
                "%d of %d jobs succeeded within %d s",
                sum(entry.has_succeeded for entry in entries),
                len(entries),
                time.time() - min(started),
            )

    def references(self) -> list[Data]:
        """The references of all batches, including those that ended in an earlier attempt.

        :raises PartialArchiveError: if a job archived only some of its items, unless *on_partial* is
            ``"land"``.
        :raises InvalidRequestError: if a batch has no job.
        """
        entries = self.recorded.entries
        for incomplete in ensure_complete((e.job for e in entries if e.job), self.on_partial):
            self.log.warning("%s", incomplete)
        return [self._reference(entry) for entry in entries]

    def _reference(self, entry: BatchEntry) -> Data:
        if entry.job is None:
            raise InvalidRequestError(
                f"batch {entry.request.index + 1} has no job yet; leave wait_for_completion on"
            )
        return ArchiveReference(self.recorded.conn_id, entry.request, entry.job).to_dict()

    def kill(self) -> None:
        """Cancel what is running and start nothing more: a killed process lives on for seconds."""
        self._is_killed = True
        self.cancel(self._running)

    def cancel(self, entries: Sequence[BatchEntry]) -> None:
        """Ask the vendor, once and briefly, to cancel the jobs of *entries*; a failure is only logged."""
        for job in [entry.job for entry in entries if entry.job and not entry.has_succeeded]:
            try:
                asking = cancel_job(self.hook.vendor, job, asked=self.cancel_on_kill)
                self.log.info("%s", self.hook.run(asking))
            except AssetsError as error:
                self.log.warning("Cancelling %s job %s failed: %s", job.vendor, job.job_id, error)


def check_one_wave(spec: VendorSpec, batches: int) -> None:
    """Refuse, before anything is submitted, a second wave for which the task would not wait.

    :raises InvalidRequestError: if the vendor takes fewer jobs at a time than there are *batches*.
    """
    if spec.parallel_jobs and batches > spec.parallel_jobs:
        raise InvalidRequestError(
            f"wait_for_completion=False: {spec.title} takes {spec.parallel_jobs} job at a time and "
            f"there are {batches} batches; leave it on, or narrow the export to {spec.max_batch} items"
        )
