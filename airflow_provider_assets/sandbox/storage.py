"""The download host: pre-signed links on a name and port of its own.

A link is good for one method, one path and one query, byte for byte, until it expires, in the
style of CloudFront (Policy, Signature, Key-Pair-Id). Any Authorization header is refused, as S3
does: two kinds of credentials in one request are a client's mistake. Range, If-Range and ETag
follow RFC 9110.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from aiohttp import web

from airflow_provider_assets.sandbox.bodies import Body, cut_of, write_body
from airflow_provider_assets.sandbox.clock import Clock
from airflow_provider_assets.sandbox.faults import fault_of
from airflow_provider_assets.sandbox.stats import Stats

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_KEY_PAIR = "K2SANDBOX"


@dataclass(slots=True)
class Storage:
    """Objects by path, and signed links to them."""

    clock: Clock
    stats: Stats
    secret: bytes
    origin: str = ""
    _objects: dict[str, Body] = field(default_factory=dict)
    _makers: dict[str, Callable[[str], Body | None]] = field(default_factory=dict)

    def put(self, path: str, body: Body) -> None:
        """Store an object under a path such as ``/scenario/archives/j/a.zip``."""
        self._objects[path] = body

    def make(self, folder: str, maker: Callable[[str], Body | None]) -> None:
        """Make the objects of a folder such as ``/scenario/assets/`` from their names, on demand."""
        self._makers[folder] = maker

    def drop(self, path: str) -> None:
        """Remove an object; links to it are answered with 404 from now on."""
        self._objects.pop(path, None)

    def link(self, path: str, *, seconds: float, method: str = "GET") -> str:
        """A signed URL that expires after ``seconds``."""
        path = quote(path)
        return f"{self.origin}{path}?{self._query(path, method, self.clock.now() + seconds)}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """GET or HEAD one object."""
        fault = fault_of(request)
        if fault and fault.kind == "expired":
            return _xml(403, "AccessDenied", "Request has expired")
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        body = self._find(request.path)
        if body is None:
            return _xml(404, "NoSuchKey", "The specified key does not exist.")
        if request.method == "GET" and body.job_id:
            self.stats.job(body.job_id, "download")
        return await self._send(request, body)

    def _query(self, path: str, method: str, expires: float) -> str:
        limit = {"DateLessThan": {"AWS:EpochTime": expires}}
        policy = {"Statement": [{"Resource": path, "Method": method, "Condition": limit}]}
        encoded = _websafe(json.dumps(policy, separators=(",", ":")).encode())
        mac = hmac.new(self.secret, f"{method} {path} {encoded}".encode(), hashlib.sha256)
        return f"Policy={encoded}&Signature={_websafe(mac.digest())}&Key-Pair-Id={_KEY_PAIR}"

    def _refusal(self, request: web.Request) -> web.Response | None:
        """The error of a request that may not have the object, as S3 and CloudFront word it."""
        if "Authorization" in request.headers:
            return _xml(400, "InvalidArgument", "Only one auth mechanism allowed")
        path, _, query = request.raw_path.partition("?")
        expires = _expiry(request.query.get("Policy", ""))
        if expires is None or query != self._query(path, request.method, expires):
            return _xml(403, "AccessDenied", "Access denied")
        if expires <= self.clock.now():
            return _xml(403, "AccessDenied", "Request has expired")
        return None

    def _find(self, path: str) -> Body | None:
        folder, slash, name = path.rpartition("/")
        maker = self._makers.get(folder + slash)
        return maker(name) if maker else self._objects.get(path)

    async def _send(self, request: web.Request, body: Body) -> web.StreamResponse:
        """The whole object or the range asked for, as far as the request's fault allows."""
        fault = fault_of(request)
        kind = fault.kind if fault else ""
        etag = f'"{body.blob.etag}{"-new" if kind == "new-etag" else ""}"'
        headers = {"ETag": etag, "Content-Type": body.content_type, "Accept-Ranges": "bytes"}
        size = body.blob.size
        span = None if kind == "no-range" else _span(request, size, etag)
        if span == ():
            return _xml(
                416, "InvalidRange", "Not satisfiable", {"Content-Range": f"bytes */{size}"}
            )
        start, stop = span or (0, size)
        response = web.StreamResponse(status=206 if span else 200, headers=headers)
        if span:
            response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        if kind == "short":
            stop = start + cut_of(fault, stop - start)
        if kind != "no-length":
            response.content_length = stop - start
        await response.prepare(request)
        if request.method == "GET":
            pieces, size = body.blob.read(start, stop), stop - start
            await write_body(request, response, pieces, body=body, size=size, stats=self.stats)
        return response


def _span(request: web.Request, size: int, etag: str) -> tuple[int, int] | tuple[()] | None:
    """The half-open span asked for; None for all of it, () for one that cannot be satisfied."""
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
