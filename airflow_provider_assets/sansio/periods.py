"""Calendar periods (UTC) of a window: what a report counts by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from airflow_provider_assets.sansio.arguments import require_choice
from airflow_provider_assets.sansio.window import Window

LENGTHS = ("day", "month", "year")
# A label is the beginning of an ISO date.
_DIGITS = {"day": 10, "month": 7, "year": 4}
WHOLE = "all"


@dataclass(frozen=True, slots=True)
class Period:
    """A period and the part of it that lies in the window; None if there is no window.

    :param label: ``2026-01-31``, ``2026-01`` or ``2026``; ``all`` without a window or its beginning.
    """

    label: str
    window: Window | None


def check_length(length: str) -> None:
    """Refuse a length of periods that does not exist.

    :raises InvalidRequestError: naming those that do.
    """
    require_choice(length, "period", LENGTHS)


def fitting_length(window: Window | None, most: int) -> str:
    """The shortest length by which *window* has at most *most* periods; years if none has."""
    for length in LENGTHS:
        if sum(1 for _ in islice(split_into_periods(window, length), most + 1)) <= most:
            return length
    return LENGTHS[-1]


def label_of(moment: datetime, length: str) -> str:
    """The label of the period in which *moment*, in UTC, lies."""
    return moment.isoformat()[: _DIGITS[length]]


def split_into_periods(window: Window | None, length: str) -> Iterator[Period]:
    """The periods that *window* touches, in order; together they are the window.

    One without a beginning is one period: its first days would be listed one by one for nothing.

    :param length: ``day``, ``month`` or ``year``.
    """
    if window is None or not window.has_beginning:
        yield Period(WHOLE, window)
        return
    start = window.start
    while start < window.end:
        end = min(_next(start, length) or window.end, window.end)
        yield Period(label_of(start, length), Window(start, end))
        start = end


def _next(moment: datetime, length: str) -> datetime | None:
    """The beginning of the next period; None after the last year that there is."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        if length == "day":
            return midnight + timedelta(days=1)
        if length == "month":
            return (midnight.replace(day=28) + timedelta(days=4)).replace(day=1)
        return midnight.replace(year=moment.year + 1, month=1, day=1)
    except (OverflowError, ValueError):
        return None
