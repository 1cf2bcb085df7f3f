"""Reading replies: a missing field is a :class:`ProtocolError`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from airflow_provider_assets.sansio.errors import ProtocolError
from airflow_provider_assets.sansio.messages import JSON


def objects(data: Mapping[str, JSON], key: str) -> list[dict[str, JSON]]:
    """The list of objects at *key*."""
    found = data.get(key)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise ProtocolError(f"the vendor's reply lacks a list of objects {key!r}")
    return cast("list[dict[str, JSON]]", found)


def text(data: Mapping[str, JSON], key: str) -> str:
    """The text at *key*, not empty."""
    value = data.get(key)
    if not isinstance(value, str) or not value:
        raise ProtocolError(f"the vendor's reply lacks {key!r}")
    return value


def number(data: Mapping[str, JSON], key: str) -> float:
    """The number at *key*."""
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ProtocolError(f"the vendor's reply lacks the number {key!r}")
    return float(value)
