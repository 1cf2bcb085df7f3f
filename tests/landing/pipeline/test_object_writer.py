"""Objects whose length shows only at their end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from airflow_provider_assets.landing.pipeline.buffers import BufferPool
from airflow_provider_assets.landing.pipeline.object_writer import ObjectWriter
from airflow_provider_assets.landing.pipeline.writers import NullWriter
from airflow_provider_assets.sansio.errors import TransferInterruptedError

PART = 1000


class Away(NullWriter):
    """A store that takes no part."""

    def put_part(self, part, data):
        raise TransferInterruptedError("the store is away")


def test_a_failed_part_ends_the_object_with_the_next_one(local):
    class Store(type(local)):
        def begin(self, key, *, label, options):
            return Away()

    buffers = BufferPool(10 * PART)
    with ThreadPoolExecutor(1) as pool:
        writer = ObjectWriter(Store(local.root), "key", "label", buffers, PART, pool)
        writer.write(bytes(PART + 1))
        wait(writer._pending)
        with pytest.raises(TransferInterruptedError, match="away"):
            writer.write(bytes(PART))
        writer.abort()
    assert len(writer.parts) == 2
