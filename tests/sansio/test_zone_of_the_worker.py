"""No moment depends on the time zone of the machine, which in production is seldom that of a laptop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from core_kit import NOW

from airflow_provider_assets.sansio.jobs import ArchiveRequest, Item
from airflow_provider_assets.sansio.messages import HttpRequest
from airflow_provider_assets.sansio.metadata import Batch, rows
from airflow_provider_assets.sansio.moments import in_utc, iso_ms, parse_moment
from airflow_provider_assets.sansio.run_window import RunTiming, resolve
from airflow_provider_assets.vendors.huawei_signature import sign
from airflow_provider_assets.vendors.scenario_parsing import jobs_since

PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture(params=["Asia/Shanghai", "America/New_York"])
def _elsewhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def column() -> object:
    """A time in epoch seconds, as a vendor sends it, in the row of an item."""
    batch = Batch("c", ArchiveRequest("v", {"ids": ("a",)}), "j", "s3://b/a.zip", {}, {})
    (row,) = rows(batch, {Item("ids", "a"): {"at": NOW}}, {"created_at": "at"})
    return row["created_at"]


def hours(key: str) -> tuple[str, str]:
    """The window of an hourly partition in Paris."""

    def next_hour(moment: datetime) -> datetime:
        assert moment.tzinfo is timezone.utc
        return moment.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)

    timing = RunTiming(partition_key=key, zone=PARIS, next_tick=next_hour)
    return resolve("auto", timing).iso()


def signed() -> str:
    request = HttpRequest("GET", "https://roma.example.test/x")
    signed = sign(request, access_key="AK", secret_key="SK", moment=NOW)
    return dict(signed.headers)["X-Sdk-Date"]


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (column, "2026-01-10T08:01:40.000Z"),
        (lambda: iso_ms(datetime(2026, 1, 10, 9, 1, tzinfo=PARIS)), "2026-01-10T08:01:00.000Z"),
        (lambda: in_utc(datetime(2026, 1, 10, 9, tzinfo=PARIS)).isoformat(), "2026-01-10T08:00:00+00:00"),
        (lambda: parse_moment("9999-12-31T23:59:59Z", "x").year, 9999),
        (lambda: parse_moment("0001-01-01T00:00:00Z", "x").year, 1),
        (lambda: hours("2026-01-09T08"), ("2026-01-09T07:00:00.000Z", "2026-01-09T08:00:00.000Z")),
        (signed, "20260110T080140Z"),
        (lambda: dict(jobs_since(NOW))["updatedAfter"], "2026-01-10T07:56:40.000Z"),
    ],
)  # fmt: skip
def test_a_moment_is_the_same_wherever_the_worker_runs(
    read: Callable[[], object], expected: object
) -> None:
    assert time.timezone != 0
    assert read() == expected
