"""Performs one HTTP request, with the retry budget and the rate limit of a connection."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import tenacity

from airflow_provider_assets import __version__
from airflow_provider_assets.network.pace import paced
from airflow_provider_assets.network.proxies import proxy_for
from airflow_provider_assets.network.rate_limit import RateLimit
from airflow_provider_assets.network.retries import within_budget
from airflow_provider_assets.network.trust import ssl_context
from airflow_provider_assets.network.unanswered import unanswered
from airflow_provider_assets.sansio import flow as flows
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    InvalidRequestError,
    ProtocolError,
    RateLimitedError,
)
from airflow_provider_assets.sansio.flow import Flow
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.sansio.strict_json import MAX_BYTES

if TYPE_CHECKING:
    import aiohttp
    import requests

T = TypeVar("T")
Classify = Callable[[HttpRequest, HttpResponse], AssetsError]

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0  # between two bytes
TOTAL_SECONDS = 120.0  # of one answer
_PIECE = 1 << 16
# More than a vendor's own concurrency limit would allow, fewer than would slow an event loop down.
MAX_CONNECTIONS = 32
USER_AGENT = f"airflow-provider-assets/{__version__}"


def _checked(
    classify: Classify, rate: RateLimit, request: HttpRequest, response: HttpResponse
) -> HttpResponse:
    if response.status < 300 or response.status in request.accept:
        return response
    error = classify(request, response)
    if isinstance(error, RateLimitedError):
        rate.refused(error.retry_after, time.monotonic())
    raise error


@dataclass(slots=True)
class _Body:
    """The body of an answer, as it arrives."""

    request: HttpRequest
    data: bytearray = field(default_factory=bytearray)

    def add(self, piece: bytes) -> None:
        """Append *piece*.

        :raises ProtocolError: if the body is longer than any answer of an API.
        """
        self.data += piece
        if len(self.data) > MAX_BYTES:
            raise ProtocolError(
                f"{self.request} was answered with more than {MAX_BYTES >> 20} MiB, which no API does; "
                "check the connection's base_url and any proxy"
            )


class Transport:
    """Performs requests in worker threads, over one ``requests`` session."""

    def __init__(self, classify: Classify, *, rate: RateLimit | None = None) -> None:
        self._classify = classify
        self.rate = rate or RateLimit()
        self._session = _session()

    def run(self, flow: Flow[T]) -> T:
        """Drive *flow* to its end; see :func:`sansio.flow.run` for what is raised."""
        return flows.run(flow, perform=self.perform, sleep=time.sleep)

    def steps(self, flow: Flow[T]) -> Iterator[T | None]:
        """Drive *flow* effect by effect; see :func:`sansio.flow.steps`."""
        return flows.steps(flow, perform=self.perform, sleep=time.sleep)

    def perform(self, request: HttpRequest) -> HttpResponse:
        """Perform *request* within the retry budget.

        :raises AssetsError: as *classify* says for an unaccepted status;
            :class:`VendorUnavailableError` where there was no answer.
        """
        retrying = tenacity.Retrying(
            **within_budget(request), before_sleep=self.rate.note_retry, reraise=True
        )
        return retrying(self._once, request)

    def _once(self, request: HttpRequest) -> HttpResponse:
        import requests  # parsing a DAG must not pay for it

        time.sleep(self.rate.reserve(time.monotonic()))
        try:
            with self._session.request(
                request.method,
                request.full_url,
                data=request.body,
                headers=dict(request.headers),
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,  # credentials go to the API's host only
                stream=True,
            ) as got:
                body = _Body(request)
                for piece in got.iter_content(_PIECE):
                    body.add(piece)
        except requests.RequestException as error:
            raise unanswered(request, error) from None
        except OSError as error:  # a bundle of certificates that is not there, which the text names
            raise InvalidRequestError(f"{request} cannot be sent: {error}") from None
        headers = {name.lower(): value for name, value in got.headers.items()}
        response = HttpResponse(got.status_code, headers, bytes(body.data))
        return _checked(self._classify, self.rate, request, response)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _session() -> requests.Session:
    import requests  # parsing a DAG must not pay for it

    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _adapter())
    session.headers["User-Agent"] = USER_AGENT
    # Without an auth of its own, requests lets ~/.netrc replace our Authorization header.
    session.auth = lambda prepared: prepared
    # Even if it follows no redirect, requests reads the body of one to its end, however long it is.
    session.get_redirect_target = lambda response: None  # type: ignore[method-assign,assignment]  # on purpose
    return session


def _adapter() -> requests.adapters.HTTPAdapter:
    """An adapter that gives up an answer after ``TOTAL_SECONDS``; no timeout of ``requests`` does."""
    from requests.adapters import HTTPAdapter  # parsing a DAG must not pay for it
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection

    response = paced(TOTAL_SECONDS, math.inf)

    class Plain(HTTPConnection):
        response_class = response

    class Tls(HTTPSConnection):
        response_class = response

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls

    pools = {"http": PlainPool, "https": TlsPool}

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = pools

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
            manager = super().proxy_manager_for(*args, **kwargs)
            manager.pool_classes_by_scheme = pools
            return manager

    return Adapter()


class AsyncTransport:
    """Performs requests on the running event loop, over one ``aiohttp`` session."""

    def __init__(self, classify: Classify, *, rate: RateLimit | None = None) -> None:
        self._classify = classify
        self.rate = rate or RateLimit()
        self._session: aiohttp.ClientSession | None = None
        # aiohttp's own look-up insists on ~/.netrc and costs two threads per request.
        self._proxy = lru_cache(maxsize=8)(proxy_for)

    async def run(self, flow: Flow[T]) -> T:
        """Drive *flow* to its end; see :func:`sansio.flow.arun` for what is raised."""
        return await flows.arun(flow, perform=self.perform, sleep=asyncio.sleep)

    async def perform(self, request: HttpRequest) -> HttpResponse:
        """The asynchronous twin of :meth:`Transport.perform`."""
        retrying = tenacity.AsyncRetrying(
            **within_budget(request), before_sleep=self.rate.note_retry, reraise=True
        )
        return await retrying(self._once, request)

    async def _once(self, request: HttpRequest) -> HttpResponse:
        import aiohttp  # parsing a DAG must not pay for it
        from yarl import URL

        url = URL(request.full_url, encoded=True)
        proxy = self._proxy(str(url.origin()))
        session = self._open()
        await asyncio.sleep(self.rate.reserve(time.monotonic()))
        try:
            async with session.request(
                request.method,
                url,
                data=request.body,
                headers=dict(request.headers),
                allow_redirects=False,  # credentials go to the API's host only
                proxy=proxy.url if proxy else None,
            ) as got:
                body = _Body(request)
                async for piece in got.content.iter_chunked(_PIECE):
                    body.add(piece)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            raise unanswered(request, error) from None
        headers = {name.lower(): value for name, value in got.headers.items()}
        response = HttpResponse(got.status, headers, bytes(body.data))
        return _checked(self._classify, self.rate, request, response)

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp  # parsing a DAG must not pay for it

        if self._session is None:  # a session belongs to the loop it is made on
            try:
                trusted = ssl_context()
            except OSError as error:  # it names the file, and what names it
                raise InvalidRequestError(str(error)) from None
            self._session = aiohttp.ClientSession(
                headers={"User-Agent": USER_AGENT},
                connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, ssl=trusted),
                timeout=aiohttp.ClientTimeout(
                    total=TOTAL_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS
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
