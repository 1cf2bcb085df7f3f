"""What the replies of a download host mean."""

from __future__ import annotations

import http.client
import re
import time

from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AssetsError,
    AuthenticationError,
    IntegrityError,
    InvalidRequestError,
    RateLimitedError,
    TransferInterruptedError,
)
from airflow_provider_assets.sansio.jobs import Link
from airflow_provider_assets.sansio.messages import without_queries

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_AS_IT_IS = frozenset({"", "identity", "aws-chunked"})  # the last is a mark of some S3 uploads only
_BODY_BYTES, _BODY_SECONDS = 8192, 5.0  # of a refusal's body, and how long it may take
_CODE, _MESSAGE = (re.compile(rf"<{tag}>([^<]{{1,300}})</{tag}>") for tag in ("Code", "Message"))
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)$")


class BrokenError(Exception):
    """A try that failed and may be repeated; the cause is for people."""

    def __init__(self, why: str, *, busy: bool = False, wait: float = 0.0) -> None:
        super().__init__(why)
        self.busy = busy
        self.wait = wait


def headers_for(link: Link) -> dict[str, str]:
    """What is sent with every request; ``identity``, for ranges and lengths are those of the file."""
    return {"Accept-Encoding": "identity", "Accept": "*/*"} | dict(link.headers)


def content_range(response: http.client.HTTPResponse) -> tuple[int, int, int | None]:
    """First and last byte, and the length of the whole if it is known."""
    found = _CONTENT_RANGE.match(response.headers.get("Content-Range", "").strip())
    if not found:
        raise BrokenError("a partial response without a valid Content-Range")
    start, end, total = found.groups()
    return int(start), int(end), None if total == "*" else int(total)


def is_empty(response: http.client.HTTPResponse, announced: int | None) -> bool:
    """Whether a refused range (416) means that the file has no bytes at all."""
    total = response.headers.get("Content-Range", "").strip()
    refused = response.status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE
    return refused and (total == "bytes */0" or (not total and announced == 0))


def check_encoding(response: http.client.HTTPResponse) -> None:
    """:raises IntegrityError: if the bytes are not those of the file but an encoding of them."""
    given = response.headers.get("Content-Encoding", "").strip().lower()
    if given not in _AS_IT_IS:
        raise IntegrityError(
            f"the download comes with Content-Encoding {given!r} although it was asked for as it is; "
            "look for a proxy that compresses"
        )


def validator(response: http.client.HTTPResponse) -> str:
    """What tells this file from another one at the same place; "" if nothing does."""
    return response.headers.get("ETag") or response.headers.get("Last-Modified") or ""


def used_up(response: http.client.HTTPResponse) -> bool:
    """Whether the response was read to its end, so that its connection can serve the next."""
    try:
        return response.isclosed() or not response.read(1)
    except (OSError, http.client.HTTPException):
        return False


def retry_after(response: http.client.HTTPResponse) -> float:
    """Seconds that the server asks to wait, two minutes at most."""
    value = response.headers.get("Retry-After", "").strip()
    return min(float(value), 120.0) if value.isdigit() else 0.0


def why(error: BaseException) -> str:
    """A failure on the wire, for people."""
    if isinstance(error, TimeoutError):
        return "no byte arrived within the stall time"
    return f"{type(error).__name__}: {error}"


def beginning(response: http.client.HTTPResponse) -> bytes:
    """The first few KiB of a body that is read for its words only; less if the host is slow."""
    body, until = b"", time.monotonic() + _BODY_SECONDS
    try:
        while len(body) < _BODY_BYTES and time.monotonic() < until:
            piece = response.read1(_BODY_BYTES - len(body))
            if not piece:
                break
            body += piece
    except (OSError, http.client.HTTPException):
        pass  # what has come is told
    return body


def judged(response: http.client.HTTPResponse, link: Link, what: str) -> AssetsError:
    """The error for *what* being refused, in the words of whoever answered."""
    body = beginning(response)
    names = {name.lower(): value for name, value in response.headers.items()}
    told = link.refused(response.status, names, body) if link.refused else None
    return told or refusal(response.status, what, store_words(body))


def store_words(body: bytes) -> str:
    """Code and message of an object store's XML: S3, CloudFront, GCS and Azure answer alike.

    Nothing else of it is told: some quote the signed URL.
    """
    text = body.decode("utf-8", "replace")
    found = [match[1] for match in (_CODE.search(text), _MESSAGE.search(text)) if match]
    return without_queries(" ".join(": ".join(found).split()))


def refusal(status: int, what: str, words: str = "") -> AssetsError:
    """The error for *what* being answered with *status* and *words*."""
    what = f"{what} ({words})" if words else what
    if status in (404, 410):
        return ArchiveExpiredError(
            f"the {what} is gone (HTTP {status}); clear the archive task to export it anew",
            status=status,
        )
    if status in (401, 403):
        return AuthenticationError(
            f"the {what} is refused (HTTP {status}); clear the archive task to export it anew, and "
            "if that is refused as well, look for a proxy that changes requests",
            status=status,
        )
    if status == http.client.TOO_MANY_REQUESTS:
        return RateLimitedError(f"the {what} is throttled (HTTP 429)", status=status)
    if status in BUSY:
        return TransferInterruptedError(f"the {what} failed (HTTP {status})", status=status)
    return InvalidRequestError(f"the {what} was answered with HTTP {status}", status=status)
