"""The pieces that make a vendor usable: from a connection to a vendor, its limits and its pace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from math import inf
from typing import TypeVar
from urllib.parse import urlsplit

from airflow_provider_assets.airflow_compat import amask_secret, mask_secret
from airflow_provider_assets.network.rate_limit import RateLimit
from airflow_provider_assets.network.transport import AsyncTransport
from airflow_provider_assets.sansio.downloads import Link
from airflow_provider_assets.sansio.errors import AssetsError, InvalidRequestError
from airflow_provider_assets.sansio.flow import Flow, arun
from airflow_provider_assets.sansio.jobs import ArchiveJob
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.sansio.waiter import PollPolicy
from airflow_provider_assets.vendors import vendor_class
from airflow_provider_assets.vendors.base import Vendor
from airflow_provider_assets.vendors.connection import VendorConnection

T = TypeVar("T")


class AsyncClient:
    """A vendor on the running event loop, from a connection that has been read already."""

    def __init__(self, connection: VendorConnection) -> None:
        from airflow_provider_assets.metrics import Metrics  # parsing a DAG must not pay for it

        self.vendor = vendor_for(connection)
        self.metrics = Metrics(self.vendor, send=_off_the_loop)
        self._secrets: list[str] = []
        self.vendor.on_secret = self._secrets.append
        rate = rate_limit(connection, self.metrics.rate_limited)
        self.transport = AsyncTransport(self.vendor.error_for, rate=rate)

    async def run(
        self, flow: Flow[T], *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> T:
        """Perform *flow* without blocking the loop.

        A secret that it obtains is masked before its next request, since a wait may last for days.
        """
        try:
            return await arun(flow, perform=self._perform, sleep=sleep)
        finally:
            await self._mask()

    async def _perform(self, request: HttpRequest) -> HttpResponse:
        await self._mask()
        return await self.transport.perform(request)

    async def _mask(self) -> None:
        while self._secrets:
            await amask_secret(self._secrets.pop())

    async def close(self) -> None:
        """Close the connections."""
        await self.transport.close()


def _off_the_loop(call: Callable[[], object]) -> None:
    asyncio.get_running_loop().run_in_executor(None, call)


def mask_link(link: Link) -> Link:
    """*link*, with its signature and credentials masked in whatever this process logs from now on."""
    for url in filter(None, (link.url, link.head_url)):
        if query := urlsplit(url).query:
            mask_secret(query)
    for name, value in link.headers:
        if link.secret_headers is None or name.lower() in link.secret_headers:
            mask_secret(value)
    return link


def of_no_use(conn_id: str, error: Exception) -> str:
    """One line for the log on a refused connection that *error* keeps from being read again.

    Only our own errors are repeated: the text of any other may hold a secret.
    """
    why = error if isinstance(error, AssetsError) else type(error).__name__
    return f"Connection {conn_id} was refused, and is of no use now: {why}"


def cancel_job(vendor: Vendor, job: ArchiveJob, *, asked: bool | None) -> Flow[str]:
    """Ask *vendor* to cancel *job*; returns one line for the log.

    :param asked: ``cancel_on_kill`` of the operator; None cancels what its task submitted.
    """
    spec = vendor.spec
    here = f"{spec.title} job {job.job_id}"
    if not (spec.submits if asked is None else asked):
        return f"{here} was left running; set cancel_on_kill=True to cancel it"
    if not spec.cancellable:
        return f"{here} was left running: {spec.title} cannot cancel archive jobs"
    agreed = yield from vendor.cancel(job)
    return f"{here} is cancelled" if agreed else f"{here} could no longer be cancelled"


def vendor_for(connection: VendorConnection) -> Vendor:
    """The vendor of a connection.

    :raises InvalidRequestError: if the connection's type belongs to none, or lacks something.
    """
    download_limit(connection)  # before anything is submitted, not when it lands
    return vendor_class(connection.conn_type)(connection, clock=time.time)


def download_limit(connection: VendorConnection) -> int | None:
    """The connection's own limit, extra ``max_concurrent_downloads``; None if it is not set.

    :raises InvalidRequestError: if it is not a whole number of at least 1.
    """
    limit = positive_number(connection, "max_concurrent_downloads")
    if limit is not None and limit != int(limit):
        raise InvalidRequestError(
            f"connection {connection.conn_id!r}: max_concurrent_downloads must be a whole number of at "
            f"least 1, not {limit}"
        )
    return None if limit is None else int(limit)


def rate_limit(
    connection: VendorConnection,
    on_wait: Callable[[float, str], object] = lambda seconds, limit: None,
) -> RateLimit:
    """The connection's own limit, extra ``requests_per_second``; *on_wait* is called before each wait."""
    return RateLimit(positive_number(connection, "requests_per_second"), on_wait)


def positive_number(connection: VendorConnection, name: str) -> float | None:
    """Extra *name* as a number; None if it is not set.

    :raises InvalidRequestError: if it is not a positive number.
    """
    text = connection.text(name)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < inf:  # NaN is neither
        raise InvalidRequestError(
            f"connection {connection.conn_id!r}: {name} must be a positive number, not {text!r}"
        )
    return value


def poll_policy(vendor: Vendor, interval: float | None) -> PollPolicy:
    """The vendor's own pace of polling, or a fixed *interval* in seconds."""
    policy = vendor.spec.poll
    if interval is None:
        return policy
    return PollPolicy(initial=interval, maximum=interval, bulk=policy.bulk)
