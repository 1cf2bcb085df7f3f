"""Landings that break, so that tests can resume them."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest
from landing_kit import FACTS, MemoryState, big, linked
from origin import Fault

from airflow_provider_assets.landing import LandingOptions, land
from airflow_provider_assets.sansio.errors import TransferInterruptedError

HASTY = LandingOptions(attempts=2, stall_seconds=2, jitter=lambda: 0.0, part_size=5 << 20)


def breaking_after(count: int):
    """The origin serves *count* requests and then nothing."""
    return lambda seen, number: Fault(cut=0) if number > count else None


def parts_of(state, key: str = "export.zip") -> int:
    return state.get(f"landing:{key}")["parts"]


class Watched:
    """A store, or one of its writers, that tells when *enough* parts are stored."""

    def __init__(self, inner, enough: threading.Event, left: list[int]) -> None:
        self._inner, self._enough, self._left = inner, enough, left

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def begin(self, *args, **how):
        return Watched(self._inner.begin(*args, **how), self._enough, self._left)

    def put_part(self, *args):
        tag = self._inner.put_part(*args)
        with suppress(IndexError):
            self._left.pop()
        if not self._left:
            self._enough.set()
        return tag


def broken_half_way(store, origin, data=None, options=HASTY, **how):
    """The state of a landing that broke when half of its parts were stored."""
    data = big() if data is None else data
    state = MemoryState()
    origin.rate = 30_000_000
    half, enough = len(data) // 2, threading.Event()
    watched = Watched(store, enough, [*range(half // options.part_size)])

    def fault(seen, number):
        # What came before is stored, and has the time to be verified.
        late = seen.start is not None and seen.start > half
        return Fault(cut=0, after=enough, delay=0.2) if late else None

    origin.fault = fault
    with pytest.raises(TransferInterruptedError):
        land([linked(origin, data)], watched, options=options, facts=FACTS, state=state, **how)
    origin.rate, origin.fault = None, lambda seen, number: None
    return state
