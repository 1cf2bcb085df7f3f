"""The download host: pre-signed links on a name and port of its own.

A link is good for one method, one path and one query, byte for byte, until it expires, in the
style of CloudFront (Policy, Signature, Key-Pair-Id). Any Authorization header is refused, as S3
does: two kinds of credentials in one request are a client's mistake.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .faults import Fault
    from .images import Blob
    from .world import World

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_SLICE = 64 * 1024
KEY_PAIR = "K2SANDBOX"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object of the download host; `job_id` is whose download it counts as."""

    blob: Blob
    content_type: str
    vendor: str
    job_id: str = ""


class Sink(Protocol):
    """Where a body is written to: an aiohttp response, or what stands in for one."""

    async def write(self, data: bytes, /) -> None:
        """Send some bytes, waiting until there is room for more."""

    async def write_eof(self) -> None:
        """End the body."""


@dataclass(slots=True)
class Storage:
    """Objects by path, and the signer of links to them."""

    world: World
    secret: bytes
    origin: str = ""
    objects: dict[str, Stored] = field(default_factory=dict)

    def put(self, path: str, stored: Stored) -> None:
        """Make an object exist under a path such as ``/scenario/archives/j/a.zip``."""
        self.objects[path] = stored

    def drop(self, path: str) -> None:
        """Make it vanish; links to it answer 404 from now on."""
        self.objects.pop(path, None)

    def link(self, path: str, *, method: str = "GET", seconds: float | None = None) -> str:
        """A signed URL that dies after `seconds` (default: the run's ``--url-seconds``)."""
        lifetime = self.world.options.url_seconds if seconds is None else seconds
        path = quote(path)
        return f"{self.origin}{path}?{self._query(path, method, self.world.clock.now() + lifetime)}"

    def _query(self, path: str, method: str, expires: float) -> str:
        limit = {"DateLessThan": {"AWS:EpochTime": expires}}
        policy = {"Statement": [{"Resource": path, "Method": method, "Condition": limit}]}
        encoded = _websafe(json.dumps(policy, separators=(",", ":")).encode())
        mac = hmac.new(self.secret, f"{method} {path} {encoded}".encode(), hashlib.sha256)
        return f"Policy={encoded}&Signature={_websafe(mac.digest())}&Key-Pair-Id={KEY_PAIR}"

    def refusal(self, request: web.Request) -> web.Response | None:
        """Why this request may not have the object, as S3 and CloudFront word it."""
        if "Authorization" in request.headers:
            return _xml(400, "InvalidArgument", "Only one auth mechanism allowed")
        path, _, query = request.raw_path.partition("?")
        expires = _expiry(request.query.get("Policy", ""))
        if expires is None or query != self._query(path, request.method, expires):
            return _xml(403, "AccessDenied", "Access denied")
        if expires <= self.world.clock.now():
            return _xml(403, "AccessDenied", "Request has expired")
        if request.path not in self.objects:
            return _xml(404, "NoSuchKey", "The specified key does not exist.")
        return None

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """GET or HEAD one object; Range, If-Range and ETag as in RFC 9110."""
        fault: Fault | None = request.get("fault")
        if fault and fault.kind == "expired":
            return _xml(403, "AccessDenied", "Request has expired")
        refused = self.refusal(request)
        if refused is not None:
            return refused
        stored = self.objects[request.path]
        if request.method == "GET" and stored.job_id:
            self.world.stats.job(stored.job_id, "download")
        return await send(request, stored, self.world)


async def send(request: web.Request, stored: Stored, world: World) -> web.StreamResponse:
    """Answer with an object, or with what the request's fault makes of it."""
    fault: Fault | None = request.get("fault")
    kind = fault.kind if fault else ""
    etag = f'"{stored.blob.etag}{"-new" if kind == "new-etag" else ""}"'
    headers = {"ETag": etag, "Content-Type": stored.content_type, "Accept-Ranges": "bytes"}
    size = stored.blob.size
    span = None if kind == "no-range" else _span(request, size, etag)
    if span == ():
        return _xml(416, "InvalidRange", "Not satisfiable", {"Content-Range": f"bytes */{size}"})
    start, stop = span or (0, size)
    response = web.StreamResponse(status=206 if span else 200, headers=headers)
    if span:
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    if kind == "short":
        stop = start + _cut(fault, stop - start)
    if kind != "no-length":
        response.content_length = stop - start
    await response.prepare(request)
    if request.method == "GET":
        pieces = stored.blob.read(start, stop)
        await pump(request, response, pieces, world=world, stored=stored, size=stop - start)
    return response


