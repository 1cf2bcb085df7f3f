"""Landings that break, so that tests can resume them."""

from __future__ import annotations

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


def broken_half_way(store, origin, data=None, options=HASTY, **how):
    """The state of a landing that broke when half of its parts were stored."""
    data = big() if data is None else data
    state = MemoryState()
    origin.rate = 30_000_000
    half = len(data) // 2

    def fault(seen, number):
        # What came before has the time to be stored and audited.
        late = seen.start is not None and seen.start > half
        return Fault(cut=0, delay=1.0) if late else None

    origin.fault = fault
    with pytest.raises(TransferInterruptedError):
        land([linked(origin, data)], store, options=options, facts=FACTS, state=state, **how)
    origin.rate, origin.fault = None, lambda seen, number: None
    return state
