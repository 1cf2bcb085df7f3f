"""The registry of vendors: one line for each built-in vendor, entry points for all others.

An installed package adds a vendor with an entry point in the group
``airflow_provider_assets.vendors``: its name is the connection type, its value the vendor class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.vendors.base import Vendor, VendorSpec

ENTRY_POINT_GROUP = "airflow_provider_assets.vendors"

BUILT_IN = {
    "scenario": "airflow_provider_assets.vendors.scenario:Scenario",
    "topaz": "airflow_provider_assets.vendors.topaz:Topaz",
    "huawei_roma": "airflow_provider_assets.vendors.huawei_roma:HuaweiRoma",
}


def vendor_class(conn_type: str) -> type[Vendor]:
    """The vendor class of a connection type.

    :raises InvalidRequestError: if there is none; the message lists those there are.
    """
    if conn_type in BUILT_IN:
        module, _, name = BUILT_IN[conn_type].partition(":")
        found = getattr(import_module(module), name)
    else:
        points = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
        if conn_type not in points:
            known = ", ".join(sorted({*BUILT_IN, *points}))
            raise InvalidRequestError(
                f"connection type {conn_type!r} belongs to no vendor; known types are {known}"
            )
        found = points[conn_type].load()
    if not (isinstance(found, type) and issubclass(found, Vendor)):
        raise InvalidRequestError(f"{found!r}, registered for {conn_type!r}, is not a Vendor")
    return found


def narrowing(select: Mapping[str, JSON]) -> dict[str, JSON]:
    """Those of *select* that narrow a listing, where the vendor is not known yet.

    Left out is what narrows nothing at one of the vendors (:attr:`VendorSpec.allowing`).
    """
    return {name: value for name, value in select.items() if name not in _allowing()}


@cache
def _allowing() -> frozenset[str]:
    return frozenset(name for spec in _specs() for name in spec.allowing)


def _specs() -> Iterator[VendorSpec]:
    for conn_type in (*BUILT_IN, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))):
        with suppress(Exception):  # a vendor that cannot be imported is an error where it is used
            yield vendor_class(conn_type).spec


__all__ = ["Vendor", "VendorSpec", "narrowing", "vendor_class"]