async def pump(
    request: web.Request,
    sink: Sink,
    pieces: Iterator[bytes],
    *,
    world: World,
    stored: Stored,
    size: int,
) -> None:
    """Write a body and count it; cut, slow or spoil it as the request's fault demands."""
    fault: Fault | None = request.get("fault")
    kind = fault.kind if fault else ""
    pieces = _spoilt(fault, pieces, size)
    rate = float(fault.value or 100_000) if fault and kind == "slow" else 0.0
    try:
        for piece in _sliced(pieces) if rate else pieces:
            await sink.write(piece)
            _count(request, stored, world, len(piece))
            if rate:
                await asyncio.sleep(len(piece) / rate)
        if kind == "stall":
            await asyncio.sleep(3600)
        if kind in ("reset", "truncate"):
            await asyncio.sleep(0.05)  # lets the kernel hand over what was written before the cut
            hang_up(request, rudely=kind == "reset")
            return
        await sink.write_eof()
    except ConnectionError:
        request["cut"] = True


def archive_key(request: web.Request) -> str:
    """What a download is counted as: the archive id where there is one, else the path."""
    return request.match_info.get("archive", request.path)


def hang_up(request: web.Request, *, rudely: bool) -> None:
    """Close the connection under the client: with a reset, or as if all were said.

    ``request["cut"]`` tells the counters that there was no whole answer.
    """
    request["cut"] = True
    transport = request.transport
    if transport is None:
        return
    if rudely:
        endpoint: socket.socket = transport.get_extra_info("socket")
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()


def _count(request: web.Request, stored: Stored, world: World, length: int) -> None:
    """Count bytes of a body that were written."""
    world.stats.sent(stored.vendor, request["route"], length)
    world.stats.archive(archive_key(request), "bytes", length)
    if stored.job_id:
        world.stats.job(stored.job_id, "bytes", length)


def _spoilt(fault: Fault | None, pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """A body that ends early or has a wrong byte, if the fault says so."""
    kind = fault.kind if fault else ""
    if kind not in ("reset", "truncate", "stall", "corrupt"):
        return pieces
    return _damaged(pieces, kind, _cut(fault, size))


def _cut(fault: Fault | None, size: int) -> int:
    offset = fault.offset if fault and fault.offset is not None else size // 2
    return min(offset, size)


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


def _span(request: web.Request, size: int, etag: str) -> tuple[int, int] | tuple[()] | None:
    """The half-open span asked for; None for the whole, () for one that cannot be satisfied."""
    found = _RANGE.fullmatch(request.headers.get("Range", ""))
    if found is None or found[0] == "bytes=-":
        return None
    if request.headers.get("If-Range", etag) != etag:
        return None
    if not found[1]:
        start, stop = max(size - int(found[2]), 0), size
    else:
        start, stop = int(found[1]), min(int(found[2] or size) + 1, size)
    return (start, stop) if start < stop else ()


def _expiry(policy: str) -> float | None:
    try:
        text = base64.b64decode(policy.translate(str.maketrans("-_~", "+=/")))
        limit = json.loads(text)["Statement"][0]["Condition"]["DateLessThan"]["AWS:EpochTime"]
        return float(limit)
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def _websafe(data: bytes) -> str:
    # The alphabet of CloudFront: what base64 has and a query may not is replaced.
    return base64.b64encode(data).decode().translate(str.maketrans("+=/", "-_~"))


def _xml(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    detail = f"<Code>{code}</Code><Message>{message}</Message>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{detail}</Error>'
    return web.Response(status=status, text=body, content_type="application/xml", headers=headers)
