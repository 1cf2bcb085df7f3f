"""Objects whose length shows only at their end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from airflow_provider_assets.landing.transfer.buffers import BufferPool
from airflow_provider_assets.landing.transfer.object_writer import ObjectWriter
from airflow_provider_assets.landing.transfer.writers import NullWriter
from airflow_provider_assets.sansio.errors import TransferInterruptedError

PART = 1000


class Away(NullWriter):
    """A store that takes no part."""

    def put_part(self, part, data):
        raise TransferInterruptedError("the store is away")


def test_a_failed_part_ends_the_object_with_the_next_one(local):
    class Store(type(local)):
        def begin(self, key, *, label):
            return Away()

    memory = BufferPool(10 * PART)
    with ThreadPoolExecutor(1) as pool:
        outlet = ObjectWriter(Store(local.root), "key", "label", memory, PART, False, pool)
        outlet.write(bytes(PART + 1))
        wait(outlet._pending)
        with pytest.raises(TransferInterruptedError, match="away"):
            outlet.write(bytes(PART))
        outlet.abort()
    assert len(outlet.parts) == 2
