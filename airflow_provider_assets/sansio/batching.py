"""Splits the selected items into batches that a vendor accepts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from airflow_provider_assets.sansio.jobs import ArchiveRequest, Item
from airflow_provider_assets.sansio.messages import JSON

# A batch is recorded in Airflow's task state store, whose values are limited to 64 KiB.
MAX_BATCH_BYTES = 48 * 1024


@dataclass(slots=True)
class BatchCount:
    """Counts the batches that items fill, one after another.

    :param max_batch: items in one batch at most.
    """

    max_batch: int
    batches: int = 0
    _items: int = 0
    _bytes: int = 0

    def begins(self, item: Item) -> bool:
        """Whether *item*, the next one, is the first of a batch."""
        length = len(json.dumps(item.id)) + len(", ")
        is_full = self._items == self.max_batch or self._bytes + length > MAX_BATCH_BYTES
        begins = is_full or not self.batches
        if begins:
            self.batches += 1
            self._items = self._bytes = 0
        self._items += 1
        self._bytes += length
        return begins


def split_into_batches(
    vendor: str,
    items: Iterable[Item],
    *,
    max_batch: int,
    options: Mapping[str, JSON],
    window: tuple[str, str] | None = None,
    query_id: str = "",
    run_date: str = "",
) -> list[ArchiveRequest]:
    """Split *items* into requests of at most *max_batch* items, in their order and without repeats.

    The same items give the same batches, so that a retry finds those of the first attempt.
    """
    batches: list[dict[str, list[str]]] = []
    count = BatchCount(max_batch)
    for item in dict.fromkeys(items):
        if count.begins(item):
            batches.append({})
        batches[-1].setdefault(item.kind, []).append(item.id)
    return [
        ArchiveRequest(
            vendor=vendor,
            items={kind: tuple(ids) for kind, ids in batch.items()},
            options=options,
            window=window,
            query_id=query_id,
            run_date=run_date,
            index=index,
            of=len(batches),
        )
        for index, batch in enumerate(batches)
    ]
