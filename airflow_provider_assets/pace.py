"""Responses with a minimum rate, so that no server can occupy a client by sending too slowly.

The timeout of a socket only limits the time between two bytes. A server that sends one byte per minute could
block a worker, or the poller of a thousand jobs, forever.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from dataclasses import dataclass
from typing import Any, cast


class SlowError(TimeoutError):
    """Bytes arrive, but more slowly than the minimum rate."""


def paced(seconds: float, least: float) -> type[http.client.HTTPResponse]:
    """A ``response_class`` whose responses need at least *least* bytes per *seconds* of waiting.

    Headers and body both count. With an infinite *least*, no response may take longer than *seconds*. Only
    the time spent waiting for the server counts, so that a slow reader is not mistaken for a slow server.

    :raises SlowError: from the reads of a response that is slower.
    """

    class Paced(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
            limited = cast("socket.socket", _PacedSocket(sock, seconds, least))
            super().__init__(limited, *args, **kwargs)

    return Paced


@dataclass(frozen=True, slots=True)
class _PacedSocket:
    """The part of a socket's interface that a response uses."""

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
