"""Reads one download in ranges, resumes at the byte that failed, and renews a link that is refused.

The first request asks for the range of the first part and also transfers that part: there is no probe
before it. The response of a server that ignores Range is read as one stream, and so is a file without ETag
and Last-Modified, since nothing would tell that two ranges are of different files. A single-use link is
opened exactly once, without Range.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from airflow_provider_assets.landing.cancel import CancelToken
from airflow_provider_assets.landing.options import LandingOptions, Source
from airflow_provider_assets.landing.source.body import Body
from airflow_provider_assets.landing.source.connections import Connections
from airflow_provider_assets.landing.source.links import LinkResolver
from airflow_provider_assets.landing.source.request import RangeRequester
from airflow_provider_assets.landing.source.responses import (
    BrokenError,
    check_encoding,
    content_range,
    error_of_refusal,
    error_of_status,
    failure_text,
    headers_for,
    is_empty,
    is_read_to_the_end,
    page_instead,
    validator,
)
from airflow_provider_assets.landing.source.stream import Stream
from airflow_provider_assets.sansio.downloads import Link
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    IntegrityError,
    TransferInterruptedError,
)


@contextmanager
def _of_download() -> Iterator[None]:
    """Mark errors as failures of the download, since a failing store may raise the same classes."""
    try:
        yield
    except AssetsError as error:
        error.is_of_download = True
        raise


class SourceChangedError(Exception):
    """The link leads to another file than the one with which the landing began."""


@dataclass(slots=True)
class _Opened:
    """The first range, which :meth:`Download.open` has asked for: its offset and its bytes."""

    body: Body
    start: int
    size: int


@dataclass(slots=True)
class Download:
    """The bytes of one file.

    :param cancel: cancels every wait of the download.
    :param on_bytes: called with the number of bytes as they arrive, by many threads.
    :ivar total: bytes of the file, None while unknown.
    :ivar is_ranged: whether the server serves ranges that can be told to be of one file; known after
        :meth:`open`.
    :ivar validator: ETag or Last-Modified of the file, "" if the server sends none.
    """

    source: Source
    options: LandingOptions
    cancel: CancelToken
    on_bytes: Callable[[int], None] = lambda _: None
    total: int | None = None
    is_ranged: bool = False
    validator: str = ""
    _first: _Opened | None = None
    _stream: Stream | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _requester: RangeRequester = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the requester; no link is resolved yet."""
        self._requester = RangeRequester(LinkResolver(self.source.resolve, self.options.now))

    @property
    def busy(self) -> int:
        """Number of responses so far in which the host said that it is busy."""
        return self._requester.busy

    def open(self, connections: Connections, first: int, *, at: int = 0) -> None:
        """Send the first request, for *first* bytes from *at* on, and learn whether the server serves ranges.

        :raises TransferInterruptedError: if the host cannot be reached or keeps failing.
        :raises AuthenticationError, ArchiveExpiredError: if fresh links are refused as well.
        """
        link = self._requester.links.current()[0]
        if self.source.single_use:
            self._open_once(connections, link)
            return
        if link.head_url and self.source.file.size is None:
            self.total = self._length_by_head(connections, link.head_url)
        self._patiently(lambda: self._open_ranged(connections, at, first))

    def read(self, connections: Connections, offset: int, view: memoryview) -> None:
        """Fill *view* with the bytes from *offset* on. Thread-safe if the download ``is_ranged``.

        :raises SourceChangedError: if the link leads to another file by now.
        :raises AssetsError: as :meth:`open` does.
        """
        got = 0

        def more() -> None:
            nonlocal got
            while got < len(view):
                body, size = self._respond(connections, offset + got, len(view) - got)
                end = got + size
                try:
                    while got < end:
                        count = body.read(view[got:end])
                        if not count:
                            raise BrokenError("the connection was closed early")
                        got += count
                finally:
                    if got < end or not is_read_to_the_end(body.response):
                        body.drop()

        self._patiently(more, progress=lambda: got)

    @_of_download()
    def read_stream(self, view: memoryview) -> int:
        """Fill *view* with the next bytes of the stream, fewer only at its end; return their number.

        :raises TransferInterruptedError: if the stream breaks or ends early; it cannot be resumed.
        :raises IntegrityError: if it is longer than announced.
        """
        return self._stream.read(view) if self._stream else 0

    def close(self) -> None:
        """Close the response being read."""
        with self._lock:
            opened, self._first, self._stream = (self._first, self._stream), None, None
        for one in opened:
            if one:
                one.body.close()

    @_of_download()
    def _open_once(self, connections: Connections, link: Link) -> None:
        try:
            response = connections.request("GET", link.url, headers=headers_for(link), fresh=True)
        except (OSError, http.client.HTTPException) as error:
            raise TransferInterruptedError(
                f"the single-use download failed before any response: {failure_text(error)}",
                code="before_headers",
            ) from error
        if response.status != http.client.OK:
            raise error_of_refusal(response, link, "single-use download")
        check_encoding(response)
        if page := page_instead(response, link.url):
            connections.drop(link.url)
            raise TransferInterruptedError(page)
        self._take_stream(response, connections, link.url)

    def _open_ranged(self, connections: Connections, at: int, first: int) -> None:
        response, url = self._get(connections, at, first)
        if response.status == http.client.PARTIAL_CONTENT:
            start, end, total = content_range(response)
            if total is None:
                raise TransferInterruptedError("the server sends ranges without a total length")
            self.validator = validator(response)
            if self.validator:
                self._expect(total)
                self.is_ranged = True
                body = self._body(response, connections, url)
                self._first = _Opened(body, start, end - start + 1)
            elif (start, end) == (0, total - 1):
                self._take_stream(response, connections, url)
            else:
                connections.drop(url)
                self._open_stream(connections)
        elif response.status == http.client.OK:
            self._take_stream(response, connections, url)
        elif is_empty(response, self._announced):
            connections.drop(url)
            self._expect(0)
            self.is_ranged = True
        elif at:
            connections.drop(url)
            raise SourceChangedError  # the file is shorter now than the bytes that were fetched of it
        else:
            connections.drop(url)
            self._open_stream(connections)

    def _open_stream(self, connections: Connections) -> None:
        response, url = self._requester.get(connections, {})
        if response.status != http.client.OK:
            raise error_of_status(response.status, "download")
        self._take_stream(response, connections, url)

    def _take_stream(
        self, response: http.client.HTTPResponse, connections: Connections, url: str
    ) -> None:
        if response.length is not None:
            self._expect(response.length)
        elif self.source.file.size is not None:
            self.total = self.source.file.size
        self._stream = Stream(self._body(response, connections, url), self.total)

    def _body(self, response: http.client.HTTPResponse, connections: Connections, url: str) -> Body:
        return Body(response, connections, url, self.cancel, self.on_bytes)

    @property
    def _announced(self) -> int | None:
        return self.source.file.size if self.source.file.size is not None else self.total

    def _expect(self, total: int) -> None:
        announced = self._announced
        if announced is not None and announced != total:
            raise IntegrityError(
                f"the download has {total} bytes, the vendor announced {announced}"
            )
        self.total = total

    def _respond(self, connections: Connections, offset: int, size: int) -> tuple[Body, int]:
        """A response with bytes from *offset* on, and the number of its bytes."""
        first = self._pop_first(connections)
        if first and offset == first.start and first.size <= size:
            return first.body, first.size
        if first:
            first.body.drop()
        response, url = self._get(connections, offset, size)
        if response.status != http.client.PARTIAL_CONTENT:
            connections.drop(url)
            raise SourceChangedError
        start, end, total = content_range(response)
        if total != self.total or validator(response) != self.validator:
            connections.drop(url)
            raise SourceChangedError
        if start != offset or not start <= end < offset + size:
            connections.drop(url)
            raise BrokenError(f"asked for bytes {offset}-{offset + size - 1}, got {start}-{end}")
        return self._body(response, connections, url), end - start + 1

    def _pop_first(self, connections: Connections) -> _Opened | None:
        with self._lock:
            if self._first is None or self._first.body.connections is not connections:
                return None
            first, self._first = self._first, None
            return first

    def _get(
        self, connections: Connections, offset: int, size: int
    ) -> tuple[http.client.HTTPResponse, str]:
        span = {"Range": f"bytes={offset}-{offset + size - 1}"}
        if self.validator and not self.validator.startswith("W/"):
            span["If-Range"] = self.validator
        return self._requester.get(connections, span)

    def _length_by_head(self, connections: Connections, url: str) -> int | None:
        try:
            response = connections.request("HEAD", url, headers={"Accept-Encoding": "identity"})
            response.read()
        except (OSError, http.client.HTTPException):
            return None  # the GET announces the length as well
        length = response.headers.get("Content-Length", "")
        return int(length) if response.status == http.client.OK and length.isdigit() else None

    def _patiently(
        self, action: Callable[[], None], progress: Callable[[], int] = lambda: 0
    ) -> None:
        failures = reached = 0
        while True:
            try:
                return action()
            except BrokenError as error:
                now_at = progress()
                has_progress = now_at > reached and not error.is_slow
                failures = 1 if has_progress else failures + 1
                reached = now_at
                pause = min(30.0, 0.25 * 2**failures) * (0.5 + self.options.jitter() / 2)
                stopped = self.cancel.is_set() or failures >= self.options.attempts
                if stopped or self.cancel.wait(max(pause, error.wait)):
                    raise TransferInterruptedError(
                        f"the download of {self.source.file.name or 'a file'} keeps failing "
                        f"({failures} times in a row): {error}"
                    ) from error
