"""One poller for all deferred waits of a connection in a triggerer.

A thousand waits share one HTTP session, one rate limit and one wait loop, and where the vendor has a
bulk status call, one request a hundred jobs. The first wait starts the poller, the last one ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from weakref import WeakKeyDictionary

from airflow_provider_assets.hooks.base import AsyncClient, poll_policy
from airflow_provider_assets.sansio import flow as flows
from airflow_provider_assets.sansio.errors import AssetsError
from airflow_provider_assets.sansio.jobs import ArchiveJob, Data, fingerprint
from airflow_provider_assets.sansio.waiter import Waitlist, Watch
from airflow_provider_assets.vendors.connection import Connection

End = ArchiveJob | AssetsError
# Keyed by loop, so that nothing outlives it, then by the connection's content: in a triggerer that
# serves several teams, one connection id may stand for several accounts.
_POLLERS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Poller]] = WeakKeyDictionary()


class Poller:
    """The wait loop of one connection; made and ended by :func:`shared`."""

    def __init__(self, connection: Connection, interval: float | None) -> None:
        self.client = AsyncClient(connection)
        self.users = 0
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._waitlist = Waitlist(
            self.client.vendor.poll,
            policy=poll_policy(self.client.vendor, interval),
            clock=time.time,
            spread=random.random,
        )

    async def wait(
        self,
        jobs: Sequence[ArchiveJob],
        deadline: float,
        on_change: Callable[[ArchiveJob], None] = lambda job: None,
    ) -> list[End]:
        """Wait for *jobs* to end or for *deadline* (epoch seconds); the ends, in their order."""
        loop = asyncio.get_running_loop()
        ends: list[asyncio.Future[End]] = [loop.create_future() for _ in jobs]
        watches = [
            Watch(job, deadline, on_change, _resolve(end))
            for job, end in zip(jobs, ends, strict=True)
        ]
        for watch in watches:
            self._waitlist.add(watch)
        self._wake()
        try:
            return list(await asyncio.gather(*ends))
        finally:
            for watch in watches:
                self._waitlist.drop(watch)
            self._wake()

    async def close(self) -> None:
        """End the loop and close the connections."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.client.close()

    def _wake(self) -> None:
        self._news.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            await flows.arun(
                self._waitlist.flow(), perform=self.client.transport.perform, sleep=self._sleep
            )
        except AssetsError as error:  # a permanent one: it is every wait's
            self._end_all(error)
        except Exception as error:
            # A fault of ours must end the waits; a triggerer would hold them for ever.
            self._end_all(AssetsError(f"the poller broke: {type(error).__name__}"))
            raise

    def _end_all(self, error: AssetsError) -> None:
        for watch in list(self._waitlist.watches):
            self._waitlist.drop(watch)
            watch.finish(error)

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but not past a change of the list: a newcomer may be due sooner."""
        self._news.clear()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)


def _resolve(future: asyncio.Future[End]) -> Callable[[End], None]:
    def resolve(end: End) -> None:
        if not future.done():
            future.set_result(end)

    return resolve


@contextlib.asynccontextmanager
async def shared(connection: Connection, interval: float | None) -> AsyncIterator[Poller]:
    """The poller of *connection* on this loop; it lives while somebody uses it."""
    pollers = _POLLERS.setdefault(asyncio.get_running_loop(), {})
    content: Data = {
        "type": connection.conn_type,
        "host": connection.host,
        "login": connection.login,
        "password": connection.password,
        "extra": dict(connection.extra),
        "interval": interval,
    }
    key = fingerprint(content)
    poller = pollers.get(key)
    if poller is None:
        poller = pollers[key] = Poller(connection, interval)
    poller.users += 1
    try:
        yield poller
    finally:
        poller.users -= 1
        if poller.users == 0:
            del pollers[key]
            await poller.close()
