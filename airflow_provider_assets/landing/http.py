"""One keep-alive connection per origin, for one thread: URLs go out byte for byte, nothing is retried.

``http.client`` and not a friendlier library, for two measured reasons: it reads straight into the
part's buffer, and it does not rewrite the percent-encoding of a signed URL.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.trust import context_for, ssl_context

Connection = http.client.HTTPConnection  # or its subclass for TLS
_SMALLEST, _LARGEST = 1 << 14, 1 << 21  # bytes of one read
_BRISK, _SLOW = 0.02, 0.1  # seconds that a read may take before the next is larger, or smaller


def _tls(ca: str | None) -> ssl.SSLContext:
    """:raises InvalidRequestError: if the environment names certificates that cannot be read."""
    try:
        return context_for(ca, "AWS_CA_BUNDLE") if ca else ssl_context()
    except OSError as error:
        raise InvalidRequestError(str(error)) from error


def _authority(parts: SplitResult) -> tuple[str, int]:
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequestError(f"cannot download from a {parts.scheme or 'relative'!r} URL")
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _connect(parts: SplitResult, timeout: float, ca: str | None) -> Connection:
    host, port = _authority(parts)
    proxy = getproxies().get(parts.scheme)
    through = urlsplit(proxy) if proxy and not proxy_bypass(host) else None
    at, at_port = (through.hostname or "", through.port or 80) if through else (host, port)
    connection: Connection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(at, at_port, timeout=timeout, context=_tls(ca))
        if through:
            connection.set_tunnel(host, port, _proxy_login(through))
    else:
        connection = http.client.HTTPConnection(at, at_port, timeout=timeout)
    return connection


def _proxy_login(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    import base64  # behind a proxy with a password only

    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return {"Proxy-Authorization": "Basic " + base64.b64encode(login).decode()}


@dataclass(slots=True)
class Connections:
    """The connections of one thread.

    :param timeout: seconds without a byte after which a connection counts as stalled.
    :param ca: certificates to trust (a file or folder); None: those of the environment.
    """

    timeout: float = 60.0
    ca: str | None = None
    _gulp: int = 1 << 18
    _open: dict[tuple[str, str], Connection] = field(default_factory=dict)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: memoryview | bytes | None = None,
        fresh: bool = False,
    ) -> http.client.HTTPResponse:
        """Send one request and return its response with the body unread.

        :param fresh: open a new connection, so that nothing can ever ask for the request twice.
        :raises OSError, http.client.HTTPException: whatever went wrong on the wire.
        :raises InvalidRequestError: if it cannot be sent at all.
        """
        try:
            return self._request(method, url, headers=headers, body=body, fresh=fresh)
        except (http.client.InvalidURL, ValueError) as error:
            if isinstance(error, OSError):  # a certificate
                raise
            # Its text quotes the URL, or a header, and either may be a secret.
            raise InvalidRequestError(
                "a download cannot be asked for: its URL or a header of its link holds a space, a "
                "control character or one beyond ASCII; the vendor has to encode it"
            ) from None

    def _request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: memoryview | bytes | None,
        fresh: bool,
    ) -> http.client.HTTPResponse:
        parts = urlsplit(url)
        origin = (parts.scheme, parts.netloc)
        kept = None if fresh else self._open.pop(origin, None)
        if kept:
            try:
                return self._send(kept, method, url, headers=headers, body=body)
            except (ConnectionError, http.client.RemoteDisconnected):
                kept.close()  # an idle connection that the server had closed meanwhile
        new = _connect(parts, self.timeout, self.ca)
        return self._send(new, method, url, headers=headers, body=body)

    def _send(
        self,
        connection: Connection,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: memoryview | bytes | None,
    ) -> http.client.HTTPResponse:
        parts = urlsplit(url)
        self._open[parts.scheme, parts.netloc] = connection
        try:
            connection.request(method, self._target(url, connection), body, dict(headers))
            return connection.getresponse()
        except BaseException:
            self.drop(url)
            raise

    def read(self, response: http.client.HTTPResponse, view: memoryview) -> int:
        """Fill *view* with the next bytes, or the beginning of it.

        A read is as large as takes a twentieth of a second: on a fast connection the interpreter
        has little to do, and on a slow one progress shows soon.

        :raises OSError, http.client.HTTPException: whatever went wrong on the wire.
        """
        began = time.monotonic()
        try:
            count = response.readinto(view[: self._gulp])
        except BaseException:
            # What came of a broken read is lost: the next are small, so that some of it counts.
            self._gulp = _SMALLEST
            raise
        took = time.monotonic() - began
        if took < _BRISK and count == self._gulp:
            self._gulp = min(self._gulp * 2, _LARGEST)
        elif took > _SLOW:
            self._gulp = max(self._gulp // 2, _SMALLEST)
        return count

    def drop(self, url: str) -> None:
        """Close the connection that *url* uses: its response was not read to the end."""
        parts = urlsplit(url)
        connection = self._open.pop((parts.scheme, parts.netloc), None)
        if connection:
            connection.close()

    def interrupt(self) -> None:
        """End whatever another thread is waiting for on these connections."""
        for connection in list(self._open.values()):
            sock = connection.sock
            if sock is not None:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close every connection."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    @staticmethod
    def _target(url: str, connection: Connection) -> str:
        parts = urlsplit(url)
        target = url[len(f"{parts.scheme}://{parts.netloc}") :].partition("#")[0] or "/"
        target = target if target.startswith("/") else f"/{target}"
        direct = parts.scheme == "https" or _authority(parts) == (connection.host, connection.port)
        return target if direct else f"{parts.scheme}://{parts.netloc}{target}"
