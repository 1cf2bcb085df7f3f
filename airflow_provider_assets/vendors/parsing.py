"""Checked reading of what comes in: users' inputs and vendors' replies.

A wrong input is an :class:`InvalidRequestError` that names the field; a reply that lacks a field is a
:class:`ProtocolError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import urlsplit

from airflow_provider_assets.sansio.arguments import cut, has_bytes, shown
from airflow_provider_assets.sansio.errors import InvalidRequestError, ProtocolError
from airflow_provider_assets.sansio.strict_json import JSON

# Characters of an id or a link (the longest signed ones have about 4 KiB), of a status, and of a reason.
# A task's state takes 64 KiB in all.
MAX_TEXT, MAX_STATUS, MAX_REASON = 8_192, 100, 2_000


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
    if len(value) > MAX_TEXT:
        raise ProtocolError(f"the vendor's reply has a {key!r} of {len(value)} characters")
    return value


def brief(value: object, most: int = MAX_STATUS) -> str:
    """*value* as a string of at most *most* characters, which logs and Airflow's task state can hold."""
    return cut(str(value), most)


def address(data: Mapping[str, JSON], key: str) -> str:
    """The http(s) address at *key*, which can go over the wire as it is."""
    url = text(data, key)
    if not is_address(url):
        raise ProtocolError(f"the vendor's reply holds no http(s) address as {key!r}")
    return url


def is_address(value: object) -> bool:
    """Whether *value* is an http(s) address that can go over the wire as it is."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an unbalanced bracket, or a port that is not a number
        return False


def number(data: Mapping[str, JSON], key: str) -> float:
    """The number at *key*."""
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ProtocolError(f"the vendor's reply lacks the number {key!r}")
    return float(value)


def strings(value: object, name: str) -> list[str]:
    """*value* as a list of non-empty strings, repeats dropped.

    :raises InvalidRequestError: naming the field.
    """
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        raise InvalidRequestError(f"{name}: expected a list of ids, got {type(value).__name__}")
    for index, entry in enumerate(value):
        if not isinstance(entry, str) or not entry.strip() or not has_bytes(entry):
            raise InvalidRequestError(f"{name}[{index}]: {shown(entry)} is not an id")
    return list(dict.fromkeys(entry.strip() for entry in value))


def check_names(
    given: Mapping[str, object], known: Sequence[str] | frozenset[str], name: str
) -> None:
    """Refuse names that the vendor does not know, as a typo would silently widen an export.

    :raises InvalidRequestError: naming the unknown and the known.
    """
    unknown = sorted(str(one) for one in set(given) - set(known))
    if unknown:
        raise InvalidRequestError(
            f"{name}: unknown {', '.join(unknown)}; known names are {', '.join(sorted(known))}"
        )
