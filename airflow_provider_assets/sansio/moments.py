"""Moments in time: read from ISO 8601, brought to UTC, compared with a worker's clock, and written."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from airflow_provider_assets.sansio.arguments import is_none, shown
from airflow_provider_assets.sansio.errors import InvalidRequestError

# By which the clocks of a scheduler and a worker may differ.
_SKEW = timedelta(minutes=1)


def is_to_come(end: datetime, now: datetime) -> bool:
    """Whether a span that ends at *end* has not ended at *now* of a worker.

    Its clock may be a little behind that of the scheduler, which started the run at the end of the span.
    """
    return end > now + _SKEW


def in_utc(moment: datetime) -> datetime:
    """*moment*, which is zoned, as a plain datetime in UTC.

    Python compares two moments of one zone by their clocks, which go back in autumn; and Airflow's
    pendulum datetimes cannot always be subtracted from plain ones.
    """
    utc = moment.astimezone(timezone.utc)
    return datetime.combine(utc.date(), utc.time(), timezone.utc)


def parse_moment(value: object, name: str) -> datetime:
    """A zoned datetime from itself or from an ISO 8601 string.

    :param name: the field's name, for the error.
    :raises InvalidRequestError: if it is neither, or has no time zone.
    """
    if isinstance(value, str):
        text = re.sub(r"[Zz]$", "+00:00", value.strip())
        # Python 3.10 reads no other number of digits of a second's fraction,
        text = re.sub(r"\.(\d{1,6})\d*", lambda m: "." + m.group(1).ljust(6, "0"), text)
        text = re.sub(r"(:\d\d(?:\.\d+)?[+-]\d\d)(\d\d)$", r"\1:\2", text)  # nor +0000
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            raise InvalidRequestError(
                f"{name}: {shown(value)} is not an ISO 8601 date and time such as "
                "2026-01-31T00:00:00+00:00"
            ) from None
    if not isinstance(value, datetime):
        got = "None" if is_none(value) else type(value).__name__
        raise InvalidRequestError(f"{name}: expected a datetime, got {got}")
    if value.tzinfo is None:
        raise InvalidRequestError(f"{name}: {value.isoformat()} has no time zone; add +00:00")
    try:
        value.astimezone(timezone.utc)
    except OverflowError:
        raise InvalidRequestError(
            f"{name}: {value.isoformat()} is before the year 1 or after the year 9999 in UTC"
        ) from None
    return value


def whole_ms(moment: datetime) -> datetime:
    """*moment* without the microseconds that its written form leaves out."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def iso_ms(moment: datetime) -> str:
    """*moment* in UTC as ``2026-01-31T00:00:00.000Z``."""
    utc = moment.astimezone(timezone.utc)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"
