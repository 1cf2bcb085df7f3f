"""The ticks of a cron schedule, as Airflow's scheduler has them where clocks go forward or back.

A tick in an hour that clocks skip is moved to after it, and a tick in an hour that comes twice is in the
second. A schedule that has ticks in every hour of the day goes by elapsed time instead. Source:
``CronMixin`` in ``airflow.timetables``, which a worker may not have.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Literal

from croniter import croniter
from croniter.croniter import CroniterError  # 2.0 names it here only

from airflow_provider_assets.sansio.moments import in_utc

__all__ = ["Cron", "CroniterError"]

# No zone moves its clocks by more than two hours.
_SHIFT = timedelta(hours=3)


class Cron:
    """The ticks of *expression* on the clocks of *zone*."""

    def __init__(self, expression: str, zone: tzinfo) -> None:
        self._expression = expression
        self._zone = zone
        self._is_hourly = croniter(expression).expanded[1] == ["*"]

    def after(self, moment: datetime) -> datetime:
        """The first tick after *moment*, in UTC."""
        return next(tick for tick in self._ticks(moment, "next") if tick > moment)

    def before(self, moment: datetime) -> datetime:
        """The last tick before *moment*, in UTC."""
        return next(tick for tick in self._ticks(moment, "prev") if tick < moment)

    def period(self, moment: datetime) -> tuple[datetime, datetime]:
        """The bounds of the last period that had ended at *moment*, in UTC."""
        end = self.before(moment + timedelta(microseconds=1))
        return self.before(end), end

    def _ticks(self, moment: datetime, direction: Literal["next", "prev"]) -> Iterator[datetime]:
        moment = in_utc(moment)
        wall = moment.astimezone(self._zone).replace(tzinfo=None)
        # From well on the other side of *moment*: its wall clock may have passed a tick that was moved.
        margin = timedelta(0) if self._is_hourly else _SHIFT
        start = wall - margin if direction == "next" else wall + margin
        ticks = croniter(self._expression, start, datetime)
        while True:
            tick = ticks.get_next() if direction == "next" else ticks.get_prev()
            if self._is_hourly:
                yield moment + (tick - wall)
            else:
                yield max(_instants(tick, self._zone))


def _instants(wall: datetime, zone: tzinfo) -> list[datetime]:
    """Both instants of an hour that comes twice. In one that is skipped, the later is after it."""
    return [wall.replace(tzinfo=zone, fold=fold).astimezone(timezone.utc) for fold in (0, 1)]
