"""Requests for the bytes of a download: redirects, refusals and busy hosts."""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from airflow_provider_assets.landing.source.connections import Connections
from airflow_provider_assets.landing.source.links import LinkResolver
from airflow_provider_assets.landing.source.responses import (
    BrokenError,
    check_encoding,
    error_of_refusal,
    headers_for,
    is_busy,
    page_instead,
    retry_after,
)
from airflow_provider_assets.sansio.errors import AssetsError, InvalidRequestError

_ANSWERS = frozenset({200, 206, 416})
_REFUSED = frozenset({400, 401, 403, 404, 410})  # S3 and GCS answer 400 to an expired signature
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_OURS = frozenset({"Accept", "Accept-Encoding", "Range", "If-Range"})
_UNSENDABLE = re.compile(r"[^\x21-\x7e]")


@dataclass(slots=True)
class RangeRequester:
    """Requests ranges of one download; thread-safe.

    :ivar busy: number of responses so far in which the host said that it is busy.
    """

    links: LinkResolver
    busy: int = 0

    def get(
        self, connections: Connections, span: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, str]:
        """A response with status 200, 206 or 416, and the URL that sent it.

        :param span: headers that request a range; empty for the whole file.
        :raises BrokenError: if another attempt may succeed, with a renewed link after a refusal.
        :raises AssetsError: if no other attempt can.
        """
        link, serial = self.links.current()
        response, url = _follow(connections, link.url, headers_for(link) | dict(span))
        status = response.status
        if status in _ANSWERS:
            self.links.refusals = 0
            try:
                _check(response, url)
            except (AssetsError, BrokenError):
                connections.drop(
                    url
                )  # its body is not read, so that it could not send another request
                raise
            return response, url
        if is_busy(status):
            connections.drop(url)
            self.busy += 1
            raise BrokenError(f"HTTP {status}", wait=retry_after(response, self.links.now()))
        is_refused = status in _REFUSED
        error = error_of_refusal(
            response, link, "fresh download link" if is_refused else "download"
        )
        connections.drop(url)
        if not is_refused:
            raise error
        self.links.renew(serial, error)
        raise BrokenError(f"HTTP {status}")


def _check(response: http.client.HTTPResponse, url: str) -> None:
    check_encoding(response)
    if page := page_instead(response, url):
        raise BrokenError(page)


def _follow(
    connections: Connections, url: str, sent: dict[str, str]
) -> tuple[http.client.HTTPResponse, str]:
    for _ in range(_MAX_REDIRECTS + 1):
        try:
            response = connections.request("GET", url, headers=sent)
        except (OSError, http.client.HTTPException) as error:
            raise BrokenError.of(error) from error
        if response.status not in _REDIRECTS:
            return response, url
        connections.drop(url)
        target = _target(url, response.headers.get("Location", ""))
        old, new = urlsplit(url), urlsplit(target)
        if (old.scheme, new.scheme) == ("https", "http"):
            raise InvalidRequestError(
                f"{old.hostname} redirects the download to http, which anybody on the network could read or "
                "change; ask the vendor for a link that stays on https"
            )
        if new[:2] != old[:2]:
            sent = {name: value for name, value in sent.items() if name in _OURS}
        url = target
    raise InvalidRequestError(
        f"the download was redirected more than {_MAX_REDIRECTS} times; ask the vendor for a direct link"
    )


def _target(url: str, location: str) -> str:
    # http.client reads headers as Latin-1, so that each character is one byte of what was sent.
    sendable = _UNSENDABLE.sub(lambda found: f"%{ord(found[0]):02X}", location)
    try:
        return sendable if urlsplit(sendable).scheme else urljoin(url, sendable)
    except ValueError:  # an unbalanced bracket; its text quotes the address
        raise InvalidRequestError(
            "the download is redirected to a malformed address; ask the vendor for a direct link"
        ) from None
