"""One poller for all deferred waits of a connection in a triggerer.

A thousand waits share one HTTP session, one rate limit and one wait loop, and where the vendor has a
bulk status call, one request for a hundred jobs. The first wait starts the poller, the last one ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextvars import copy_context

from airflow_provider_assets.hooks.airflow_connection import read_connection
from airflow_provider_assets.hooks.client import AsyncClient
from airflow_provider_assets.sansio.errors import AssetsError
from airflow_provider_assets.sansio.fingerprints import fingerprint
from airflow_provider_assets.sansio.jobs import Answer, ArchiveJob, Data
from airflow_provider_assets.sansio.waiter import Waitlist, Watch
from airflow_provider_assets.vendors.connection import VendorConnection

log = logging.getLogger(__name__)
# By loop and by the connection's content: in a triggerer that serves several teams, one connection
# id may belong to several accounts. Every poller in here is in use.
_POLLERS: dict[tuple[asyncio.AbstractEventLoop, str], Poller] = {}
_READING: dict[tuple[asyncio.AbstractEventLoop, str], asyncio.Future[VendorConnection | None]] = {}


class Poller:
    """The wait loop of one connection; made and ended by :func:`shared`."""

    def __init__(self, connection: VendorConnection) -> None:
        self.client = AsyncClient(connection)
        self.users = 0
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._asleep_until = 0.0
        self._waitlist = Waitlist(
            self.client.metrics.counting(self.client.vendor.poll),
            policy=self.client.vendor.spec.poll,
            clock=time.time,
            jitter=random.random,
        )

    async def wait(
        self,
        jobs: Sequence[ArchiveJob],
        *,
        deadline: float,
        interval: float | None = None,
        on_change: Callable[[ArchiveJob], None] = lambda job: None,
        on_seen: Callable[[], None] = lambda: None,
    ) -> list[Answer]:
        """Wait for *jobs* to end or for *deadline* (epoch seconds); the ends, in their order.

        :param interval: seconds between polls; None leaves it to the vendor's own pace.
        :param on_change: called in the context of this call, where the log of its trigger is.
        :param on_seen: called whenever a poll has said how one of the jobs is; must not raise.
        """
        loop = asyncio.get_running_loop()
        context = copy_context()

        def report(job: ArchiveJob) -> None:
            try:
                context.run(on_change, job)
            except Exception:  # noqa: BLE001  # it belongs to one trigger, and the loop serves all of them
                context.run(log.exception, "%s job %s: on_change failed", job.vendor, job.job_id)

        ends: list[asyncio.Future[Answer]] = [loop.create_future() for _ in jobs]
        watches = [
            Watch(job, deadline, report, _resolve(end), poll_interval=interval, on_seen=on_seen)
            for job, end in zip(jobs, ends, strict=True)
        ]
        for watch in watches:
            self._waitlist.add(watch)
        self._wake(min((watch.next for watch in watches), default=deadline))
        try:
            return list(await asyncio.gather(*ends))
        finally:
            for watch in watches:
                self._waitlist.drop(watch)

    async def close(self) -> None:
        """End the loop and close the connections."""
        try:
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait([self._task])
        finally:
            await self.client.close()

    def _wake(self, due: float) -> None:
        """Ensure that the loop runs, and wakes up by *due*."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        elif due < self._asleep_until:  # else a thousand newcomers would wake it a thousand times
            self._news.set()

    async def _run(self) -> None:
        try:
            await self.client.run(self._waitlist.flow(), sleep=self._sleep)
        except Exception as error:
            # A bug of ours must end the waits, or a triggerer would hold them forever.
            for watch in list(self._waitlist.watches):
                self._waitlist.drop(watch)
                watch.finish(AssetsError(f"the poller failed: {type(error).__name__}"))
            raise

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but not past a newcomer that is due sooner."""
        self._news.clear()
        self._asleep_until = time.time() + seconds
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)
        self._asleep_until = 0.0


def _resolve(future: asyncio.Future[Answer]) -> Callable[[Answer], None]:
    def resolve(end: Answer) -> None:
        if not future.done():
            future.set_result(end)

    return resolve


@contextlib.asynccontextmanager
async def shared(connection: VendorConnection) -> AsyncIterator[Poller]:
    """The poller of *connection* on this loop; the last user ends it."""
    content: Data = {
        "type": connection.conn_type,
        "host": connection.host,
        "login": connection.login,
        "password": connection.password,
        "extra": dict(connection.extra),
    }
    key = (asyncio.get_running_loop(), fingerprint(content))
    poller = _POLLERS.get(key)
    if poller is None:
        poller = _POLLERS[key] = Poller(connection)
    poller.users += 1
    try:
        yield poller
    finally:
        poller.users -= 1
        if poller.users == 0:
            del _POLLERS[key]
            await poller.close()


async def connection_for(conn_id: str) -> VendorConnection:
    """Connection *conn_id*; callers that ask while it is being read share the result.

    In a triggerer that starts, a thousand waits ask at once, and Airflow answers one after the other.
    """
    key = (asyncio.get_running_loop(), conn_id)
    while (reading := _READING.get(key)) is not None:
        if (connection := await asyncio.shield(reading)) is not None:
            return connection
    reading = _READING[key] = key[0].create_future()
    found = None  # if it fails or is cancelled, the next one reads
    try:
        found = await read_connection(conn_id)
    finally:
        del _READING[key]
        reading.set_result(found)
    return found
