"""Changes a valid document or reply into a hostile one: any type at any place, and what is no JSON at all."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import lru_cache
from random import Random

from airflow_provider_assets.sansio.messages import HttpResponse

DEEP = "@deep@"
LEVELS = 10_000
LONG, ENORMOUS = "x" * 3_000, "y" * 100_000
STRANGE = (
    *(None, True, False, 0, -1, 1, 2, 0.5, -0.0, 1e308, -1e308, 1e16, 1e11, 253402300800, 2**31, 2**63),
    *(float("nan"), float("inf"), float("-inf"), 10**30, 10**400, -(10**400)),
    *("", " ", "0", "-1", "NaN", "1e400", LONG, ENORMOUS),
    *("\ud800", "\udfff\ud800", "\0", "a\r\nb: c", "é\U0001f600"),
    *("..", "../../etc/passwd", "/", "%", "{}", "a/b?c#d", "http://[", "https://", "https://h:99999/", "x:y"),
    *("https://h.example/a b", "https://h\u0661.example/", "https://user:pw@h.example/?sig=1", "http://a\n"),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999-23:59", "2026-01-09", "2026-01-09T00:00:00Z"),
    *("2026-13-45T99:99:99Z", "failed", "success", "Completed", "SUCCEEDED", "finished", "RUNNING", "links"),
    *([], {}, [None], [[]], [{}], [""], ["a", 1], {"": {}}, {"id": None}, {"message": {"error": {}}}, DEEP),
)  # fmt: skip
NAMES = (
    "id",
    "status",
    "version",
    "error",
    "message",
    "metadata",
    "total",
    "mode",
    "failed",
    "\ud800",
    "",
)
RETRY_AFTER = (
    *("0", "-1", "-0.5", "1", "29", "31", "1e18", "1000000000000000000", "9" * 400, "nan", "inf", "-inf"),
    *("", " ", "abc", "1,2", "0x10", "1_0", "\u0665"),
    *("Fri, 31 Dec 9999 23:59:59 GMT", "Sat, 01 Jan 0000 0:0:0"),
    *("Mon, 01 Jan 0001 00:00:00 +2359", "Fri, 31 Dec 9999 23:59:59 -2359", "Thu, 01 Jan 1970 00:00:00 GMT"),
    *("31 Feb 2026 00:00:00 GMT", "Sun, 11 Jan 2026 08:01:40 -0000", "2026-01-11T00:00:00Z", "1" * 5000),
)  # fmt: skip
TYPES = (
    "text/html",
    "application/json; charset=utf-16",
    "",
    "multipart/x",
    "application/zip",
    "\0",
    "é",
    "text/\udcff",
)
HEADERS = (
    "retry-after",
    "retry-after-ms",
    "x-request-id",
    "x-subject-token",
    "location",
    "content-length",
)
STATUSES = (*range(100, 600), 0, 1, 99, 600, 999, 10**9)
FREQUENT = (
    *(200, 201, 202, 204, 206, 269, 301, 302, 400, 401, 402, 403, 404, 408, 409, 410, 412, 425),
    *(429, 500, 503),
)
BYTES = (b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\0", b"\\")
CODES = ("utf-16", "utf-32", "latin-1")
PAGES = (
    *(b"", b" ", b"null", b"[]", b'""', b"0", b"<html><body>Bad Gateway</body></html>"),
    *(b"\xff\xfe", b"\x1f\x8b\x08", b"PK\x03\x04", b"}{", b'{"a":'),
)


def strange(rng: Random) -> object:
    """One of :data:`STRANGE`, for the caller to change."""
    return copy.deepcopy(rng.choice(STRANGE))


def mutated(rng: Random, tree: object) -> object:
    """*tree*, changed in one to three places; it is the caller's to change."""
    holder = [tree]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        _change(rng, holder)
    return holder[0]


def _change(rng: Random, holder: list[object]) -> None:
    parent, key = _place(rng, holder)
    value = parent[key]
    kind = rng.random()
    if kind < 0.55:
        parent[key] = strange(rng)
    elif kind < 0.7 and isinstance(parent, dict):
        del parent[key]
    elif kind < 0.75 and parent is not holder:
        _, other = _place(rng, holder)
        if isinstance(parent, dict):
            parent[str(other)] = value
        else:
            parent.append(value)
    elif kind < 0.8 and isinstance(value, dict):
        value[rng.choice(NAMES)] = strange(rng)
    elif kind < 0.85 and isinstance(value, list):
        value += value[: rng.randrange(4)]
    elif kind < 0.9:
        parent[key] = [value]
    elif kind < 0.95:
        parent[key] = {rng.choice(NAMES): value}
    else:
        parent[key] = str(value)


def _place(rng: Random, holder: list[object]) -> tuple[list | dict, object]:
    """A container in *holder* and a key of it, each level with less probability than the one above."""
    parent, key = holder, 0
    while True:
        value = parent[key]
        if not isinstance(value, (list, dict)) or not value or rng.random() < 0.2:
            return parent, key
        parent = value
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))


@lru_cache(maxsize=8)
def _deep(opening: bytes, closing: bytes) -> bytes:
    return opening * LEVELS + closing * LEVELS


def encoded(rng: Random, tree: object) -> bytes:
    """*tree* as JSON, with what Python writes and JSON does not know, and sometimes broken."""
    body = json.dumps(tree).encode()
    if DEEP.encode() in body:
        deep = _deep(*rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"[[", b"]]"))))
        for name in (f'"{DEEP}"'.encode(), f"{DEEP}".encode()):
            body = body.replace(name, deep, 1)
    return _broken(rng, body) if rng.random() < 0.15 else body


def _broken(rng: Random, body: bytes) -> bytes:
    at = rng.randrange(len(body) + 1)
    kind: Callable[[], bytes] = rng.choice(
        (
            lambda: body[:at],
            lambda: b"\xef\xbb\xbf" + body,
            lambda: body[:at] + rng.choice(BYTES) + body[at:],
            lambda: body.decode(errors="replace").encode(rng.choice(CODES), "replace"),
            lambda: body + rng.choice((b"x", b"\0", b"{}", b"\n\n")),
            lambda: body.replace(b", ", b', "id": 1, "status": null, ', 1),
            lambda: rng.choice(PAGES),
        )
    )  # fmt: skip
    return kind()


def hostile(rng: Random, valid: HttpResponse) -> HttpResponse:
    """*valid* with another body, status or headers, or several of them."""
    status, headers, body = valid.status, valid.headers, valid.body
    kind = rng.random()
    if kind < 0.8:
        body = encoded(rng, mutated(rng, json.loads(body) if body else None))
    if kind > 0.7:
        status = rng.choice(FREQUENT if rng.random() < 0.6 else STATUSES)
    if kind > 0.9 or kind < 0.03:
        name = rng.choice(HEADERS)
        value = rng.choice(
            RETRY_AFTER if name.startswith("retry") else ("", "a\nb", "x" * 9000, "é", "\udcff")
        )
        headers = {**headers, "content-type": rng.choice(TYPES), name: value}
    return HttpResponse(status, headers, body)
