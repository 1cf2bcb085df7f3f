"""Jobs at a sandbox, and waits for them on a bare event loop."""

from __future__ import annotations

import asyncio
import gc
import time
from dataclasses import dataclass
from functools import cached_property

import aiohttp

from airflow_provider_assets.hooks.client import AsyncClient
from airflow_provider_assets.sandbox.client import Sandbox
from airflow_provider_assets.sansio.jobs import Answer, ArchiveJob, ArchiveRequest
from airflow_provider_assets.triggers import poller as module
from airflow_provider_assets.triggers.poller import shared
from airflow_provider_assets.vendors.connection import VendorConnection

PACE = 0.1


def connection(part, conn_id="c", *, password=None, **extra) -> VendorConnection:
    conn = part["connection"]
    return VendorConnection(
        conn_id,
        conn["conn_type"],
        login=conn.get("login", ""),
        password=password or conn["password"],
        extra={**conn["extra"], **extra},
    )


@dataclass
class Account:
    """One vendor of a sandbox."""

    sandbox: Sandbox
    vendor: str

    @cached_property
    def item(self) -> str:
        return str(self.sandbox.items(self.vendor)[0]["id"])

    @property
    def part(self):
        return getattr(self.sandbox, self.vendor)

    def connection(self, conn_id="c", **changes) -> VendorConnection:
        return connection(self.part, conn_id, **changes)

    async def submit(self, number: int) -> list[ArchiveJob]:
        """Start *number* jobs that last until the sandbox's clock is moved on."""
        self.sandbox.configure(job_seconds=600)
        one = self._archive if self.vendor == "scenario" else self._process
        client = AsyncClient(self.connection())
        try:
            return list(await asyncio.gather(*(one(client) for _ in range(number))))
        finally:
            await client.close()

    async def _archive(self, client: AsyncClient) -> ArchiveJob:
        options = client.vendor.validate(options={})
        request = ArchiveRequest("scenario", {"asset_ids": (self.item,)}, options)
        return await client.run(client.vendor.submit(request))

    async def _process(self, client: AsyncClient) -> ArchiveJob:
        headers = {"X-API-Key": self.part["connection"]["password"]}
        url = f"{self.part['base_url']}/enhance/async"
        session = client.transport._open()
        body = {"source_url": "https://x.test/kite.png"}
        async with session.post(url, data=body, headers=headers) as got:
            answer = await got.json()
        return ArchiveJob("topaz", answer["process_id"], submitted_at=time.time())

    def finish(self) -> None:
        """Let every job end well."""
        self.sandbox.advance(601)

    def totals(self):
        return self.sandbox.stats()["vendors"].get(self.vendor) or {}

    def rounds(self) -> int:
        """How many times the job most often shown in a list was shown."""
        return max(job["bulk_polls"] for job in self.sandbox.stats()["jobs"].values())


async def wait(conn: VendorConnection, jobs, *, seconds=60.0, pace: float | None = PACE, **options):
    """The ends of *jobs*, through the shared poller."""
    async with shared(conn) as poller:
        return await poller.wait(jobs, deadline=time.time() + seconds, interval=pace, **options)


async def until(true, *, looks=2000) -> None:
    """Let the loop run until *true* says so; it is asked in a thread, as it may ask the sandbox."""
    for _ in range(looks):
        if await asyncio.to_thread(true):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came about")


def states(ends: list[Answer]) -> list[str]:
    return [end.state.value if isinstance(end, ArchiveJob) else type(end).__name__ for end in ends]


def left() -> list[object]:
    """What a poller leaves behind on this loop: registry entries, tasks, sessions."""
    gc.collect()
    loop = asyncio.get_running_loop()
    entries = [key for key in module._POLLERS if key[0] is loop]
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    sessions = [
        one
        for one in gc.get_objects()
        # isinstance would load what other libraries offer lazily
        if type(one) is aiohttp.ClientSession and not one.closed and one._loop is loop
    ]
    return [*entries, *tasks, *sessions]
