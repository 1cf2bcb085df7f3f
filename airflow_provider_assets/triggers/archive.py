"""The deferred wait for archive jobs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextvars import copy_context
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, cast

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_assets.hooks.client import AsyncClient, cancel_job, of_no_use
from airflow_provider_assets.sansio.arguments import cut
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    AuthenticationError,
    ErrorDict,
    InvalidRequestError,
    StaleEventError,
    from_dict,
    to_dict,
)
from airflow_provider_assets.sansio.jobs import Answer, ArchiveJob, Data, describe
from airflow_provider_assets.sansio.stored import (
    Fits,
    check_fields,
    check_storable,
    is_count,
    is_number,
    is_text,
    or_none,
)
from airflow_provider_assets.triggers.events import AssetArchiveEventTrigger
from airflow_provider_assets.triggers.poller import connection_for, shared
from airflow_provider_assets.vendors.connection import VendorConnection

__all__ = ["BACKSTOP", "AssetArchiveEventTrigger", "AssetArchiveTrigger", "read_ends"]

# The deadline ends the wait in the trigger; Airflow's is only the backstop.
BACKSTOP = timedelta(minutes=5)
_ERROR: Mapping[str, Fits] = {
    **dict.fromkeys(("type", "message"), is_text),
    **dict.fromkeys(("vendor", "code"), or_none(is_text)),
    "status": or_none(is_count),
    "retry_after": or_none(is_number),
}
MAX_MESSAGE = 10_000  # characters that an event may tell
# As long as Airflow's own default for it, `[triggerer] on_kill_timeout`.
ON_KILL_SECONDS = 30.0
# A secrets backend may issue a new credential at each read, and the vendor refuse every one of them.
MAX_REPLACED = 3  # new credentials in a row with which no poll has succeeded


class AssetArchiveTrigger(BaseTrigger):
    """Wait until each of *jobs* has ended, or until *deadline*.

    The event is ``{"job_ids": [...], "ends": [...], "carry": ...}``: one end per job, in order, each
    ``{"job": {...}}`` or ``{"error": {...}}`` (see :func:`read_ends`). It holds no secret and no URL.

    :param conn_id: Airflow connection; it is read when the trigger runs, never stored.
    :param jobs: the jobs, by :meth:`ArchiveJob.to_dict`.
    :param deadline: epoch seconds. It is absolute, so a restart of the triggerer changes nothing.
    :param poll_interval: seconds between polls; None leaves it to the vendor's own pace.
    :param cancel_on_kill: as in the operator.
    :param carry: returned in the event as it is, for a task that has no other memory.
    """

    def __init__(
        self,
        conn_id: str,
        jobs: Sequence[Data],
        deadline: float,
        *,
        poll_interval: float | None = None,
        carry: Any = None,
        cancel_on_kill: bool | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's own
        self.conn_id = conn_id
        self.jobs = list(jobs)
        self.deadline = deadline
        self.poll_interval = poll_interval
        self.carry = carry
        self.cancel_on_kill = cancel_on_kill
        self._killing: asyncio.Future[None] | None = None
        self._is_ended_by_person = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and JSON-safe arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "conn_id": self.conn_id,
                "jobs": self.jobs,
                "deadline": self.deadline,
                "poll_interval": self.poll_interval,
                "carry": self.carry,
                "cancel_on_kill": self.cancel_on_kill,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event when all jobs have ended."""
        jobs = [ArchiveJob.from_dict(job) for job in self.jobs]
        try:
            ends = await self._wait(jobs)
        except AssetsError as error:
            ends = [error] * len(jobs)
        except asyncio.CancelledError as cancelled:
            self._is_ended_by_person = self._comes_from_a_person(cancelled)
            raise
        yield TriggerEvent(  # type: ignore[no-untyped-call]  # Airflow's own
            {
                "job_ids": [job.job_id for job in jobs],
                "ends": [_end_to_dict(end) for end in ends],
                "carry": self.carry,
            }
        )

    async def _wait(self, jobs: Sequence[ArchiveJob]) -> list[Answer]:
        """The ends of *jobs*.

        A connection that is refused is read again: its key may have been replaced during the wait, which
        then continues with the new one. That ends at the deadline, and after :data:`MAX_REPLACED` new keys in
        a row that were refused as well.
        """
        replaced = 0

        def accepted() -> None:
            nonlocal replaced
            replaced = 0

        ends: list[Answer] = list(jobs)
        waiting = list(range(len(ends)))
        connection = await connection_for(self.conn_id)
        while True:
            async with shared(connection) as poller:
                told = await poller.wait(
                    [jobs[i] for i in waiting],
                    deadline=self.deadline,
                    interval=self.poll_interval,
                    on_change=self._progress,
                    on_seen=accepted,
                )
            for i, end in zip(waiting, told, strict=True):
                ends[i] = end
            waiting = [i for i in waiting if isinstance(ends[i], AuthenticationError)]
            if not waiting or replaced == MAX_REPLACED or time.time() >= self.deadline:
                return ends
            changed = await self._changed(connection)
            if changed is None:
                return ends
            connection = changed
            replaced += 1

    async def _changed(self, used: VendorConnection) -> VendorConnection | None:
        """The connection if it was changed since *used* was read; None if not, or if it is of no use."""
        try:
            connection = await connection_for(self.conn_id)
            if connection == used:
                return None
            AsyncClient(connection)  # raises what a poller would
        except Exception as error:  # noqa: BLE001  # whatever it is, the ends that are known must be told
            self._tell("%s", of_no_use(self.conn_id, error))
            return None
        self._tell("Connection %s was refused, and has been changed since", self.conn_id)
        return connection

    async def on_kill(self) -> None:
        """The task was cleared, marked or ended by a person: ask the vendor to cancel its jobs.

        Never called on a restart of the triggerer, where the jobs must continue.

        :raises asyncio.TimeoutError: if that takes longer than :data:`ON_KILL_SECONDS`.
        """
        self._killing = asyncio.ensure_future(asyncio.wait_for(self._cancel(), ON_KILL_SECONDS))
        await self._killed()

    async def cleanup(self) -> None:
        """Wait for the end of :meth:`on_kill`, which the triggerer may have left already.

        The triggerer cancels again each second. Where its log is slow, that interrupts the line that it
        logs before calling :meth:`on_kill`, so the call never comes; this makes up for it.
        """
        if self._is_ended_by_person and self._killing is None:
            await self.on_kill()
        await self._killed()

    def _comes_from_a_person(self, cancelled: asyncio.CancelledError) -> bool:
        """Whether Airflow 3.3 calls :meth:`on_kill` after *cancelled*: no restart, and no timeout.

        The triggerer gives a reason where the task was cleared or marked, and none where it stops.
        """
        limit: datetime | None = getattr(self, "timeout_after", None)
        if limit is not None and limit.tzinfo is None:
            limit = limit.replace(tzinfo=timezone.utc)
        is_timeout = limit is not None and limit < datetime.now(timezone.utc)
        return bool(cancelled.args) and not is_timeout

    async def _killed(self) -> None:
        # The triggerer cancels again each second until everything has ended, which would cut it short.
        while self._killing and not self._killing.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([self._killing])
        if self._killing:
            self._killing.result()

    async def _cancel(self) -> None:
        async with shared(await connection_for(self.conn_id)) as poller:
            client = poller.client
            for job in map(ArchiveJob.from_dict, self.jobs):
                asking = cancel_job(client.vendor, job, asked=self.cancel_on_kill)
                try:
                    self.log.info("%s", await client.run(asking))
                except AssetsError as error:
                    self.log.warning(
                        "Cancelling %s job %s failed: %s", job.vendor, job.job_id, error
                    )

    def _progress(self, job: ArchiveJob) -> None:
        self._tell("%s", describe(job))

    def _tell(self, text: str, *about: object) -> None:
        # A triggerer's log is a pipe to a process that may be busy; once full, it blocks the writer.
        log = partial(copy_context().run, self.log.info, text, *about)
        asyncio.get_running_loop().run_in_executor(None, log)


