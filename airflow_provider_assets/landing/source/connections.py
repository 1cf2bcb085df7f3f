"""Keep-alive connections of one thread, one per origin. URLs are sent unchanged and nothing is retried.

``http.client`` is used instead of a friendlier library for two measured reasons: it reads straight into
the part's buffer, and it does not rewrite the percent-encoding of a signed URL.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from airflow_provider_assets.landing.options import LandingOptions
from airflow_provider_assets.landing.source.addresses import check_address, check_link
from airflow_provider_assets.network.pace import paced
from airflow_provider_assets.network.proxies import Proxy, proxy_for
from airflow_provider_assets.network.trust import ssl_context
from airflow_provider_assets.sansio.errors import InvalidRequestError

_SMALLEST, _LARGEST = 1 << 14, 1 << 21  # bytes of one read
_BRISK, _SLOW = 0.02, 0.1  # seconds: a faster read enlarges the next one, a slower read shrinks it
_TLS_CLOSED = (ssl.SSLEOFError, ssl.SSLZeroReturnError)  # a closed connection, as TLS reports it
_PATIENCE = 5  # stall times over which the rate of a connection is averaged


class _Plain(http.client.HTTPConnection):
    """A connection whose socket *dial* opens; without *dial*, http.client connects (to a proxy)."""

    dial: Callable[[str, int], socket.socket] | None = None

    def connect(self) -> None:
        if self.dial:
            self.sock = self.dial(self.host, self.port)
        else:
            super().connect()


class _Tls(http.client.HTTPSConnection, _Plain):
    """The same over TLS: ``HTTPSConnection.connect`` calls the one above before its handshake."""


@dataclass(slots=True)
class _Kept:
    """An open connection, its proxy, its socket and its last response.

    The socket is kept here because a connection forgets it when it hands it over to a response that the
    server ends by closing: such a response could not be interrupted or closed through its connection.
    """

    connection: _Plain
    proxy: Proxy | None
    sock: socket.socket | None = None
    response: http.client.HTTPResponse | None = None

    def close(self) -> None:
        if self.response:
            self.response.close()
        self.connection.close()


@dataclass(slots=True)
class Connections:
    """The connections of one thread.

    :param options: limits of a stalled connection, and the hosts that may have private addresses.
    """

    options: LandingOptions = field(default_factory=LandingOptions)
    _gulp: int = 1 << 18
    _open: dict[tuple[str, str], _Kept] = field(default_factory=dict)
    _interrupted: bool = False

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], fresh: bool = False
    ) -> http.client.HTTPResponse:
        """Send one request and return its response with the body unread.

        :param fresh: open a new connection, so that the request is never sent a second time.
        :raises OSError, http.client.HTTPException: if the network or the server failed.
        :raises InvalidRequestError: if the request cannot be sent, may not be sent there, or will fail until
            somebody changes the configuration.
        """
        check_link(url, self.options)
        try:
            return self._request(method, url, headers=headers, fresh=fresh)
        except ssl.SSLCertVerificationError as error:
            raise InvalidRequestError(
                f"the certificate of {urlsplit(url).hostname} cannot be verified "
                f"({error.verify_message}); if your network has a certificate authority of its own, set "
                "REQUESTS_CA_BUNDLE to its certificates"
            ) from error
        except (http.client.InvalidURL, ValueError) as error:
            if isinstance(error, OSError):
                raise
            # Its text quotes what cannot be sent, which may contain a secret.
            raise InvalidRequestError(
                "cannot send the download request: a header contains a control character or a non-ASCII "
                "character; enter the connection's credentials again"
            ) from None

    def _request(
        self, method: str, url: str, *, headers: Mapping[str, str], fresh: bool
    ) -> http.client.HTTPResponse:
        kept = None if fresh else self._open.pop(_origin(url), None)
        if kept:
            try:
                return self._send(kept, method, url, headers)
            except (ConnectionError, *_TLS_CLOSED):
                kept.close()  # the server closed it while it was idle
        return self._send(self._connection(urlsplit(url)), method, url, headers)

    def _send(
        self, kept: _Kept, method: str, url: str, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        connection, proxy = kept.connection, kept.proxy
        target, sent = _target(url), dict(headers)
        if proxy and not isinstance(connection, _Tls):
            parts = urlsplit(url)
            target = f"{parts.scheme}://{parts.netloc}{target}"
            sent |= proxy.headers
        self._open[_origin(url)] = kept
        try:
            if connection.sock is None:
                connection.connect()
            kept.sock = connection.sock
            if self._interrupted:
                raise ConnectionAbortedError("the landing was cancelled")  # noqa: TRY301  # handled like a connection that broke
            connection.request(method, target, headers=sent)
            kept.response = response = connection.getresponse()
        except BaseException as error:
            self.drop(url)
            # http.client reports the status with which a proxy answered CONNECT in this text only.
            if proxy and str(error).startswith("Tunnel connection failed: 407"):
                raise _refused_by(proxy) from None
            raise
        if proxy and response.status == http.client.PROXY_AUTHENTICATION_REQUIRED:
            self.drop(url)
            raise _refused_by(proxy)
        return response

    def _connection(self, parts: SplitResult) -> _Kept:
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        proxy = proxy_for(parts.geturl())
        connection: _Plain
        timeout = self.options.stall_seconds
        at, at_port = (proxy.host, proxy.port) if proxy else (host, port)
        if parts.scheme == "https":
            connection = _Tls(at, at_port, timeout=timeout, context=_context())
            if proxy:
                connection.set_tunnel(host, port, proxy.headers)
        else:
            connection = _Plain(at, at_port, timeout=timeout)
        if not proxy:  # only the proxy resolves names
            connection.dial = self._dial
        seconds = _PATIENCE * timeout
        connection.response_class = paced(seconds, self.options.min_rate * seconds)
        return _Kept(connection, proxy)

    def _dial(self, host: str, port: int) -> socket.socket:
        """Connect to a checked address of *host*, so that no second lookup can return another one."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        for address in addresses:
            check_address(host, address, self.options.private_hosts)
        for address in addresses:
            try:
                sock = socket.create_connection((address, port), self.options.stall_seconds)
            except OSError:
                if address == addresses[-1]:
                    raise
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return sock
        raise OSError(f"{host} does not resolve to any address")

    def read(self, response: http.client.HTTPResponse, view: memoryview) -> int:
        """Fill *view*, or the beginning of it, with the next bytes; return their number.

        The size of a read is adapted to take about a twentieth of a second: a fast connection costs the
        interpreter few calls, and a slow one shows progress soon.

        :raises OSError, http.client.HTTPException: if the network or the server failed.
        """
        began = time.monotonic()
        try:
            count = response.readinto(view[: self._gulp])
        except BaseException:
            # The bytes of a broken read are lost. Smaller reads lose fewer.
            self._gulp = _SMALLEST
            raise
        took = time.monotonic() - began
        if took < _BRISK and count == self._gulp:
            self._gulp = min(self._gulp * 2, _LARGEST)
        elif took > _SLOW:
            self._gulp = max(self._gulp // 2, _SMALLEST)
        return count

    def drop(self, url: str) -> None:
        """Close the connection to the origin of *url*, for a response that was not read to its end."""
        kept = self._open.pop(_origin(url), None)
        if kept:
            kept.close()

    def interrupt(self) -> None:
        """Cancel the waits of another thread on these connections; later requests fail as well."""
        self._interrupted = True
        for kept in list(self._open.values()):
            if kept.sock is not None:
                with suppress(OSError):
                    # Not the method of the TLS socket: it also drops the keys, and a read in progress
                    # would then return encrypted bytes as data.
                    socket.socket.shutdown(kept.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close every connection."""
        for kept in self._open.values():
            kept.close()
        self._open.clear()


def _context() -> ssl.SSLContext:
    try:
        return ssl_context()
    except OSError as error:  # its text names the file and the variable
        raise InvalidRequestError(str(error)) from error


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _target(url: str) -> str:
    target = url[sum(map(len, _origin(url))) + len("://") :].partition("#")[0] or "/"
    return target if target.startswith("/") else f"/{target}"


def _refused_by(proxy: Proxy) -> InvalidRequestError:
    return InvalidRequestError(
        f"the proxy {proxy.host}:{proxy.port} refuses the login (HTTP 407); correct the user and password in "
        f"{proxy.named_by}"
    )
