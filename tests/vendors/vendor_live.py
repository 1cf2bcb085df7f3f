"""A vendor on the sandbox, over both real transports."""

from __future__ import annotations

import asyncio
import random
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from airflow_provider_assets.network.transport import AsyncTransport, Transport
from airflow_provider_assets.sansio.batching import split_into_batches
from airflow_provider_assets.sansio.flow import Flow
from airflow_provider_assets.sansio.jobs import ArchiveJob, ArchiveReference
from airflow_provider_assets.sansio.waiter import PollPolicy, Waitlist, wait_for
from airflow_provider_assets.vendors import vendor_class
from airflow_provider_assets.vendors.base import Vendor
from airflow_provider_assets.vendors.connection import VendorConnection

QUICK = PollPolicy(initial=0.05, maximum=0.2, bulk=100)


@dataclass
class Live:
    """A vendor on a sandbox, driven by one of the transports."""

    vendor: Vendor
    asynchronous: bool

    def run(self, flow: Flow):
        if not self.asynchronous:
            transport = Transport(self.vendor.error_for)
            try:
                return transport.run(flow)
            finally:
                transport.close()

        async def main():
            transport = AsyncTransport(self.vendor.error_for)
            try:
                return await transport.run(flow)
            finally:
                await transport.close()

        return asyncio.run(main())

    def export(self, items, *, batch=100, **options) -> list[ArchiveReference]:
        """Submit *items* and wait for their ends."""
        planned = split_into_batches(
            self.vendor.spec.name,
            items,
            max_batch=batch,
            options=self.vendor.validate(options=options),
        )
        jobs = [self.run(self.vendor.submit(request)) for request in planned]
        return [
            ArchiveReference("c", request, job)
            for request, job in zip(planned, self.wait(jobs), strict=True)
        ]

    def wait(self, jobs) -> list[ArchiveJob]:
        waitlist = Waitlist(self.vendor.poll, QUICK, time.time, random.random)
        return self.run(wait_for(jobs, waitlist=waitlist, deadline=time.time() + 30))


def live(part, asynchronous, *, key="connection", **extra) -> Live:
    conn = part[key]
    connection = VendorConnection(
        "c",
        conn["conn_type"],
        login=conn.get("login", ""),
        password=conn["password"],
        extra={**conn["extra"], **extra},
    )
    return Live(vendor_class(conn["conn_type"])(connection, clock=time.time), asynchronous)


def fetch(link, method="GET", url=None):
    request = urllib.request.Request(url or link.url, headers=dict(link.headers), method=method)
    with urllib.request.urlopen(request, timeout=10) as got:
        return got.read(), got.headers
