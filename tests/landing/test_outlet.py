"""Objects whose length shows only at their end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from airflow_provider_assets.landing.memory import Memory
from airflow_provider_assets.landing.nowhere import Nowhere
from airflow_provider_assets.landing.outlet import Outlet
from airflow_provider_assets.sansio.errors import TransferInterruptedError

PART = 1000


class Away(Nowhere):
    """A store that takes no part."""

    def put_part(self, part, data):
        raise TransferInterruptedError("the store is away")


def test_a_failed_part_ends_the_object_with_the_next_one(local):
    class Store(type(local)):
        def begin(self, key, *, label):
            return Away()

    memory = Memory(10 * PART)
    with ThreadPoolExecutor(1) as pool:
        outlet = Outlet(Store(local.root), "key", "label", memory, PART, False, pool)
        outlet.write(bytes(PART + 1))
        wait(outlet._pending)
        with pytest.raises(TransferInterruptedError, match="away"):
            outlet.write(bytes(PART))
        outlet.abort()
    assert len(outlet.parts) == 2