def read_ends(event: object) -> list[Answer]:
    """The ends in an event, with their types, one for each of its ``job_ids``.

    :raises StaleEventError: if it is not an event of :class:`AssetArchiveTrigger`.
    """
    ends = event.get("ends") if isinstance(event, dict) else None
    job_ids = event.get("job_ids") if isinstance(event, dict) else None
    if not isinstance(ends, list) or not isinstance(job_ids, list) or len(ends) != len(job_ids):
        raise StaleEventError(
            f"the task was resumed with {type(event).__name__} instead of an event of "
            "AssetArchiveTrigger; clear the task to export again"
        )
    return [_end_from_dict(cast("dict[str, Data]", end)) for end in ends]


def _end_to_dict(end: Answer) -> dict[str, Any]:
    return {"error": to_dict(end)} if isinstance(end, AssetsError) else {"job": end.to_dict()}


def _end_from_dict(data: dict[str, Data]) -> Answer:
    try:
        check_storable(data, "an end")
        if "error" in data:
            check_fields(data["error"], _ERROR, "an error")
            known = {
                **data["error"],
                "message": cut(str(data["error"]["message"]), MAX_MESSAGE),
            }
            return from_dict(cast("ErrorDict", known))
        return ArchiveJob.from_dict(data["job"])
    except (KeyError, TypeError, InvalidRequestError) as error:
        raise StaleEventError(
            f"the trigger's event does not say how its jobs ended: {cut(repr(error))}"
        ) from error
