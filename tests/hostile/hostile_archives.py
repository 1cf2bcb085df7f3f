"""A zoo of hostile archives: small ones, each with what has to come of it."""

from __future__ import annotations

from functools import cache

from archive_formats import methods, zip64
from archive_frames import frames, strangers
from archive_kit import Hostile
from archive_lies import descriptors, fifield, lies, overlapping
from archive_names import kinds, names

_PARTS = (names, kinds, overlapping, lies, descriptors, methods, zip64, frames, strangers)


@cache
def zoo() -> dict[str, Hostile]:
    """All of them, by name."""
    every = [fifield(), *(one for part in _PARTS for one in part())]
    found = {one.name: one for one in every}
    assert len(found) == len(every)
    return found
