"""An Airflow connection as plain data, its form, and which addresses credentials may be sent to."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.messages import where
from airflow_provider_assets.sansio.strict_json import JSON


@dataclass(frozen=True, slots=True)
class VendorConnection:
    """An Airflow connection as plain data; its repr shows no credential."""

    conn_id: str
    conn_type: str = ""
    host: str = ""
    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    extra: Mapping[str, JSON] = field(default_factory=dict, repr=False)

    def text(self, name: str) -> str:
        """Extra *name* as text; "" if it is not set."""
        value = self.extra.get(name)
        return "" if value is None else str(value).strip()

    def flag(self, name: str) -> bool:
        """Extra *name* as a boolean; false if it is not set."""
        return self.text(name).lower() in {"true", "1", "yes", "on"}


@dataclass(frozen=True, slots=True)
class ConnectionForm:
    """A vendor's fields of Airflow's connection form.

    Airflow marks a field as required unless its type includes ``null``, and an empty one as wrong from the
    start unless its default is a string. A ``section`` of the schema is a part of the form with a heading.

    :param fields: extra name -> Airflow ``conn-fields`` entry; :data:`COMMON_FIELDS` follow them.
    """

    hidden: tuple[str, ...]
    relabeling: Mapping[str, str]
    placeholders: Mapping[str, str]
    fields: Mapping[str, Mapping[str, JSON]]


COMMON_FIELDS: Mapping[str, Mapping[str, JSON]] = {
    "requests_per_second": {
        "label": "Requests per second",
        "description": "Limit within one process; to limit tasks across workers, use an Airflow pool.",
        "schema": {"type": ["number", "null"]},
    },
    "max_concurrent_downloads": {
        "label": "Concurrent downloads",
        "description": "Connections that one landing may open to the source.",
        "schema": {"type": ["integer", "null"]},
    },
    "allow_http": {
        "label": "Allow http",
        "description": "Allow a base URL and downloads without https, which sends credentials unencrypted.",
        "schema": {"type": ["boolean", "null"], "default": False},
    },
    "allow_private_downloads": {
        "label": "Allow private downloads",
        "description": "Download from addresses that are not public, such as a gateway in your network.",
        "schema": {"type": ["boolean", "null"], "default": False},
    },
    "download_hosts": {
        "label": "Download hosts",
        "description": "The only hosts to download from besides the API's, separated by commas, such as "
        "*.example.com.",
        "schema": {"type": ["string", "null"]},
    },
}

_HOST = re.compile(r"(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[?[0-9a-f:.]*:[0-9a-f:.]*\]?")


def download_hosts(connection: VendorConnection, base_url: str) -> tuple[str, ...] | None:
    """Extra ``download_hosts``, a list or a string with commas, and the API's own host; None if not set.

    :raises InvalidRequestError: if an entry is neither a host nor ``*.`` and a host.
    """
    given = connection.extra.get("download_hosts")
    entries = given if isinstance(given, list) else connection.text("download_hosts").split(",")
    texts = [str(entry).strip().lower() for entry in entries]
    hosts = [one.rstrip(".") for one in texts if one]
    for number, host in enumerate(hosts, 1):
        if not _HOST.fullmatch(host):
            raise InvalidRequestError(
                f"connection {connection.conn_id!r}: entry {number} of download_hosts is not a host; name "
                "hosts without scheme, port and path, such as files.example.com or *.example.com"
            )
    if not hosts:
        return None
    return (*(host.strip("[]") for host in hosts), urlsplit(base_url).hostname or "")


def is_listed(host: str, listed: Collection[str]) -> bool:
    """Whether *listed* names *host*, or ``*.`` and a domain to which it belongs."""
    return any(host == one or (one[:2] == "*." and host.endswith(one[1:])) for one in listed)


def check_texts(connection: VendorConnection) -> None:
    """Check that everything sent from *connection* can be encoded.

    :raises InvalidRequestError: if a string in it contains half of a surrogate pair.
    """
    for name in ("host", "login", "password", "extra"):
        try:
            json.dumps(getattr(connection, name), ensure_ascii=False, default=str).encode()
        except UnicodeEncodeError:
            raise InvalidRequestError(
                f"connection {connection.conn_id!r}: {name} contains a character that cannot be encoded; "
                "enter it again"
            ) from None


def check_url(url: str, name: str, connection: VendorConnection) -> str:
    """*url* without a trailing slash, if credentials may be sent there.

    :raises InvalidRequestError: unless it is https, or http to a loopback address, or the connection
        says ``allow_http``.
    """
    try:
        parts = urlsplit(url if "://" in url else f"https://{url}")
        known = parts.scheme in {"http", "https"} and parts.port != 0
    except ValueError:  # an unbalanced bracket, or a port that is not a number
        known = False
    if not known or not parts.hostname:
        raise InvalidRequestError(
            f"connection {connection.conn_id!r}: {name} is not an http(s) address"
        )
    if not re.fullmatch(r"[!-~]{1,2000}", url):
        raise InvalidRequestError(
            f"connection {connection.conn_id!r}: {name} contains a character that is not allowed in an "
            "address, or more than 2,000; write an international name as xn--…, and percent-encode a path"
        )
    here = f"connection {connection.conn_id!r}: {name} {where(parts.geturl())!r}"
    if parts.username is not None or parts.query or parts.fragment:
        raise InvalidRequestError(
            f"{here} is more than an address; leave out user, password, query and fragment"
        )
    if (
        parts.scheme == "http"
        and not is_loopback(parts.hostname)
        and not connection.flag("allow_http")
    ):
        raise InvalidRequestError(
            f"{here} would send credentials unencrypted; use https, or set extra allow_http to true"
        )
    return parts.geturl().rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether *host* is a loopback name or address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
