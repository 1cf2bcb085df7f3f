"""HTTP as data: the requests that a flow yields to its driver, and the responses that come back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timezone
from email.utils import parsedate_to_datetime
from math import isfinite
from urllib.parse import quote, urlsplit

from airflow_provider_assets.sansio.errors import ProtocolError, VendorUnavailableError
from airflow_provider_assets.sansio.strict_json import JSON, LimitError, parse


def where(url: str) -> str:
    """*url* without its query and user info: the part that is safe to show."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def without_queries(text: str) -> str:
    """*text* of a vendor, for people, without the queries of URLs in it: they may be signed."""
    return re.sub(r"(https?://[^\s?#\"'<>]+)[?#][^\s\"'<>]*", r"\1", text)


def url_path(template: str, *values: str) -> str:
    """*template* with each ``{}`` replaced by a value, percent-encoded as one segment of the path."""
    return template.format(*(quote(value, safe="") for value in values))


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request to a vendor's API host.

    :param url: absolute, without a query.
    :param params: query pairs in the order they are sent; a value is percent-encoded strictly.
    :param headers: sent as they are; may hold credentials, so they are never shown.
    :param body: bytes of the body, or None.
    :param idempotent: whether the transport may send it again by itself. A submission is not.
    :param accept: error statuses that the flow wants to see as a response, not as an exception.
    """

    method: str
    url: str
    params: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    idempotent: bool = True
    accept: frozenset[int] = frozenset()

    @property
    def query(self) -> str:
        """The encoded query string, without the question mark."""
        return "&".join(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in self.params)

    @property
    def full_url(self) -> str:
        """URL and query as they go over the wire."""
        return f"{self.url}?{self.query}" if self.params else self.url

    def __str__(self) -> str:
        """Method and place, for people."""
        return f"{self.method} {where(self.url)}"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One response; ``headers`` have lower-case names."""

    status: int
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    def json_object(self) -> dict[str, JSON]:
        """The body as a JSON object.

        :raises ProtocolError: if it is other JSON, or exceeds a limit.
        :raises VendorUnavailableError: if it is not JSON: then something in front of the vendor's API
            answered.
        """
        try:
            data = parse(self.body)
        except LimitError as error:
            raise ProtocolError(
                f"the vendor's reply cannot be read: {error} (HTTP {self.status})",
                status=self.status,
            ) from None
        except ValueError:
            data = None
        if isinstance(data, dict):
            return data
        kind = self.headers.get("content-type", "no content type")[:80]
        kind = kind.encode("ascii", "replace").decode()
        got = f"expected a JSON object, got {kind} of {len(self.body)} bytes (HTTP {self.status})"
        if data is None and self.body.strip() != b"null":
            raise VendorUnavailableError(
                f"{got}; check the connection's base_url and any proxy", status=self.status
            )
        raise ProtocolError(got, status=self.status)

    def json_or_none(self) -> JSON:
        """The body as JSON, or None if it is not JSON: error pages are often HTML."""
        try:
            return parse(self.body)
        except ValueError:
            return None


def json_body(data: JSON) -> bytes:
    """Compact UTF-8 JSON."""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode()


def seconds_to_wait(
    headers: Mapping[str, str], data: Mapping[str, JSON], now: float
) -> float | None:
    """Seconds that a server asks to wait; None if it does not say, or names no usable time.

    :param headers: with lower-case names; ``retry-after-ms`` comes first, then ``retry-after`` (seconds
        or an HTTP date, RFC 9110 section 10.2.3). One that cannot be read counts as not sent.
    :param data: fields of the body: ``remainingSeconds`` is read where no header says it.
    :param now: epoch seconds, which a date is compared with.
    """
    milliseconds = _seconds(headers.get("retry-after-ms"))
    after = headers.get("retry-after", "")
    waits = (
        None if milliseconds is None else milliseconds / 1000,
        _seconds(after),
        _until(after, now),
        _seconds(data.get("remainingSeconds")),
    )
    return next((wait for wait in waits if wait is not None), None)


def _seconds(value: object) -> float | None:
    """*value* as seconds; None for NaN, infinity or a boolean."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return max(seconds, 0.0) if isfinite(seconds) else None


def _until(date: str, now: float) -> float | None:
    """Seconds until *date*; one without a zone is in UTC (RFC 9110 section 5.6.7, asctime-date)."""
    try:
        moment = parsedate_to_datetime(date)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return max(moment.timestamp() - now, 0.0)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
