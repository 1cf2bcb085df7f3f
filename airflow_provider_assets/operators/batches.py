"""How one batch gets a job: recorded, found at the vendor, or submitted; never twice."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.hooks.client import cancel_job
from airflow_provider_assets.operators.ledger import Entry, Ledger, Plan
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    InvalidRequestError,
    ProtocolError,
)
from airflow_provider_assets.sansio.jobs import (
    ArchiveJob,
    ArchiveReference,
    Data,
    JobState,
    describe,
)
from airflow_provider_assets.vendors.base import VendorSpec

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import Logger

# A job without any deadline would poll for ever; a day is longer than any vendor keeps a job alive.
DEFAULT_TIMEOUT = timedelta(hours=24)


@dataclass(slots=True)
class Batches:
    """Starts batches and records each step before and after it is taken."""

    hook: AssetArchiveHook
    ledger: Ledger
    log: Logger

    def start(self, entry: Entry) -> Entry:
        """*entry* with a job that is worth waiting for."""
        job = self._known(entry)
        if job is None:
            job = self._submit(entry)
        started = replace(entry, job=job)
        self.ledger.try_to_record(started, self.log)
        return started

    def _known(self, entry: Entry) -> ArchiveJob | None:
        """The job of an earlier attempt, unless the vendor has given it up."""
        if entry.job is not None:
            job = self.hook.look([entry.job])[0]
            if job.state in {JobState.RUNNING, JobState.SUCCEEDED}:
                self.log.info("Re-attached to %s", describe(job))
                return job
            self.log.info("%s; the batch is submitted again", describe(job))
        elif entry.since is not None:
            found = self.hook.run(self.hook.vendor.find(entry.request, entry.since))
            if found is not None:
                self.log.info(
                    "Found %s, which an earlier attempt could not record", describe(found)
                )
            return found
        return None

    def _submit(self, entry: Entry) -> ArchiveJob:
        request = entry.request
        self.ledger.record(Entry(request, since=time.time()))
        job = self.hook.submit(request)
        self.log.info(
            "Submitted batch %d of %d with %d items as %s job %s",
            request.index + 1,
            request.of,
            request.count,
            job.vendor,
            job.job_id,
        )
        return job


def entries_for(plan: Plan, job_ids: Sequence[str]) -> list[Entry]:
    """The entries of *job_ids*, in that order.

    :raises ProtocolError: if one is missing: the event belongs to another attempt.
    """
    by_id = {entry.job.job_id: entry for entry in plan.entries if entry.job}
    missing = [job_id for job_id in job_ids if job_id not in by_id]
    if missing:
        raise ProtocolError(
            f"the trigger's event refers to jobs that are not in this task's record: {missing}; "
            "clear the task to export again"
        )
    return [by_id[job_id] for job_id in job_ids]


def deadline_of(
    task: BaseOperator, timeout: float | None, context: Context, jobs: Sequence[ArchiveJob]
) -> float:
    """Epoch seconds: the earlier of *timeout* from the submit and execution_timeout from the start."""
    submitted = min(job.submitted_at or time.time() for job in jobs)
    deadline = submitted + (timeout or DEFAULT_TIMEOUT.total_seconds())
    started = context["ti"].start_date
    if task.execution_timeout is not None and started is not None:
        deadline = min(deadline, (started + task.execution_timeout).timestamp())
    return deadline


def cancel(
    hook: AssetArchiveHook, entries: Sequence[Entry], asked: bool | None, log: Logger
) -> None:
    """Ask the vendor, once and briefly, to cancel the jobs of *entries*; a failure is only logged.

    :param asked: ``cancel_on_kill`` of the operator.
    """
    for job in [entry.job for entry in entries if entry.job]:
        try:
            log.info("%s", hook.run(cancel_job(hook.vendor, job, asked=asked)))
        except AssetsError as error:
            log.warning("Cancelling %s job %s failed: %s", job.vendor, job.job_id, error)


def check_one_wave(spec: VendorSpec, batches: int) -> None:
    """Before anything is submitted that nobody would wait for.

    :raises InvalidRequestError: if the vendor takes fewer jobs at a time than there are *batches*.
    """
    if spec.parallel_jobs and batches > spec.parallel_jobs:
        raise InvalidRequestError(
            f"wait_for_completion=False: {spec.title} takes {spec.parallel_jobs} job at a time and "
            f"there are {batches} batches; leave it on, or narrow the export to {spec.max_batch} items"
        )


def reference(conn_id: str, entry: Entry) -> Data:
    """What the operator returns for a batch.

    :raises InvalidRequestError: if the batch has no job.
    """
    if entry.job is None:
        raise InvalidRequestError(f"batch {entry.request.index} has no job")
    return ArchiveReference(conn_id, entry.request, entry.job).to_dict()
