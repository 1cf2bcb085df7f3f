"""The span of a partition: all that its run knows of it is a key."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo

# As long as the longest of them: from the start of a period, this leads into the next one.
_LENGTHS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=31),
    "quarter": timedelta(days=92),
    "year": timedelta(days=366),
}
_KEY = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:[T ](\d{2})(?::(\d{2})(?::(\d{2}))?)?)?)?)?(Z|[+-]\d{2}:?\d{2})?"
)
_FINEST = ("year", "month", "day", "hour")
_FIRST = (1, 1, 1, 0, 0, 0)
_WEEKDAYS = ("%u", "%w", "%a", "%A")
_JUST_BEFORE = timedelta(microseconds=1)


class UncertainKeyError(ValueError):
    """A key is a time, but its span is not certain; the message says why."""


@dataclass(frozen=True, slots=True)
class KeyFormat:
    """How the keys of partitions of one length are written.

    :param period: ``hour``, ``day``, ``week`` (from Monday on), ``month``, ``quarter`` or ``year``.
    :param pattern: of ``strftime``, with ``{quarter}`` for the number of the quarter.
    :param zone: the clocks that periods go by.
    """

    period: str
    pattern: str
    zone: tzinfo

    def span(self, key: str) -> tuple[datetime, datetime]:
        """The bounds of the partition *key*.

        :raises ValueError: if it is not written so.
        """
        return _period_of(_parse(key, self.pattern, self.zone), self.period, self.zone)


def _parse(key: str, pattern: str, zone: tzinfo) -> datetime:
    """The moment that *key* names, on the clocks of *zone*."""
    is_iso_week = "%G" in pattern
    has_month = any(one in pattern for one in ("%m", "%b", "%B"))
    is_by_quarter = "{quarter}" in pattern and not has_month and not is_iso_week
    # What strptime does not read in the company of a date is a digit, or several, all the same.
    pattern = pattern.replace("{quarter}", "%w" if has_month and not is_iso_week else "%m")
    if is_iso_week and not any(one in pattern for one in _WEEKDAYS):
        pattern, key = f"{pattern} %u", f"{key} 1"
    is_week_beside_date = "%V" in pattern and not is_iso_week
    if is_week_beside_date:
        if not has_month and not is_by_quarter and "%j" not in pattern:
            raise ValueError("a year and a week, but %Y is not the year that counts the weeks")
        # As %U, it would replace the date wherever a weekday is there, too.
        pattern = pattern.replace("%V", "%f")
    try:
        moment = datetime.strptime(key, pattern)  # noqa: DTZ007  # its zone is known
    except re.error as error:  # a directive that is there twice
        raise ValueError(str(error)) from None
    if is_by_quarter:
        moment = moment.replace(month=moment.month * 3 - 2)
    if is_week_beside_date:
        if moment.microsecond != moment.isocalendar().week * 10_000:  # "05" is read as 0.05 seconds
            raise ValueError("the week is not that of the date")
        moment = moment.replace(microsecond=0)
    return moment if moment.tzinfo is None else _on_clocks(moment, zone)


def _on_clocks(moment: datetime, zone: tzinfo) -> datetime:
    """The wall time of *moment*; of one that comes twice, the first, so that periods meet there."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _period_of(moment: datetime, period: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """The bounds, in UTC, of the period in which the clocks of *zone* show *moment*."""
    start = _floor(moment, period)
    end = _floor(start + _LENGTHS[period], period)
    return _in_utc(start, zone), _in_utc(end, zone)


def _floor(moment: datetime, period: str) -> datetime:
    if period == "hour":
        return moment.replace(minute=0, second=0)
    day = moment.replace(hour=0, minute=0, second=0)
    if period == "day":
        return day
    if period == "week":
        return day - timedelta(days=day.weekday())
    first = {"month": day.month, "quarter": (day.month - 1) // 3 * 3 + 1, "year": 1}
    return day.replace(day=1, month=first[period])


def span_of_key(
    key: str,
    zone: tzinfo,
    *,
    next_tick: Callable[[datetime], datetime] | None = None,
    known: datetime | None = None,
) -> tuple[datetime, datetime]:
    """The bounds of the partition *key*, an ISO date that may end with any of its parts.

    Where a schedule writes the key, it lasts until the next one: a format of keys is configured, by default
    to the second, however long the period. Any other is as long as its finest part.

    :param zone: the clocks that the key goes by, if it has no offset.
    :param next_tick: maps a moment to the schedule's first one after it; None where it has none.
    :param known: the start of the partition, where Airflow knows it.
    :raises UncertainKeyError: if the key is too fine to tell, or of another zone than *zone*.
    :raises ValueError: if it is no date.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError("not an ISO date")
    *texts, offset = match.groups()
    parts = [int(text) for text in texts if text is not None]
    year, month, day, hour, minute, second = [*parts, *_FIRST[len(parts) :]]
    start = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001  # its zone follows
    clocks = _offset(offset) or zone
    # Where clocks go back, two periods of an hourly schedule have one key: by itself, it names both of them.
    instants = sorted(_in_utc(start.replace(fold=fold), clocks) for fold in (0, 1))
    if len(parts) > len(_FINEST):
        ticks = [one for one in instants if next_tick and next_tick(one - _JUST_BEFORE) == one]
        if not ticks or next_tick is None:
            raise UncertainKeyError("does not say how long the partition is")
        if known in ticks:
            ticks = [known]
        return ticks[0], next_tick(ticks[-1])
    finest = _FINEST[len(parts) - 1]
    if next_tick is not None:
        here = _on_clocks(instants[0], zone)
        if here == _floor(here, finest):
            start, clocks = here, zone
        elif _have_one_offset(_floor(start + _LENGTHS[finest], finest), zone, clocks):
            # The offset is that of a tick later in the period, after clocks were changed.
            clocks = zone
    elif known is not None and known not in instants:
        raise UncertainKeyError(
            f"starts at {known.isoformat()}, thus on the clocks of another zone"
        )
    first, end = _period_of(start, finest, clocks)
    if next_tick is None or next_tick(first - _JUST_BEFORE) >= end:
        return first, end
    following = _on_clocks(next_tick(end - _JUST_BEFORE), clocks)
    return first, max(end, _in_utc(_floor(following, finest), clocks))


def _in_utc(wall: datetime, clocks: tzinfo) -> datetime:
    return wall.replace(tzinfo=clocks).astimezone(timezone.utc)


def _have_one_offset(wall: datetime, one: tzinfo, other: tzinfo) -> bool:
    return _in_utc(wall, one) == _in_utc(wall, other)


def _offset(text: str | None) -> tzinfo | None:
    if not text:
        return None
    return datetime.fromisoformat(f"2000-01-01T00:00:00{_colon(text)}").tzinfo


def _colon(offset: str) -> str:
    if offset == "Z":
        return "+00:00"
    return offset if ":" in offset else f"{offset[:3]}:{offset[3:]}"
