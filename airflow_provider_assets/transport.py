"""Performs one HTTP request, with the retry budget and the rate limit of a connection.

The budget, written down once: an idempotent request is attempted 4 times within 30 s. The time that the
vendor asks for (``Retry-After``) is waited exactly, or the error is raised if it exceeds the budget. A
submit is sent again only after a refusal that proves it was not accepted (429), never when in doubt.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

import tenacity

from airflow_provider_assets import __version__
from airflow_provider_assets.sansio import flow as flows
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    RateLimitedError,
    TransientError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.flow import Flow
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse

if TYPE_CHECKING:
    import aiohttp
    import requests

T = TypeVar("T")
Classify = Callable[[HttpRequest, HttpResponse], AssetsError]

TRIES = 4
BUDGET_SECONDS = 30.0
CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
# More than a vendor's own concurrency limit would allow, fewer than would slow an event loop down.
MAX_CONNECTIONS = 32
USER_AGENT = f"airflow-provider-assets/{__version__}"


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, AssetsError) and error.retry_after is not None:
        return error.retry_after
    return _BACKOFF(state)


_BACKOFF = tenacity.wait_random_exponential(multiplier=0.5, max=8)
_STOP = tenacity.stop_any(
    tenacity.stop_after_attempt(TRIES), tenacity.stop_before_delay(BUDGET_SECONDS)
)


def _retry(request: HttpRequest) -> tenacity.retry_base:
    return tenacity.retry_if_exception_type(
        TransientError if request.idempotent else RateLimitedError
    )


@dataclass(slots=True)
class RateLimit:
    """Spaces requests evenly.

    :param per_second: requests per second; None for no limit.
    """

    per_second: float | None = None
    _next: float = 0.0
    # Reentrant: a signal that kills a task may come while it holds it, and cancels through it.
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def reserve(self, now: float) -> float:
        """Reserve the next turn; returns the seconds to wait for it."""
        if not self.per_second:
            return 0.0
        with self._lock:
            turn = max(self._next, now)
            self._next = turn + 1.0 / self.per_second
        return turn - now


def _checked(classify: Classify, request: HttpRequest, response: HttpResponse) -> HttpResponse:
    if response.status < 300 or response.status in request.accept:
        return response
    raise classify(request, response)


def _unreachable(request: HttpRequest, error: Exception) -> VendorUnavailableError:
    # The library's own text may quote the URL with its query; its type says enough.
    return VendorUnavailableError(
        f"{request} got no answer ({type(error).__name__}); "
        "check the connection's base_url, the network and any proxy"
    )


class Transport:
    """Performs requests in worker threads, over one ``requests`` session."""

    def __init__(self, classify: Classify, *, rate: RateLimit | None = None) -> None:
        self._classify = classify
        self._rate = rate or RateLimit()
        self._session = _session()

    def run(self, flow: Flow[T]) -> T:
        """Drive *flow* to its end; see :func:`sansio.flow.run` for what is raised."""
        return flows.run(flow, perform=self.perform, sleep=time.sleep)

    def perform(self, request: HttpRequest) -> HttpResponse:
        """Perform *request* within the retry budget.

        :raises AssetsError: as *classify* says for an unaccepted status;
            :class:`VendorUnavailableError` where there was no answer.
        """
        retrying = tenacity.Retrying(stop=_STOP, wait=_wait, retry=_retry(request), reraise=True)
        return retrying(self._once, request)

    def _once(self, request: HttpRequest) -> HttpResponse:
        import requests  # parsing a DAG must not pay for it

        time.sleep(self._rate.reserve(time.monotonic()))
        try:
            got = self._session.request(
                request.method,
                request.full_url,
                data=request.body,
                headers=dict(request.headers),
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,  # credentials go to the API's host only
            )
        except requests.RequestException as error:
            raise _unreachable(request, error) from None
        headers = {name.lower(): value for name, value in got.headers.items()}
        response = HttpResponse(got.status_code, headers, got.content)
        return _checked(self._classify, request, response)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _session() -> requests.Session:
    import requests  # parsing a DAG must not pay for it

    session = requests.Session()
    session.headers["User-Agent"] = USER_AGENT
    # Without an auth of its own, requests lets ~/.netrc replace our Authorization header.
    session.auth = lambda prepared: prepared
    return session


def _proxy(origin: str) -> str | None:
    """The environment's proxy. aiohttp's own look-up insists on ~/.netrc and costs two threads a request."""
    from requests.utils import (  # parsing a DAG must not pay for it
        get_environ_proxies,
        select_proxy,
    )

    return select_proxy(origin, get_environ_proxies(origin))


class AsyncTransport:
    """Performs requests on the running event loop, over one ``aiohttp`` session."""

    def __init__(self, classify: Classify, *, rate: RateLimit | None = None) -> None:
        self._classify = classify
        self._rate = rate or RateLimit()
        self._session: aiohttp.ClientSession | None = None
        self._proxy = lru_cache(maxsize=8)(_proxy)

    async def run(self, flow: Flow[T]) -> T:
        """Drive *flow* to its end; see :func:`sansio.flow.arun` for what is raised."""
        return await flows.arun(flow, perform=self.perform, sleep=asyncio.sleep)

    async def perform(self, request: HttpRequest) -> HttpResponse:
        """The asynchronous twin of :meth:`Transport.perform`."""
        retrying = tenacity.AsyncRetrying(
            stop=_STOP, wait=_wait, retry=_retry(request), reraise=True
        )
        return await retrying(self._once, request)

    async def _once(self, request: HttpRequest) -> HttpResponse:
        import aiohttp  # parsing a DAG must not pay for it
        from yarl import URL

        url = URL(request.full_url, encoded=True)
        await asyncio.sleep(self._rate.reserve(time.monotonic()))
        try:
            async with self._open().request(
                request.method,
                url,
                data=request.body,
                headers=dict(request.headers),
                allow_redirects=False,  # credentials go to the API's host only
                proxy=self._proxy(str(url.origin())),
            ) as got:
                body = await got.read()
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            raise _unreachable(request, error) from None
        headers = {name.lower(): value for name, value in got.headers.items()}
        return _checked(self._classify, request, HttpResponse(got.status, headers, body))

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp  # parsing a DAG must not pay for it

        if self._session is None:  # a session belongs to the loop it is made on
            self._session = aiohttp.ClientSession(
                headers={"User-Agent": USER_AGENT},
                connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS
                ),
            )
            if hasattr(self._session, "_retry_connection"):
                # aiohttp sends again by itself, by method: it knows neither our budget nor our promise.
                self._session._retry_connection = False  # noqa: SLF001  # no public switch
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
