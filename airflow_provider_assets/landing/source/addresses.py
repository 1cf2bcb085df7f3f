"""The links, hosts and IP addresses from which a download is allowed."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from airflow_provider_assets.landing.options import LandingOptions
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.vendors.connection import is_listed, is_loopback
from airflow_provider_assets.vendors.parsing import MAX_TEXT

_SENDABLE = re.compile(r"[\x21-\x7e]*")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$)(?:{_LABEL}\.)*{_LABEL}")
_NUMBER = re.compile(
    r"[0-9]+|0x[0-9a-f]*"
)  # as the last label: another spelling of an IPv4 address
_WEB_PORTS, _FIRST_FREE_PORT = (80, 443), 1024
# Endings that no public name has (RFC 6761, 6762, 8375; `internal` is reserved by ICANN). Metadata services
# have such names, and behind a proxy only the name is known.
_LOCAL_ENDINGS = frozenset(
    {"arpa", "internal", "intranet", "lan", "local", "localdomain", "localhost"}
)
# Not public, although some releases of Python count them among the global addresses.
_NOT_PUBLIC = tuple(
    map(
        ip_network,
        (
            "168.63.129.16/32",  # Azure's, which serves virtual machines their settings and certificates
            "192.0.0.0/24",  # IETF protocols, and Oracle's metadata service
            "192.88.99.0/24",  # relays of 6to4
            "2001::/23",  # IETF protocols, Teredo among them: it holds an IPv4 address
            "2002::/16",  # 6to4, which holds an IPv4 address too
            "3fff::/20",  # documentation
        ),
    )
)
_UNICAST = ip_network("2000::/3")  # all IPv6 addresses that the public internet uses
_NAT64 = ip_network("64:ff9b::/96")  # IPv4 addresses, as networks without IPv4 see them


def check_link(url: str, options: LandingOptions) -> SplitResult:
    """*url* in its parts, if a download may come from there, as far as the link itself tells.

    The address that a name has is checked when it is connected, by :func:`check_address`.

    :raises InvalidRequestError: if it is refused. No message quotes the link, which may be signed.
    """
    if len(url) > MAX_TEXT:
        raise InvalidRequestError(
            f"the download link has more than {MAX_TEXT} characters; report it to the vendor"
        )
    if not _SENDABLE.fullmatch(url):  # also because urlsplit drops some of these characters
        raise InvalidRequestError(
            "cannot send the download request: its URL contains a space, a control character or a "
            "non-ASCII character; the vendor has to encode it"
        )
    parts, host, port = _split(url)
    name = host.rstrip(".")
    _check_host(name, port, options.private_hosts)
    if parts.scheme == "http" and not options.allow_http and not is_loopback(name):
        raise InvalidRequestError(
            f"the download comes from {host} over http, which anybody on the network could read or change; "
            "ask the vendor for an https link, or set extra allow_http of the connection to true"
        )
    if options.download_hosts is not None and not is_listed(name, options.download_hosts):
        raise InvalidRequestError(
            f"the download comes from {host}, which the connection does not list; if that is right, add "
            f"{name} to its extra download_hosts ({', '.join(options.download_hosts)})"
        )
    return parts


def _split(url: str) -> tuple[SplitResult, str, int | None]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # an unbalanced bracket, or a port that is not a number
        raise _not_a_link("its host or port is malformed") from None
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidRequestError(
            f"cannot download from a {parts.scheme or 'relative'!r} URL"
            + ("" if host else " without a host")
        )
    if "@" in parts.netloc:
        raise _not_a_link("it has a user or a password before its host")
    is_name = "[" not in parts.netloc and _NAME.fullmatch(host.rstrip("."))
    if port == 0 or not (is_name or _literal(host)):
        raise _not_a_link("its host or port is malformed")
    return parts, host, port


def _not_a_link(reason: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"the download link cannot be used: {reason}; ask the vendor for another one"
    )


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    """*host* as an address; None if it is a name, or an address with a zone."""
    try:
        return None if "%" in host else ip_address(host)
    except ValueError:
        return None


def _check_host(name: str, port: int | None, private_hosts: frozenset[str] | None) -> None:
    if private_hosts is None or name in private_hosts:
        return
    if port and port not in _WEB_PORTS and port < _FIRST_FREE_PORT and not is_loopback(name):
        raise _not_a_link(
            f"port {port} of {name} belongs to another service, and only a connection with extra "
            "allow_private_downloads may use it"
        )
    if _literal(name):
        check_address(name, name, private_hosts)
        return
    if is_loopback(name) and any(map(is_loopback, private_hosts)):
        return
    _, dot, last = name.rpartition(".")
    if not dot or last in _LOCAL_ENDINGS or _NUMBER.fullmatch(last):
        raise _private(f"from {name}, which is not a public host name")


def check_address(host: str, address: str, private_hosts: frozenset[str] | None) -> None:
    """Refuse *address*, to which *host* resolves, unless it belongs to the public internet.

    Otherwise a link or a redirect could make the engine store data that only this machine can reach: an
    internal service, or the credentials that a cloud gives its machines.

    :param private_hosts: as in :class:`LandingOptions`.
    :raises InvalidRequestError: if the address is refused.
    """
    if private_hosts is None or host.rstrip(".") in private_hosts:
        return
    number = _plain(ip_address(address.partition("%")[0]))
    if number.is_loopback and any(map(is_loopback, private_hosts)):
        return
    if not _is_public(number):
        raise _private(f"from {host} at {number}, which is not a public address")


def _plain(number: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that is reached through *number*, else *number* itself."""
    if isinstance(number, IPv6Address):
        if number.ipv4_mapped:
            return number.ipv4_mapped
        if number in _NAT64:
            return IPv4Address(int(number) & 0xFFFFFFFF)
    return number


def _is_public(number: IPv4Address | IPv6Address) -> bool:
    if number.version == 6 and number not in _UNICAST:
        return False
    is_special = any(number in network for network in _NOT_PUBLIC)
    return number.is_global and not number.is_multicast and not is_special


def _private(where: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"the download comes {where}. "
        "If it is your own gateway, set extra allow_private_downloads of the connection to true"
    )
