"""Chooses the proxy of a request from the environment, by the rules of ``requests``.

It reads ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``ALL_PROXY`` in upper or lower case, with or without scheme and
login, and ``NO_PROXY`` with names, ports, addresses and networks. API requests and downloads share these
rules; otherwise a proxy that works for the API could fail for downloads.
"""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from airflow_provider_assets.sansio.errors import InvalidRequestError


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that speaks HTTP.

    :param named_by: the environment variable that names it, for errors.
    :param login: user and password, None if there are none.
    """

    host: str
    port: int
    named_by: str
    login: tuple[str, str] | None = field(default=None, repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """The login as a header, for the proxy only."""
        if not self.login:
            return {}
        text = ":".join(self.login).encode("latin-1")
        return {"Proxy-Authorization": "Basic " + b64encode(text).decode()}

    @property
    def url(self) -> str:
        """URL of the proxy, with its login."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        login = ":".join(quote(part, safe="") for part in self.login) + "@" if self.login else ""
        return f"http://{login}{host}:{self.port}"


def proxy_for(url: str) -> Proxy | None:
    """The proxy for requests to *url*; None if they need no proxy.

    :raises InvalidRequestError: if the environment names an unsupported proxy, or an invalid one.
    """
    parts = urlsplit(url)
    if not parts.hostname or _is_exempt(parts):
        return None
    proxies = getproxies()
    value = proxies.get(parts.scheme) or proxies.get("all")
    return _parsed(value, _variable(parts.scheme), parts.hostname) if value else None


def _variable(scheme: str) -> str:
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    return next((name for name in names if os.environ.get(name)), "the system's proxy setting")


def _parsed(value: str, named_by: str, target: str) -> Proxy:
    # No error quotes the value, since it may contain a login.
    try:
        proxy = urlsplit(value if "://" in value else f"http://{value}")
        host, port = proxy.hostname, proxy.port or 80
    except ValueError:
        host, port = None, 0
    if not host:
        raise InvalidRequestError(f"{named_by} names no usable proxy; set it to http://host:port")
    if proxy.scheme != "http":
        raise InvalidRequestError(
            f"{named_by} names a {proxy.scheme}:// proxy, and only http:// proxies are supported; set it "
            f"to an http:// proxy, or exempt {target} in NO_PROXY"
        )
    return Proxy(host, port, named_by, _login(proxy, named_by))


def _login(proxy: SplitResult, named_by: str) -> tuple[str, str] | None:
    if proxy.username is None:
        return None
    login = unquote(proxy.username), unquote(proxy.password or "")
    if max("".join(login), default="") > "\xff":
        raise InvalidRequestError(
            f"the login in {named_by} contains a character outside Latin-1, which cannot be sent to a proxy"
        )
    return login


def _is_exempt(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    with_port = f"{host}:{parts.port}" if parts.port else host
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    for entry in filter(None, listed.replace(" ", "").lower().split(",")):
        name = entry.lstrip(".")
        if _is_in_network(host, entry) or name in (host, with_port):
            return True
        if host.endswith(f".{name}") or with_port.endswith(f".{name}"):
            return True
    return bool(proxy_bypass(host))  # "*", and the exceptions in the system's settings


def _is_in_network(host: str, entry: str) -> bool:
    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:  # a name
        return False
