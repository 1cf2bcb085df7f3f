"""Interprets the responses of download hosts."""

from __future__ import annotations

import codecs
import http.client
import re
import time
from urllib.parse import urlsplit

from airflow_provider_assets.network.pace import SlowError
from airflow_provider_assets.sansio.downloads import Link
from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AssetsError,
    AuthenticationError,
    IntegrityError,
    InvalidRequestError,
    RateLimitedError,
    TransferInterruptedError,
)
from airflow_provider_assets.sansio.messages import seconds_to_wait, without_queries
from airflow_provider_assets.sansio.redaction import redacted, secrets_of_headers, secrets_of_url

_BUSY = frozenset({408, 425, 429})
_LONGEST_WAIT = 120.0  # seconds; a longer Retry-After would idle a worker
# S3 stores "aws-chunked" with some uploads, although the object itself is not encoded.
_UNENCODED = frozenset({"", "identity", "aws-chunked"})
_BODY_BYTES, _BODY_SECONDS = 8192, 5.0  # limits of reading the body of a refusal
_CODE, _MESSAGE = (re.compile(rf"<{tag}>([^<]{{1,300}})</{tag}>") for tag in ("Code", "Message"))
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)$")


class BrokenError(Exception):
    """A request that failed and may be repeated; its text explains the failure to users.

    :param wait: seconds that the host asks to wait before the next request.
    :param is_slow: whether bytes arrived, but too slowly to count as progress.
    """

    def __init__(self, reason: str, *, wait: float = 0.0, is_slow: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.is_slow = is_slow

    @classmethod
    def of(cls, error: BaseException) -> BrokenError:
        """The failure that *error* of the network caused."""
        return cls(failure_text(error), is_slow=isinstance(error, SlowError))


def is_busy(status: int) -> bool:
    """Whether the host failed or was overloaded; any 5xx counts, those of a CDN (520 to 527) as well."""
    return status in _BUSY or status >= http.client.INTERNAL_SERVER_ERROR


def headers_for(link: Link) -> dict[str, str]:
    """Headers of every request; ``identity``, because ranges and lengths refer to the file itself."""
    return {"Accept-Encoding": "identity", "Accept": "*/*"} | dict(link.headers)


def content_range(response: http.client.HTTPResponse) -> tuple[int, int, int | None]:
    """First and last byte of a partial response, and the length of the file if it is known."""
    found = _CONTENT_RANGE.match(response.headers.get("Content-Range", "").strip())
    if not found:
        raise BrokenError("the partial response has no valid Content-Range")
    start, end, total = found.groups()
    return int(start), int(end), None if total == "*" else int(total)


def is_empty(response: http.client.HTTPResponse, announced: int | None) -> bool:
    """Whether a refused range (416) means that the file is empty."""
    total = response.headers.get("Content-Range", "").strip()
    refused = response.status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE
    return refused and (total == "bytes */0" or (not total and announced == 0))


def check_encoding(response: http.client.HTTPResponse) -> None:
    """Check that the bytes are those of the file.

    :raises IntegrityError: if they are an encoding of them.
    """
    given = response.headers.get("Content-Encoding", "").strip().lower()
    if given not in _UNENCODED:
        raise IntegrityError(
            f"the download arrived with Content-Encoding {given!r} although it was requested unencoded; "
            "check for a proxy that compresses responses"
        )


def page_instead(response: http.client.HTTPResponse, url: str) -> str:
    """The reason for refusing an HTML page in place of the requested file; "" if the response is not one.

    Proxies and networks that ask to sign in answer with one, with status 200, whatever was asked for.
    Gateways give files this type, too, so the first bytes decide; a later range does not have them.
    """
    kind = response.headers.get_content_type() if response.headers["Content-Type"] else ""
    is_beginning = response.status == http.client.OK or (
        response.status == http.client.PARTIAL_CONTENT and content_range(response)[0] == 0
    )
    is_named_so = urlsplit(url).path.lower().endswith((".html", ".htm"))
    if kind != "text/html" or not is_beginning or is_named_so:
        return ""
    try:
        beginning = response.peek(_BODY_BYTES)
    except (OSError, http.client.HTTPException) as error:
        return failure_text(error)
    if not beginning.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<"):
        return ""
    return (
        "an HTML page arrived instead of the file; check for a proxy or a sign-in page on the way"
    )


def validator(response: http.client.HTTPResponse) -> str:
    """The file's ETag, else its Last-Modified; "" if the response has neither."""
    return response.headers.get("ETag") or response.headers.get("Last-Modified") or ""


def is_read_to_the_end(response: http.client.HTTPResponse) -> bool:
    """Whether the response was read to its end, so that its connection can be reused."""
    try:
        return response.isclosed() or not response.read(1)
    except (OSError, http.client.HTTPException):
        return False


def retry_after(response: http.client.HTTPResponse, now: float) -> float:
    """Seconds that the host asks to wait (Retry-After), at most two minutes."""
    return min(seconds_to_wait(_headers(response), {}, now) or 0.0, _LONGEST_WAIT)


def failure_text(error: BaseException) -> str:
    """A failure of the network, in words for users."""
    if isinstance(error, TimeoutError) and not isinstance(error, SlowError):
        return "no data arrived within the stall time"
    return f"{type(error).__name__}: {error}"


def error_of_refusal(response: http.client.HTTPResponse, link: Link, what: str) -> AssetsError:
    """The error for a refusal of *what*, with the reason that the vendor or the store gives."""
    body = _beginning(response)
    told = link.refused(response.status, _headers(response), body) if link.refused else None
    secrets = {*secrets_of_url(link.url), *secrets_of_headers(link.headers)}
    return told or error_of_status(response.status, what, redacted(_store_message(body), secrets))


def error_of_status(status: int, what: str, message: str = "") -> AssetsError:
    """The error for *what* when the host answers with *status* and *message*."""
    what = f"{what} ({message})" if message else what
    if status in (404, 410):
        return ArchiveExpiredError(
            f"the {what} is gone (HTTP {status}); clear the archive task to export again",
            status=status,
        )
    if status in (401, 403):
        return AuthenticationError(
            f"the {what} was refused (HTTP {status}); clear the archive task to export again, and if that "
            "is refused too, check for a proxy that rewrites URLs",
            status=status,
        )
    if status == http.client.TOO_MANY_REQUESTS:
        return RateLimitedError(f"the {what} is throttled (HTTP 429)", status=status)
    if is_busy(status):
        return TransferInterruptedError(f"the {what} failed (HTTP {status})", status=status)
    return InvalidRequestError(f"the {what} was answered with HTTP {status}", status=status)


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _beginning(response: http.client.HTTPResponse) -> bytes:
    """The first few KiB of an error's body; fewer if the host is slow."""
    body, until = b"", time.monotonic() + _BODY_SECONDS
    try:
        while len(body) < _BODY_BYTES and time.monotonic() < until:
            piece = response.read1(_BODY_BYTES - len(body))
            if not piece:
                break
            body += piece
    except (OSError, http.client.HTTPException):
        pass  # the error is reported with what has arrived
    return body


def _store_message(body: bytes) -> str:
    """Code and message of an object store's XML error, alike in S3, CloudFront, GCS and Azure.

    The rest is left out, because some stores quote the signed URL in it.
    """
    text = body.decode("utf-8", "replace")
    found = [match[1] for match in (_CODE.search(text), _MESSAGE.search(text)) if match]
    return without_queries(" ".join(": ".join(found).split()))
