"""The bodies of downloads: written, counted, and spoilt where a fault demands it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from airflow_provider_assets.sandbox.blobs import Blob
from airflow_provider_assets.sandbox.faults import Fault, fault_of
from airflow_provider_assets.sandbox.stats import Stats

_SLICE = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The content of a download; its bytes are counted for ``vendor`` and ``job_id``."""

    blob: Blob
    content_type: str
    vendor: str
    job_id: str = ""


class Sink(Protocol):
    """The target of a body: an aiohttp response, or a replacement of one."""

    async def write(self, data: bytes, /) -> None:
        """Send some bytes, waiting until there is room for more."""

    async def write_eof(self) -> None:
        """End the body."""


async def write_body(
    request: web.Request,
    sink: Sink,
    pieces: Iterator[bytes],
    *,
    body: Body,
    size: int,
    stats: Stats,
) -> None:
    """Write ``size`` bytes and count them; cut, slow or spoil them if the request has a fault."""
    fault = fault_of(request)
    kind = fault.kind if fault else ""
    pieces = _spoilt(fault, pieces, size)
    rate = float(fault.value or 100_000) if fault and kind == "slow" else 0.0
    try:
        for piece in _sliced(pieces) if rate else pieces:
            await sink.write(piece)
            _count(request, body, stats, len(piece))
            if rate:
                await asyncio.sleep(len(piece) / rate)
        if kind == "stall":
            await asyncio.sleep(3600)
        if kind in ("reset", "truncate"):
            await asyncio.sleep(0.05)  # lets the kernel hand over what was written before the cut
            hang_up(request, reset=kind == "reset")
            return
        await sink.write_eof()
    except ConnectionError:
        request["cut"] = True


def archive_key(request: web.Request) -> str:
    """The key of a download in the counters: its archive id if it has one, else its path."""
    return request.match_info.get("archive", request.path)


def hang_up(request: web.Request, *, reset: bool) -> None:
    """Close the connection under the client, with a TCP reset or properly.

    ``request["cut"]`` tells the counters that there was no complete answer.
    """
    request["cut"] = True
    transport = request.transport
    if transport is None:
        return
    if reset:
        endpoint: socket.socket = transport.get_extra_info("socket")
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()


def cut_of(fault: Fault | None, size: int) -> int:
    """The offset at which a body is spoilt: the fault's, or the middle."""
    offset = fault.offset if fault and fault.offset is not None else size // 2
    return min(offset, size)


def _count(request: web.Request, body: Body, stats: Stats, length: int) -> None:
    stats.sent(body.vendor, request["route"], length)
    stats.archive(archive_key(request), "bytes", length)
    if body.job_id:
        stats.job(body.job_id, "bytes", length)


def _spoilt(fault: Fault | None, pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The body, ending early or with a wrong byte if the fault says so."""
    kind = fault.kind if fault else ""
    if kind not in ("reset", "truncate", "stall", "corrupt"):
        return pieces
    return _damaged(pieces, kind, cut_of(fault, size))


def _damaged(pieces: Iterator[bytes], kind: str, cut: int) -> Iterator[bytes]:
    position = 0
    for piece in pieces:
        local = cut - position
        position += len(piece)
        if not 0 <= local < len(piece):
            yield piece
        elif kind == "corrupt":
            yield piece[:local] + bytes([piece[local] ^ 0xFF]) + piece[local + 1 :]
        else:
            yield piece[:local]
            return


def _sliced(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), _SLICE):
            yield piece[start : start + _SLICE]
