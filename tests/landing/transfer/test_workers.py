"""Workers that hang in a request to the store and outlive the landing."""

from __future__ import annotations

import threading

import pytest
from landing_kit import leftovers, linked, noise, zipped
from origin import Fault

from airflow_provider_assets.landing import GcsStore, LandingOptions, land
from airflow_provider_assets.landing.stores.gcs import GcsWriter
from airflow_provider_assets.sansio.errors import TransferInterruptedError


@pytest.mark.parametrize("layout", ["archive", "files"])
def test_a_part_that_arrives_after_the_end_leaves_nothing(gcs, origin, layout):
    hangs, released, ended = threading.Event(), threading.Event(), threading.Event()

    class Slow(GcsWriter):
        def put_part(self, part, data):
            if hangs.is_set():
                return super().put_part(part, data)
            hangs.set()
            try:
                released.wait(30)
                return super().put_part(part, data)
            finally:
                threading.Timer(0.5, ended.set).start()

    class SlowStore(GcsStore):
        def begin(self, key, *, label, options):
            return Slow(self, key, "run")

    def fault(seen, number):
        is_late = seen.start and 15_000_000 < seen.start < 19_500_000
        return Fault(status=503, delay=1.5) if is_late else None

    data = zipped({"large": noise(20_000_000)})
    origin.fault = fault
    hasty = LandingOptions(attempts=1, stall_seconds=2, jitter=lambda: 0.0, part_size=5 << 20)
    with pytest.raises(TransferInterruptedError):
        land([linked(origin, data)], SlowStore(gcs.bucket), layout=layout, options=hasty)
    assert hangs.is_set()
    released.set()
    assert ended.wait(30)
    assert not leftovers(gcs)
