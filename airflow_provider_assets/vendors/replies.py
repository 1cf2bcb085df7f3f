"""Reading replies. A shape that is missing is a :class:`ProtocolError`, but a wait is a mere hint."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isfinite
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


def seconds_to_wait(
    headers: Mapping[str, str], data: Mapping[str, JSON], now: float
) -> float | None:
    """What the vendor asks to wait: a header in ms, in seconds or as a date, or a field of the body.

    :param now: epoch seconds.
    """
    if "retry-after-ms" in headers:
        wait = _seconds(headers["retry-after-ms"])
        return None if wait is None else wait / 1000
    if "retry-after" in headers:
        text = headers["retry-after"]
        wait = _seconds(text)
        return _until(text, now) if wait is None else wait
    return _seconds(data.get("remainingSeconds"))


def _seconds(value: object) -> float | None:
    """*value* if it can be waited: not NaN, endless, or a truth value."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return max(seconds, 0.0) if isfinite(seconds) else None


def _until(date: str, now: float) -> float | None:
    try:
        return max(parsedate_to_datetime(date).timestamp() - now, 0.0)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
