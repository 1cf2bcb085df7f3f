"""Splits the selected items into batches that a vendor accepts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from airflow_provider_assets.sansio.jobs import ArchiveRequest, Item
from airflow_provider_assets.sansio.messages import JSON

# A batch is recorded in Airflow's task state store, whose values are limited to 64 KiB.
MAX_BATCH_BYTES = 48 * 1024


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
    count = size = 0
    for item in dict.fromkeys(items):
        length = len(json.dumps(item.id)) + len(", ")
        if not batches or count == max_batch or size + length > MAX_BATCH_BYTES:
            batches.append({})
            count = size = 0
        batches[-1].setdefault(item.kind, []).append(item.id)
        count += 1
        size += length
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
