"""The ticks of a cron schedule, as Airflow's scheduler has them where clocks go forward or back.

Each tick is found from the one before, by what clocks show at it. One in an hour that they skip is moved to
after it, in place of those that lie between, and one in an hour that comes twice is in the second. A schedule
that has ticks in every hour of the day goes by elapsed time instead. Source: ``CronMixin`` in
``airflow.timetables``, which a worker may not have.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone, tzinfo

from croniter import croniter
from croniter.croniter import CroniterError  # 2.0 names it here only

from airflow_provider_assets.sansio.moments import in_utc

__all__ = ["Cron", "CroniterError", "Crons", "Ticks"]

# No zone moves its clocks by more than two hours.
_SHIFT = timedelta(hours=3)


class Ticks(ABC):
    """The ticks of a schedule, in UTC."""

    @abstractmethod
    def after(self, moment: datetime) -> datetime:
        """The first tick after *moment*."""

    @abstractmethod
    def before(self, moment: datetime) -> datetime:
        """The last tick before *moment*."""

    def period(self, moment: datetime) -> tuple[datetime, datetime]:
        """The bounds of the last period that had ended at *moment*."""
        end = self.before(moment + timedelta(microseconds=1))
        return self.before(end), end


class Crons(Ticks):
    """The ticks of several schedules that start runs of one DAG."""

    def __init__(self, schedules: Sequence[Ticks]) -> None:
        self._schedules = schedules

    def after(self, moment: datetime) -> datetime:
        """That of the schedule that is next."""
        return min(one.after(moment) for one in self._schedules)

    def before(self, moment: datetime) -> datetime:
        """That of the schedule that was last."""
        return max(one.before(moment) for one in self._schedules)


class Cron(Ticks):
    """The ticks of *expression* on the clocks of *zone*."""

    def __init__(self, expression: str, zone: tzinfo) -> None:
        self._expression = expression
        self._zone = zone
        self._is_hourly = croniter(expression).expanded[1] == ["*"]

    def after(self, moment: datetime) -> datetime:
        """The first tick after *moment*, in UTC."""
        tick = self._well_before(moment)
        while tick <= moment:
            tick = self._next(tick)
        return tick

    def before(self, moment: datetime) -> datetime:
        """The last tick before *moment*, in UTC."""
        tick = self._well_before(moment)
        while (following := self._next(tick)) < moment:
            tick = following
        return tick

    def _well_before(self, moment: datetime) -> datetime:
        """A tick before any change of the clocks around *moment*, from which the scheduler comes to it."""
        ticks = self._ticks(self._wall(moment) - _SHIFT)
        while True:
            wall: datetime = ticks.get_prev()
            tick = self._instant(wall)
            # Not one in an hour that was skipped, where it may never have come.
            if self._wall(tick) == wall:
                return tick

    def _next(self, tick: datetime) -> datetime:
        wall = self._wall(tick)
        following: datetime = self._ticks(wall).get_next()
        return tick + (following - wall) if self._is_hourly else self._instant(following)

    def _ticks(self, wall: datetime) -> croniter:
        return croniter(self._expression, wall, datetime)

    def _wall(self, moment: datetime) -> datetime:
        """What the clocks show at *moment*."""
        return in_utc(moment).astimezone(self._zone).replace(tzinfo=None)

    def _instant(self, wall: datetime) -> datetime:
        """The second of an hour that comes twice; of an hour that is skipped, as long after its beginning."""
        return max(
            wall.replace(tzinfo=self._zone, fold=fold).astimezone(timezone.utc) for fold in (0, 1)
        )
