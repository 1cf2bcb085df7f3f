"""Responses with a minimum rate and a maximum of headers, so that no server can occupy a client.

The timeout of a socket only limits the time between two bytes. A server that sends one byte per minute could
block a worker, or the poller of a thousand jobs, forever. So could one that never ends its headers:
``http.client`` limits those of one response, but not the number of interim responses (100) before it.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from dataclasses import dataclass
from math import inf
from typing import Any, cast

_HEAD_BYTES = 1 << 18  # of all headers of an answer; http.client reads 8 KiB ahead


class SlowError(TimeoutError):
    """Bytes arrive, but more slowly than the minimum rate."""


def paced(seconds: float, least: float) -> type[http.client.HTTPResponse]:
    """A ``response_class`` whose responses need at least *least* bytes per *seconds* of waiting.

    Headers and body both count. With an infinite *least*, no response may take longer than *seconds*. Only
    the time spent waiting for the server counts, so that a slow reader is not mistaken for a slow server.

    :raises SlowError: from the reads of a response that is slower.
    :raises http.client.HTTPException: if its headers are longer than 256 KiB.
    """

    class Paced(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
            self._limited = _PacedSocket(sock, seconds, least)
            super().__init__(cast("socket.socket", self._limited), *args, **kwargs)

        def begin(self) -> None:
            super().begin()
            self._limited.end_head()

    return Paced


@dataclass(slots=True)
class _PacedSocket:
    """The part of a socket's interface that a response uses."""

    sock: socket.socket
    seconds: float
    least: float
    _reader: _PacedReader | None = None

    def makefile(self, mode: str) -> io.BufferedReader:
        raw = self.sock.makefile(mode, buffering=0)  # type: ignore[call-overload]  # mode is "rb"
        self._reader = _PacedReader(raw, self.seconds, self.least)
        return io.BufferedReader(self._reader)

    def end_head(self) -> None:
        """Note that all headers have been read."""
        if self._reader:
            self._reader.head_left = inf


class _PacedReader(io.RawIOBase):
    """A reader of the socket.

    :ivar head_left: bytes that headers may still take; infinite once they have been read.
    """

    def __init__(self, raw: io.RawIOBase, seconds: float, least: float) -> None:
        self._raw, self._seconds, self._least = raw, seconds, least
        self._waited, self._received = 0.0, 0
        self.head_left: float = _HEAD_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        began = time.monotonic()
        count = self._raw.readinto(buffer)
        self._waited += time.monotonic() - began
        self._received += count or 0
        self.head_left -= count or 0
        if self.head_left < 0:
            raise http.client.HTTPException(f"the headers are longer than {_HEAD_BYTES >> 10} KiB")
        if count and self._waited >= self._seconds:
            if self._received < self._least:
                raise SlowError(f"only {self._received} bytes arrived within {self._waited:.0f} s")
            self._waited, self._received = 0.0, 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
