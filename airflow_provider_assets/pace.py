"""Responses that are given up when their server is too slow.

The timeout of a socket is one between bytes: a server that sends a byte a minute would hold a worker, or a
wait for a thousand jobs, for ever.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from dataclasses import dataclass
from typing import Any, cast


class SlowError(TimeoutError):
    """Bytes arrive, but too few."""


def paced(seconds: float, least: float) -> type[http.client.HTTPResponse]:
    """Responses, headers and body, that bring *least* bytes within any *seconds* of waiting for them.

    To be the ``response_class`` of a connection. With an endless *least* nothing may take longer
    than *seconds*. Only the time spent waiting for the server counts: a reader that is slow itself costs
    the server nothing.
    """

    class Paced(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
            limited = cast("socket.socket", _PacedSocket(sock, seconds, least))
            super().__init__(limited, *args, **kwargs)

    return Paced


@dataclass(frozen=True, slots=True)
class _PacedSocket:
    """As much of a socket as a response reads from."""

    sock: socket.socket
    seconds: float
    least: float

    def makefile(self, mode: str) -> io.BufferedReader:
        raw = self.sock.makefile(mode, buffering=0)  # type: ignore[call-overload]  # mode is "rb"
        return io.BufferedReader(_PacedReader(raw, self.seconds, self.least))


class _PacedReader(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, seconds: float, least: float) -> None:
        self._raw, self._seconds, self._least = raw, seconds, least
        self._waited, self._received = 0.0, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        began = time.monotonic()
        count = self._raw.readinto(buffer)
        self._waited += time.monotonic() - began
        self._received += count or 0
        if count and self._waited >= self._seconds:
            if self._received < self._least:
                raise SlowError(f"only {self._received} bytes arrived within {self._waited:.0f} s")
            self._waited, self._received = 0.0, 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
