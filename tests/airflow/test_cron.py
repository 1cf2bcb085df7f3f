"""Our ticks of a cron schedule are those of Airflow's scheduler, also where clocks are changed."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from airflow.timetables.trigger import CronTriggerTimetable
from airflow_runs import day
from pendulum import instance

from airflow_provider_assets.cron import Cron

pytestmark = pytest.mark.airflow
NIGHTS = {
    "Europe/Berlin": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "America/St_Johns": ("2026-03-08", "2026-11-01"),
    "Asia/Kathmandu": ("2026-03-29",),
    "Australia/Lord_Howe": ("2026-04-05", "2026-10-04"),  # by half an hour
}


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 * * *",
        "30 1 * * *",
        "30 2 * * *",
        "0 * * * *",
        "0 */6 * * *",
        "*/15 * * * *",
        "0 0 * * 0",
        "*/20 2 * * *",
        "0,30 */2 * * *",
        "10,45 1-3 * * *",
    ],
)
@pytest.mark.parametrize("zone", NIGHTS)
def test_a_tick_follows_and_precedes_those_that_airflow_schedules(expression, zone):
    airflow, cron = (
        CronTriggerTimetable(expression, timezone=zone),
        Cron(expression, ZoneInfo(zone)),
    )
    around = timedelta(days=8 if expression.endswith("0") else 0.5)
    for night in NIGHTS[zone]:
        tick = airflow._get_next(instance(day(night) - around))
        while tick < day(night) + around:
            following = airflow._get_next(tick)
            assert cron.after(tick) == following
            assert cron.before(following) == tick
            assert cron.period(following) == (tick, following)
            tick = following
