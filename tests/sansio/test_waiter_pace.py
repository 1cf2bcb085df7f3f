"""The time of each poll."""

from __future__ import annotations

from itertools import pairwise

import pytest
from core_kit import NOW
from waiter_kit import DOWN, Office, R, S, patched

from airflow_provider_assets.sansio.errors import VendorUnavailableError
from airflow_provider_assets.sansio.jobs import ArchiveJob
from airflow_provider_assets.sansio.waiter import Watch


def polls(office: Office, watch: Watch) -> list[float]:
    """Seconds after which each poll came."""
    waitlist = office.waitlist()
    waitlist.add(watch)
    office.driver().run(waitlist.flow())
    return [now - NOW for now, _ in office.asked]


@pytest.mark.parametrize(
    ("eta", "pace", "asked"),
    [
        (20, None, 20),
        (500, None, 30),
        (1, None, 2.1),
        (-100, None, 2.1),
        (20, 3, 2.1),  # whoever names a pace gets it
    ],
)
def test_the_vendors_own_estimate_delays_a_poll_up_to_the_maximum(eta, pace, asked) -> None:
    job = ArchiveJob("v", "a", eta=NOW + eta)
    watch = Watch(job, NOW + 1000, poll_interval=pace)
    assert polls(Office({"a": [S]}), watch) == pytest.approx([asked], abs=0.01)


def test_the_pause_doubles_with_each_poll_that_fails_up_to_a_minute() -> None:
    watch = Watch(ArchiveJob("v", "a"), NOW + 1000, poll_interval=1)
    office = Office({"a": [*[DOWN] * 8, S]})
    asked = polls(office, watch)
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses == pytest.approx([0.7 * n for n in (2, 4, 8, 16, 32, 60, 60, 60)], abs=0.01)


def test_an_outage_is_over_at_its_very_limits() -> None:
    watch = Watch(ArchiveJob("v", "a"), NOW + 1000)
    with patched(MAX_FAILED_POLLS=1, OUTAGE_SECONDS=0):
        assert len(polls(Office({"a": [DOWN]}), watch)) == 1
    assert isinstance(watch.end, VendorUnavailableError)


def test_a_job_that_runs_is_asked_for_in_growing_intervals() -> None:
    asked = polls(Office({"a": [R, R, S]}), Watch(ArchiveJob("v", "a"), NOW + 1000))
    assert asked == pytest.approx([2.1, 2.1 * 2.5, 2.1 * 4.75], abs=0.01)
