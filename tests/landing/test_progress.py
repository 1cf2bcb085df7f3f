"""Reports of progress."""

from __future__ import annotations

import pytest

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
