"""A half-open span ``[start, end)`` of time, and the forms in which a user states one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Union

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.moments import in_utc, iso_ms, whole_ms

# The start of a window without a beginning: no vendor holds anything older.
BEGINNING = datetime(1970, 1, 1, tzinfo=timezone.utc)
WindowSpec = Union[str, timedelta, "tuple[object, object]", "list[object]", None]


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open span; both bounds are in UTC and ``start < end``.

    They are whole milliseconds, as they are written: else an item of the last one would be in this window
    and in one that resumes from the written end. One without a beginning starts at :data:`BEGINNING`.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """:raises InvalidRequestError: for a naive bound or an empty span."""
        for name, bound in (("start", self.start), ("end", self.end)):
            if bound.tzinfo is None:
                raise InvalidRequestError(
                    f"window {name} {bound.isoformat()} has no time zone; add one, e.g. +00:00"
                )
            object.__setattr__(self, name, whole_ms(in_utc(bound)))
        if self.start >= self.end:
            raise InvalidRequestError(
                f"window [{self.start.isoformat()}, {self.end.isoformat()}) is empty; "
                "start must be before end"
            )

    @property
    def has_beginning(self) -> bool:
        """Whether anything can lie before it."""
        return self.start != BEGINNING

    def iso(self) -> tuple[str, str]:
        """Both bounds in UTC, with milliseconds and a ``Z``."""
        return iso_ms(self.start), iso_ms(self.end)

    def holds(self, moment: datetime) -> bool:
        """Whether *moment* is inside."""
        return self.start <= moment < self.end


def is_unbounded(spec: WindowSpec) -> bool:
    """Whether *spec* is ``"all"`` or None: the run exports everything, whenever it was created."""
    return spec is None or spec == "all"
