"""The meaning of a download host's responses."""

from __future__ import annotations

import http.client
import re
import time

from airflow_provider_assets.pace import SlowError
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
from airflow_provider_assets.sansio.messages import seconds_to_wait, without_queries

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT = 120.0  # seconds; what a host asks for beyond that would idle a worker
_UNENCODED = frozenset(
    {"", "identity", "aws-chunked"}
)  # the last marks some uploads to S3, no encoding
_BODY_BYTES, _BODY_SECONDS = 8192, 5.0  # of a refusal's body, and how long reading it may take
_CODE, _MESSAGE = (re.compile(rf"<{tag}>([^<]{{1,300}})</{tag}>") for tag in ("Code", "Message"))
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)$")


class BrokenError(Exception):
    """An attempt that failed and may be repeated; the text is for people.

    :param wait: seconds that the host asks to wait before the next.
    :param is_slow: bytes arrived, but so few that they are no progress.
    """

    def __init__(self, reason: str, *, wait: float = 0.0, is_slow: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.is_slow = is_slow

    @classmethod
    def of(cls, error: BaseException) -> BrokenError:
        """The attempt that *error* of the network ended."""
        return cls(failure_text(error), is_slow=isinstance(error, SlowError))


def headers_for(link: Link) -> dict[str, str]:
    """Headers of every request; ``identity``, because ranges and lengths are those of the file."""
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
    if given not in _UNENCODED:
        raise IntegrityError(
            f"the download arrives with Content-Encoding {given!r} although it was requested unencoded; "
            "look for a proxy that compresses"
        )


def validator(response: http.client.HTTPResponse) -> str:
    """Identity of the file among all that were at the same place; "" if nothing tells it."""
    return response.headers.get("ETag") or response.headers.get("Last-Modified") or ""


def is_read_to_the_end(response: http.client.HTTPResponse) -> bool:
    """Whether nothing is left of the response, so that its connection can serve the next."""
    try:
        return response.isclosed() or not response.read(1)
    except (OSError, http.client.HTTPException):
        return False


def retry_after(response: http.client.HTTPResponse, now: float) -> float:
    """Seconds that the host asks to wait, two minutes at most."""
    return min(seconds_to_wait(_headers(response), {}, now) or 0.0, _LONGEST_WAIT)


def failure_text(error: BaseException) -> str:
    """A failure of the network, for people."""
    if isinstance(error, TimeoutError) and not isinstance(error, SlowError):
        return "no byte arrived within the stall time"
    return f"{type(error).__name__}: {error}"


def error_of_refusal(response: http.client.HTTPResponse, link: Link, what: str) -> AssetsError:
    """The error for *what* being refused, in the words of whoever answered."""
    body = _beginning(response)
    told = link.refused(response.status, _headers(response), body) if link.refused else None
    return told or error_of_status(response.status, what, _store_message(body))


def error_of_status(status: int, what: str, message: str = "") -> AssetsError:
    """The error for *what* being answered with *status* and *message*."""
    what = f"{what} ({message})" if message else what
    if status in (404, 410):
        return ArchiveExpiredError(
            f"the {what} is gone (HTTP {status}); clear the archive task to export again",
            status=status,
        )
    if status in (401, 403):
        return AuthenticationError(
            f"the {what} is refused (HTTP {status}); clear the archive task to export again, and if that "
            "is refused too, check for a proxy that rewrites URLs",
            status=status,
        )
    if status == http.client.TOO_MANY_REQUESTS:
        return RateLimitedError(f"the {what} is throttled (HTTP 429)", status=status)
    if status in BUSY:
        return TransferInterruptedError(f"the {what} failed (HTTP {status})", status=status)
    return InvalidRequestError(f"the {what} was answered with HTTP {status}", status=status)


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _beginning(response: http.client.HTTPResponse) -> bytes:
    """The first few KiB of a body that is read for its words only; less if the host is slow."""
    body, until = b"", time.monotonic() + _BODY_SECONDS
    try:
        while len(body) < _BODY_BYTES and time.monotonic() < until:
            piece = response.read1(_BODY_BYTES - len(body))
            if not piece:
                break
            body += piece
    except (OSError, http.client.HTTPException):
        pass  # the words that have arrived will do
    return body


def _store_message(body: bytes) -> str:
    """Code and message of an object store's XML: S3, CloudFront, GCS and Azure answer alike.

    Nothing else of it is told: some quote the signed URL.
    """
    text = body.decode("utf-8", "replace")
    found = [match[1] for match in (_CODE.search(text), _MESSAGE.search(text)) if match]
    return without_queries(" ".join(": ".join(found).split()))
