"""The vendors' time, and a way to move it forward."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass


@dataclass(slots=True)
class Clock:
    """The machine's clock plus an offset in seconds, which the admin routes change."""

    offset: float = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.offset

    def set(self, epoch: float) -> None:
        """Make it this moment now; the clock continues from there."""
        self.offset = epoch - time.time()


def iso_ms(epoch: float) -> str:
    """ISO 8601 in UTC with milliseconds and ``Z``, the form of every Scenario date."""
    whole = dt.datetime.fromtimestamp(epoch, tz=dt.timezone.utc)
    return whole.strftime("%Y-%m-%dT%H:%M:%S.") + f"{whole.microsecond // 1000:03d}Z"


def parse_iso(text: str) -> float:
    """Epoch seconds of an ISO 8601 string.

    :raises ValueError: for one that is malformed or has no time zone.
    """
    moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return moment.timestamp()
