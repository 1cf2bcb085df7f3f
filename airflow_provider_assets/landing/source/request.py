"""One request for the bytes of a download: its link, redirects, refusals and busy hosts."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from airflow_provider_assets.landing.http import Connections
from airflow_provider_assets.landing.source.responses import (
    BUSY,
    BrokenError,
    check_encoding,
    headers_for,
    judged,
    retry_after,
    why,
)
from airflow_provider_assets.sansio.errors import AssetsError, InvalidRequestError
from airflow_provider_assets.sansio.jobs import Link

_ANSWERS = frozenset({200, 206, 416})
_REFUSED = frozenset({400, 401, 403, 404, 410})  # S3 and GCS answer an expired signature with 400
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HOPS = 5
_OURS = frozenset({"Accept", "Accept-Encoding", "Range", "If-Range"})
_UNSENDABLE = re.compile(r"[^\x21-\x7e]")


@dataclass(slots=True)
class RangeRequester:
    """Asks for ranges of one download; thread-safe.

    :ivar busy: how often the host refused for load.
    """

    links: LinkResolver
    busy: int = 0

    def get(
        self, wire: Connections, span: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, str]:
        """A response with status 200, 206 or 416, and the URL that gave it.

        :param span: the headers that ask for a range; empty for the whole.
        :raises BrokenError: if the same may work later, or with the link that was resolved anew.
        :raises AssetsError: if it will not.
        """
        link, serial = self.links.current()
        response, url = _follow(wire, link.url, headers_for(link) | dict(span))
        status = response.status
        if status in _ANSWERS:
            self.links.refusals = 0
            check_encoding(response)
            return response, url
        if status in BUSY:
            wire.drop(url)
            self.busy += 1
            raise BrokenError(f"HTTP {status}", busy=True, wait=retry_after(response))
        is_refused = status in _REFUSED
        refusal = judged(response, link, "fresh download link" if is_refused else "download")
        wire.drop(url)
        if not is_refused:
            raise refusal
        self.links.renew(serial, refusal)
        raise BrokenError(f"HTTP {status}")


def _follow(
    wire: Connections, url: str, sent: dict[str, str]
) -> tuple[http.client.HTTPResponse, str]:
    for _ in range(_HOPS):
        try:
            response = wire.request("GET", url, headers=sent)
        except (OSError, http.client.HTTPException) as error:
            raise BrokenError(why(error)) from error
        if response.status not in _REDIRECTS:
            return response, url
        wire.drop(url)
        goal = _goal(url, response.headers.get("Location", ""))
        if urlsplit(goal)[:2] != urlsplit(url)[:2]:
            sent = {name: value for name, value in sent.items() if name in _OURS}
        url = goal
    raise InvalidRequestError("the download is redirected in a circle")


def _goal(url: str, given: str) -> str:
    # http.client reads headers as Latin-1, so that each character is one byte of what was sent.
    sendable = _UNSENDABLE.sub(lambda found: f"%{ord(found[0]):02X}", given)
    return sendable if urlsplit(sendable).scheme else urljoin(url, sendable)


_SOON = 10.0  # seconds before its expiry from which a link is not used for a new request
_FRESH_LINKS = 2  # refused in a row before the refusal is believed


@dataclass(slots=True)
class LinkResolver:
    """Thread-safe: however many threads find a link refused, it is resolved anew once.

    :param resolve: asks the vendor. :param now: epoch seconds.
    :ivar refusals: fresh links refused in a row; set to 0 when one works.
    """

    resolve: Callable[[], Link]
    now: Callable[[], float]
    refusals: int = 0
    _link: Link | None = None
    _serial: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def current(self) -> tuple[Link, int]:
        """A link that has not expired, and its serial number."""
        with self._lock:
            link = self._link
            late = link and link.expires_at and link.expires_at - _SOON < self.now()
            if link is None or late:
                self._link = link = self.resolve()
                self._serial += 1
            return link, self._serial

    def renew(self, serial: int, refusal: AssetsError) -> None:
        """Link number *serial* was refused.

        :raises AssetsError: *refusal*, if fresh links are refused as well.
        """
        with self._lock:
            if serial != self._serial:
                return
            self.refusals += 1
            if self.refusals > _FRESH_LINKS:
                raise refusal
            self._link = self.resolve()
            self._serial += 1
