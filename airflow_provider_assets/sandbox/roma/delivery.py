"""The download of a package, in any framing that a client may have to survive.

None of Content-Type, Content-Length, Range or checksums is documented for this download. Here Range
is ignored, and a HEAD consumes the package like a GET: the worst that a service may do.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from airflow_provider_assets.sandbox.bodies import Body, write_body
from airflow_provider_assets.sandbox.stats import Stats

_BUFFER = 1 << 20


async def deliver(
    request: web.Request, body: Body, *, framing: str, stats: Stats
) -> web.StreamResponse:
    """Send a package with Content-Length, chunked, or until the connection closes."""
    pieces, size = body.blob.read(0, body.blob.size), body.blob.size
    transport = request.transport
    if framing == "close" and isinstance(transport, asyncio.WriteTransport):
        raw = _UntilClose(transport)
        raw.begin(body.content_type)
        await write_body(request, raw, pieces, body=body, size=size, stats=stats)
        return web.Response()
    response = web.StreamResponse(headers={"Content-Type": body.content_type})
    if framing == "length":
        response.content_length = size
    await response.prepare(request)
    await write_body(request, response, pieces, body=body, size=size, stats=stats)
    return response


@dataclass(frozen=True, slots=True)
class _UntilClose:
    """A body that ends with its connection, which aiohttp does not offer for HTTP/1.1."""

    transport: asyncio.WriteTransport

    def begin(self, content_type: str) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nConnection: close\r\n\r\n"
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
