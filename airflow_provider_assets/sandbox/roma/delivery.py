"""The one delivery of a package, in any framing a client may have to survive.

None of Content-Type, Content-Length, Range or checksums is documented for this download. Range is
ignored here, and a HEAD consumes the package like a GET: the worst a service may do.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from airflow_provider_assets.sandbox.storage import Stored, pump

if TYPE_CHECKING:
    from airflow_provider_assets.sandbox.world import World

_TYPE = "application/octet-stream"
_BUFFER = 1 << 20


async def deliver(
    request: web.Request, stored: Stored, world: World, *, framing: str
) -> web.StreamResponse:
    """Send a package with Content-Length, chunked, or until the connection closes."""
    pieces, size = stored.blob.read(0, stored.blob.size), stored.blob.size
    transport = request.transport
    if framing == "close" and isinstance(transport, asyncio.WriteTransport):
        raw = _UntilClose(transport)
        raw.begin()
        await pump(request, raw, pieces, world=world, stored=stored, size=size)
        return web.Response()
    response = web.StreamResponse(headers={"Content-Type": _TYPE})
    if framing == "length":
        response.content_length = size
    await response.prepare(request)
    await pump(request, response, pieces, world=world, stored=stored, size=size)
    return response


@dataclass(frozen=True, slots=True)
class _UntilClose:
    """What aiohttp does not do for HTTP/1.1: a body that ends with its connection."""

    transport: asyncio.WriteTransport

    def begin(self) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {_TYPE}\r\nConnection: close\r\n\r\n"
        self.transport.write(head.encode())

    async def write(self, data: bytes, /) -> None:
        if self.transport.is_closing():
            raise ConnectionResetError
        self.transport.write(data)
        # aiohttp keeps the transport's own signal of free room to itself.
        while self.transport.get_write_buffer_size() > _BUFFER:
            await asyncio.sleep(0.01)

    async def write_eof(self) -> None:
        self.transport.close()
