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
    """A response that is being read: its place in the file and its bytes (of a stream: those read so far)."""

    response: http.client.HTTPResponse = field(repr=False)
    connections: Connections
    url: str = field(repr=False)
    bytes: int
    start: int = 0


@dataclass(slots=True)
class Download:
    """The bytes of one file.

    :param cancel: cancels every wait of the download.
    :param on_bytes: called with the number of bytes as they arrive, by many threads.
    :ivar total: bytes of the file, None while unknown.
    :ivar ranged: whether the server serves ranges that can be told to be of one file; known after
        :meth:`open`.
    :ivar validator: ETag or Last-Modified of the file, "" if the server sends none.
    """

    source: Source
    options: LandingOptions
    cancel: CancelToken
    on_bytes: Callable[[int], None] = lambda _: None
    total: int | None = None
    ranged: bool = False
    validator: str = ""
    _first: _Opened | None = None
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
        """Fill *view* with the bytes from *offset* on. Thread-safe if the download is ``ranged``.

        :raises SourceChangedError: if the link leads to another file by now.
        :raises AssetsError: as :meth:`open` does.
        """
        got = 0

        def more() -> None:
            nonlocal got
            while got < len(view):
                response, url, size = self._respond(connections, offset + got, len(view) - got)
                end = got + size
                try:
                    while got < end:
                        got += self._some(connections, response, view[got:end])
                finally:
                    if got < end or not is_read_to_the_end(response):
                        connections.drop(url)

        self._patiently(more, progress=lambda: got)

    @_of_download()
    def read_stream(self, view: memoryview) -> int:
        """Fill *view* with the next bytes of the stream, fewer only at its end; return their number.

        :raises TransferInterruptedError: if the stream breaks or ends early; it cannot be resumed.
        :raises IntegrityError: if it is longer than announced.
        """
        stream = self._first
        if not stream:
            return 0
        filled = 0
        try:
            while filled < len(view):
                count = self._some(stream.connections, stream.response, view[filled:], end_ok=True)
                if not count:
                    break
                filled += count
            self._check_end(stream, stream.bytes + filled)
        except BrokenError as error:
            stream.connections.drop(stream.url)
            raise TransferInterruptedError(
                f"the download broke off after {stream.bytes + filled} bytes: {error}",
                code="mid_body",
            ) from error
        stream.bytes += filled
        if filled < len(view) and self.total is not None and stream.bytes < self.total:
            raise TransferInterruptedError(
                f"the download ended after {stream.bytes} of {self.total} bytes", code="mid_body"
            )
        return filled

    def close(self) -> None:
        """Close the response being read, which has a socket of its own if it has no length."""
        with self._lock:
            first, self._first = self._first, None
        if first:
            first.response.close()

    def _check_end(self, stream: _Opened, reached: int) -> None:
        # A response without a length may be longer than the vendor announced.
        more = reached == self.total and stream.response.length is None
        if more and self._some(
            stream.connections, stream.response, memoryview(bytearray(1)), end_ok=True
        ):
            reached += 1
        if self.total is not None and reached > self.total:
            raise IntegrityError(
                f"the download has more than the {self.total} bytes that were announced"
            )

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
                self.ranged = True
                self._first = _Opened(response, connections, url, end - start + 1, start)
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
            self.ranged = True
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
        self._first = _Opened(response, connections, url, 0)

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

    def _respond(
        self, connections: Connections, offset: int, size: int
    ) -> tuple[http.client.HTTPResponse, str, int]:
        """A response with bytes from *offset* on, its URL, and the number of its bytes."""
        first = self._pop_first(connections)
        if first and offset == first.start and first.bytes <= size:
            return first.response, first.url, first.bytes
        if first:
            connections.drop(first.url)
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
        return response, url, end - start + 1

    def _pop_first(self, connections: Connections) -> _Opened | None:
        with self._lock:
            if self._first is None or self._first.connections is not connections:
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

    def _some(
        self,
        connections: Connections,
        response: http.client.HTTPResponse,
        view: memoryview,
        *,
        end_ok: bool = False,
    ) -> int:
        if self.cancel.is_set():
            raise BrokenError("the landing was cancelled")
        try:
            count = connections.read(response, view)
        except (OSError, http.client.HTTPException) as error:
            raise BrokenError.of(error) from error
        # A cancelled read may look like the end of the response.
        if self.cancel.is_set():
            raise BrokenError("the landing was cancelled")
        if not count and not end_ok:
            raise BrokenError("the connection was closed early")
        self.on_bytes(count)
        return count

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
