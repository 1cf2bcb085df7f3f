"""Workers that hang in a request to the store and outlive the landing."""

from __future__ import annotations

import threading

import pytest
from landing_kit import leftovers, linked, noise, zipped
from origin import Fault

from airflow_provider_assets.landing import GcsStore, LandingOptions, land
from airflow_provider_assets.landing.cancel import CancelToken
from airflow_provider_assets.landing.pipeline import workers
from airflow_provider_assets.landing.pipeline.workers import WorkerPool
from airflow_provider_assets.landing.source.connections import Connections
from airflow_provider_assets.landing.stores.gcs.store import GcsWriter
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


def test_a_landing_ends_with_its_last_worker_and_not_with_the_next_tick(monkeypatch):
    monkeypatch.setattr(workers, "_TICK", 3600.0)
    steps = iter([True, True])
    pool = WorkerPool(lambda _: next(steps, False), CancelToken(), LandingOptions())
    thread = threading.Thread(target=pool.run, args=(Connections(), 2, lambda: 0), daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
