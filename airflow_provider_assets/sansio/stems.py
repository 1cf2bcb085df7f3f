"""Reads the window out of a file name that :attr:`~.jobs.ArchiveRequest.stem` has made."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_MOMENT = r"\d{8}T\d{6}(?:\.\d{3})?"
# The window, a part of the query's fingerprint, the number of the batch, and whatever follows a stem.
_STEM = re.compile(
    rf"(?:(?P<day>\d{{4}}-\d\d-\d\d)|{_MOMENT}_(?P<end>{_MOMENT}))-[0-9a-f]{{8}}(?:-\d{{3,}})?(?:\..*)?"
)


def end_of(name: str, vendor: str) -> datetime | None:
    """The end of the window in the *name* of an object of *vendor*, to the millisecond.

    None for a name of another form, which tells nothing of a window.
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


def _parse(text: str, form: str) -> datetime:
    return datetime.strptime(text, form).replace(tzinfo=timezone.utc)
