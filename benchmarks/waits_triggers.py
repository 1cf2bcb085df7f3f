"""What the triggerer runs for ``waits.py``: our trigger, the usual ways to write one, and a probe."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from array import array
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import requests
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_provider_assets.hooks.airflow_connection import read_connection
from airflow_provider_assets.triggers.archive import AssetArchiveTrigger
from airflow_provider_assets.triggers.poller import _POLLERS, connection_for
from airflow_provider_assets.vendors.connection import VendorConnection

CONN_ID = "waits"
# Between two looks at the loop; the lag is what a sleep takes longer.
BEAT_SECONDS = 0.01
ENDED = {"success", "failure", "canceled", "Completed", "Failed", "Cancelled"}

# Of this process: job -> when its end was noticed, epoch seconds.
STARTED: set[str] = set()
NOTICED: dict[str, float] = {}


class Ours(AssetArchiveTrigger):
    """The provider's trigger, and when its event came."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        ids = [str(job["job_id"]) for job in self.jobs]
        async for event in super().run():
            NOTICED.update(dict.fromkeys(ids, time.time()))
            yield event


class Usual(BaseTrigger):
    """One loop a job, as most triggers are written; the ways differ in how they send a request."""

    def __init__(self, job_id: str, interval: float) -> None:
        super().__init__()
        self.job_id = job_id
        self.interval = interval

    def serialize(self) -> tuple[str, dict[str, object]]:
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {"job_id": self.job_id, "interval": self.interval}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        # Ours too: Airflow answers one look-up at a time, and the start is not what these differ in.
        url, headers = request_for(await connection_for(CONN_ID), self.job_id)
        STARTED.add(self.job_id)
        await asyncio.sleep(random.random() * self.interval)
        while status_in(await self.get(url, headers)) not in ENDED:
            await asyncio.sleep(self.interval)
        NOTICED[self.job_id] = time.time()
        yield TriggerEvent({"job_id": self.job_id})

    async def get(self, url: str, headers: Mapping[str, str]) -> Mapping[str, object]:
        raise NotImplementedError


class SessionEachPoll(Usual):
    """What ``async with aiohttp.ClientSession()`` around each request comes to."""

    async def get(self, url: str, headers: Mapping[str, str]) -> Mapping[str, object]:
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as got:
            return await got.json()


class SharedSession(Usual):
    """One session for all, but still a loop and a request a job."""

    session: aiohttp.ClientSession | None = None

    async def get(self, url: str, headers: Mapping[str, str]) -> Mapping[str, object]:
        if SharedSession.session is None:
            connector = aiohttp.TCPConnector(limit=0)
            SharedSession.session = aiohttp.ClientSession(connector=connector)
        async with SharedSession.session.get(url, headers=headers) as got:
            return await got.json()


class SyncToAsync(Usual):
    """A synchronous hook behind ``sync_to_async``."""

    async def get(self, url: str, headers: Mapping[str, str]) -> Mapping[str, object]:
        got = await sync_to_async(requests.get)(url, headers=headers, timeout=60)
        return got.json()


class Nothing(Usual):
    """Asks nobody: what so many triggers cost Airflow itself, each looking up its connection."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await read_connection(CONN_ID)
        STARTED.add(self.job_id)
        await asyncio.Event().wait()
        yield TriggerEvent({})


def request_for(connection: VendorConnection, job_id: str) -> tuple[str, dict[str, str]]:
    """URL and headers that ask for one job."""
    base = connection.text("base_url")
    if connection.conn_type == "topaz":
        return f"{base}/status/{job_id}", {"X-API-Key": connection.password}
    pair = f"{connection.login}:{connection.password}".encode()
    return f"{base}/jobs/{job_id}", {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def status_in(body: Mapping[str, object]) -> object:
    job = body.get("job")
    return job.get("status") if isinstance(job, dict) else body.get("status")


class Probe(BaseTrigger):
    """Looks at the process it runs in until a file named ``stop`` appears in *folder*.

    ``now.json`` tells how things stand, twice a second; ``report.json`` is written at the end.
    """

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder

    def serialize(self) -> tuple[str, dict[str, object]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", {"folder": self.folder}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        folder, times, lags, usage = Path(self.folder), array("d"), array("d"), []
        last = 0.0
        while not (folder / "stop").exists():
            before = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)
            times.append(time.time())
            lags.append(time.monotonic() - before - BEAT_SECONDS)
            if times[-1] - last >= 0.5:
                last = times[-1]
                usage.append((last, time.process_time(), rss()))
                now = {"started": started(), "noticed": len(NOTICED)}
                (folder / "now.tmp").write_text(json.dumps(now))
                (folder / "now.tmp").rename(folder / "now.json")
        lag = list(zip(times, lags, strict=True))
        report = {"lag": lag, "usage": usage, "noticed": NOTICED}
        (folder / "report.tmp").write_text(json.dumps(report))
        (folder / "report.tmp").rename(folder / "report.json")
        yield TriggerEvent({})


def started() -> int:
    """How many waits have begun: those of ours are in the poller's list."""
    ours = (len(poller._waitlist.watches) for poller in _POLLERS.values())
    return len(STARTED) + sum(ours)


def rss() -> float:
    """MiB of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
