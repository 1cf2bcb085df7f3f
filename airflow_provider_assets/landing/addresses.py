"""The IP addresses from which a download is allowed."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.vendors.connection import is_loopback

# A public address by its number, but Azure's: it serves virtual machines their settings and certificates.
_AZURE_HOST = ip_address("168.63.129.16")


def check_address(host: str, address: str, private_hosts: frozenset[str] | None) -> None:
    """Refuse *address*, to which *host* resolves, unless it belongs to the public internet.

    Otherwise a link or a redirect could make the engine store data that only this machine can reach: an
    internal service, or the credentials that a cloud gives its machines.

    :param private_hosts: as in :class:`LandingOptions`.
    :raises InvalidRequestError: if the address is refused.
    """
    if private_hosts is None or host in private_hosts:
        return
    number = ip_address(address.partition("%")[0])
    if isinstance(number, IPv6Address) and number.ipv4_mapped:
        number = number.ipv4_mapped
    if number.is_loopback and any(map(is_loopback, private_hosts)):
        return
    if not number.is_global or number.is_multicast or number == _AZURE_HOST:
        raise InvalidRequestError(
            f"the download comes from {host}, which is at {number}: not an address of the public internet. "
            "If it is a gateway of yours, set extra allow_private_downloads of the connection to true"
        )
