"""Both transports behind one face."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_assets.network.rate_limit import RateLimit
from airflow_provider_assets.network.transport import AsyncTransport, Transport
from airflow_provider_assets.sandbox import Sandbox
from airflow_provider_assets.sansio.flow import Flow
from airflow_provider_assets.sansio.jobs import ArchiveRequest
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.vendors.scenario import Scenario


@dataclass
class Client:
    """One of the two transports behind one face."""

    vendor: Scenario
    is_async: bool
    rate: RateLimit | None = None

    def run(self, flow: Flow):
        return self._with(lambda transport: transport.run(flow))

    def perform(self, *requests: HttpRequest) -> list[HttpResponse]:
        def flow() -> Flow[list[HttpResponse]]:
            replies: list[HttpResponse] = []
            for request in requests:
                reply = yield from self.vendor.send(request)
                replies.append(reply)
            return replies

        return self.run(flow())

    def get(self, path: str = "/assets", **kwargs) -> HttpResponse:
        return self.perform(HttpRequest("GET", self.vendor.base_url + path, **kwargs))[0]

    def submit(self):
        options = {"file_name_template": "<id>", "flat": True}
        request = ArchiveRequest("scenario", {"asset_ids": ("asset_1",)}, options)
        return self.run(self.vendor.submit(request))

    def _with(self, use: Callable):
        if not self.is_async:
            transport = Transport(self.vendor.error_for, rate=self.rate)
            try:
                return use(transport)
            finally:
                transport.close()

        async def arun():
            transport = AsyncTransport(self.vendor.error_for, rate=self.rate)
            try:
                return await use(transport)
            finally:
                await transport.close()
                if self.vendor.base_url.startswith("https:"):
                    # aiohttp closes TLS in later passes of the loop. Tests replace the sleep functions.
                    loop = asyncio.get_running_loop()
                    await loop.run_in_executor(None, threading.Event().wait, 0.1)

        return asyncio.run(arun())


def requests_to(sandbox: Sandbox, route: str) -> int:
    return sandbox.stats()["routes"].get(f"scenario.{route}", {"requests": 0})["requests"]


def waits(naps: list[float]) -> list[float]:
    return [seconds for seconds in naps if seconds]
