"""Parts in flight: no more of them are in memory than somebody works on."""

from __future__ import annotations

import threading

import pytest

from airflow_provider_assets.landing.pipeline.scheduler import PartScheduler

PART = 4 << 20


class Ignoring:
    def feed(self, view: memoryview) -> None:
        pass


@pytest.fixture
def scheduler():
    found = PartScheduler(100 * PART, PART, PART, PART, Ignoring(), most_parts=8)
    yield found
    found.cancel()


def test_as_many_buffers_exist_as_workers(scheduler):
    scheduler.resize(2)
    (first, _, _), _ = scheduler.take(), scheduler.take()
    taken = []
    thread = threading.Thread(target=lambda: taken.append(scheduler.take()))
    thread.start()
    thread.join(0.1)
    assert not taken
    scheduler.stored(first)
    thread.join(30)
    assert taken[0][0].buffer is first.buffer


def test_more_workers_get_more_buffers_at_once(scheduler):
    scheduler.resize(1)
    scheduler.take()
    taken = []
    thread = threading.Thread(target=lambda: taken.append(scheduler.take()))
    thread.start()
    thread.join(0.1)
    assert not taken
    scheduler.resize(2)
    thread.join(30)
    assert taken[0][0].number == 2


@pytest.mark.parametrize(("workers", "size"), [(3, PART), (24, 1 << 20)])
def test_a_part_is_cut_into_slices_only_if_workers_outnumber_the_buffers(scheduler, workers, size):
    scheduler.resize(workers)
    assert scheduler.slice_size == size
