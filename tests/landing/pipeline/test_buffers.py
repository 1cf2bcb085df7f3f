"""The memory that all workers of a landing share."""

from __future__ import annotations

import threading

import pytest

from airflow_provider_assets.landing.pipeline.buffers import BufferPool
from airflow_provider_assets.sansio.errors import TransferInterruptedError


def test_memory_makes_who_asks_for_too_much_wait():
    memory = BufferPool(10)
    first = memory.acquire(6)
    got = threading.Event()
    thread = threading.Thread(target=lambda: (memory.acquire(6), got.set()))
    thread.start()
    assert not got.wait(0.1)
    memory.release(first)
    assert got.wait(5)
    thread.join()


def test_a_buffer_larger_than_the_budget_is_lent_alone():
    assert len(BufferPool(10).acquire(11)) == 11


def test_nobody_waits_for_memory_after_a_stop():
    memory = BufferPool(1)
    memory.acquire(1)
    memory.cancel()
    with pytest.raises(TransferInterruptedError):
        memory.acquire(1)
