"""File names of batches, without extension: made of window or date, and read again for the window."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta, timezone

from airflow_provider_assets.sansio.moments import parse_moment

_MOMENT = r"\d{8}T\d{6}(?:\.\d{3})?"
# The window, a part of the query's fingerprint, the number of the batch, and whatever follows a stem.
_STEM = re.compile(
    rf"(?:(?P<day>\d{{4}}-\d\d-\d\d)|{_MOMENT}_(?P<end>{_MOMENT}))-[0-9a-f]{{8}}(?:-\d{{3,}})?(?:\..*)?"
)


def stem(
    vendor: str, window: tuple[str, str] | None, run_date: str, query_id: str, number: int | None
) -> str:
    """The stem of a batch.

    :param window: its ISO bounds; None if there is none.
    :param run_date: the date of the run (ISO), which is used where there is no window; "" for none.
    :param query_id: its first eight characters are in the stem.
    :param number: of the batch, from 1; None for the only one.
    """
    parts = [vendor]
    if window:
        parts.append(_span(*window))
    elif run_date:
        parts.append(_compact(_moment(run_date)))
    parts.append(query_id[:8])
    if number is not None:
        parts.append(f"{number:03d}")
    return "-".join(parts)


def end_of(name: str, vendor: str) -> datetime | None:
    """The end of the window in the *name* of an object of *vendor*, to the millisecond.

    None for a name of another form, which says nothing about a window.
    """
    found = _STEM.fullmatch(name.removeprefix(f"{vendor}-"))
    if found is None:
        return None
    try:
        if found["day"]:
            return _parse(found["day"], "%Y-%m-%d") + timedelta(days=1)
        return _parse(found["end"], "%Y%m%dT%H%M%S.%f" if "." in found["end"] else "%Y%m%dT%H%M%S")
    except (ValueError, OverflowError):
        return None  # no date: somebody else's name


def _span(start: str, end: str) -> str:
    """A window in a file name: the date where it is one whole UTC day, else both bounds."""
    first, last = _moment(start), _moment(end)
    if last - first == timedelta(days=1) and first.time() == time():
        return start[:10]
    return "_".join(map(_compact, (first, last)))


def _moment(text: str) -> datetime:
    return parse_moment(text, "moment")


def _compact(moment: datetime) -> str:
    milliseconds = f".{moment.microsecond // 1000:03d}" if moment.microsecond else ""
    return f"{moment:%Y%m%dT%H%M%S}{milliseconds}"


def _parse(text: str, form: str) -> datetime:
    return datetime.strptime(text, form).replace(tzinfo=timezone.utc)
