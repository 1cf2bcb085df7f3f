"""The waits of a task: on its worker or, where it is deferrable, in the triggerer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from airflow_provider_assets.sansio.arguments import to_seconds
from airflow_provider_assets.sansio.jobs import Answer, ArchiveJob, describe
from airflow_provider_assets.triggers.archive import BACKSTOP, AssetArchiveTrigger

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from airflow_provider_assets.batches.run import BatchRun

# A job without any deadline would poll forever; a day is longer than any vendor keeps a job alive.
DEFAULT_TIMEOUT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The way in which *task* waits.

    :param task: defers itself, which leaves its ``execute``.
    :param is_deferrable: whether it does.
    :param timeout: as in the operator. :param poll_interval: as in the operator.
    """

    task: BaseOperator
    is_deferrable: bool
    timeout: float | timedelta | None
    poll_interval: float | timedelta | None

    def pause(self, wait: float, resume: str) -> None:
        """Wait *wait* seconds.

        :param resume: name of the task's method that is called after a deferral.
        """
        if not self.is_deferrable:
            time.sleep(wait)
            return
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        moment = datetime.now(timezone.utc) + timedelta(seconds=wait)
        self.task.defer(trigger=DateTimeTrigger(moment=moment), method_name=resume)

    def for_jobs(
        self, run: BatchRun, jobs: Sequence[ArchiveJob], context: Context, resume: str
    ) -> Sequence[Answer]:
        """The ends of *jobs* of *run*; leaves by a deferral where one has not ended yet.

        :param resume: name of the task's method that is called with the trigger's event.
        """
        if all(job.state.is_terminal for job in jobs):
            return jobs
        interval = to_seconds(self.poll_interval, "poll_interval")
        deadline = self._deadline(jobs, context)
        if not self.is_deferrable:
            return run.hook.wait(
                jobs,
                deadline=deadline,
                poll_interval=interval,
                on_change=lambda job: self.task.log.info("%s", describe(job)),
            )
        jobs = run.hook.poll_or_last_known(jobs)
        if all(job.state.is_terminal for job in jobs):
            return jobs
        self.task.defer(
            trigger=AssetArchiveTrigger(
                conn_id=run.recorded.conn_id,
                jobs=[job.to_dict() for job in jobs],
                deadline=deadline,
                poll_interval=interval,
                carry=None if run.ledger.is_complete else run.recorded.to_dict(),
                cancel_on_kill=run.cancel_on_kill,
            ),
            method_name=resume,
            timeout=timedelta(seconds=max(deadline - time.time(), 0.0)) + BACKSTOP,
        )

    def _deadline(self, jobs: Sequence[ArchiveJob], context: Context) -> float:
        """Epoch seconds: *timeout* after the submission, or earlier: execution_timeout after the start."""
        timeout = to_seconds(self.timeout, "timeout") or DEFAULT_TIMEOUT.total_seconds()
        deadline = min(job.submitted_at or time.time() for job in jobs) + timeout
        started, limit = context["ti"].start_date, self.task.execution_timeout
        if limit is not None and started is not None:
            deadline = min(deadline, (started + limit).timestamp())
        return deadline
