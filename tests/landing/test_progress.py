"""Reports of progress."""

from __future__ import annotations

import pytest

from airflow_provider_assets.landing.options import Progress
from airflow_provider_assets.landing.progress import Meter


def test_progress_is_told_at_a_human_pace():
    time, told = [0.0], []
    meter = Meter(lambda: time[0], told.append, total=1000)
    for _ in range(1000):
        meter.add(1)
        time[0] += 0.001
        meter.tick()
    assert 15 <= len(told) <= 20
    assert told[-1].rate == pytest.approx(1000, rel=0.1)
    for _ in range(12):
        time[0] += 1
        meter.tick()
    assert len(told) <= 22


def test_bytes_of_an_earlier_attempt_count_as_received_and_not_into_the_rate():
    time = [0.0]
    meter = Meter(lambda: time[0], None)
    meter.begin(1000)
    meter.keep(600)
    meter.add(100)
    time[0] += 1
    progress = meter.now()
    assert (progress.bytes, progress.kept, progress.percent) == (700, 600, 70)
    assert (progress.rate, progress.eta) == (pytest.approx(100), pytest.approx(3))
    meter.begin(1000)
    assert meter.now().kept == 0


def test_the_share_is_never_above_100_where_the_directory_of_a_zip_was_received_twice():
    assert Progress(bytes=198, total=100, rate=1.0, eta=0.0).percent == 100
