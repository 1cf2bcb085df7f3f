"""Candidates into batches that a vendor accepts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from airflow_provider_assets.sansio.jobs import ArchiveRequest
from airflow_provider_assets.sansio.messages import JSON

# A batch is recorded in Airflow's task state store, whose values are limited to 64 KiB.
MAX_BATCH_BYTES = 48 * 1024


class Item(NamedTuple):
    """One thing at the vendor: its kind (``asset_ids``, ``apps``, …) and its id."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Selected:
    """What a vendor's listing gave for one query and window.

    :param items: what can be exported now.
    :param pending: ids of what matches as well but is not finished at the vendor. What has failed there
        is in neither list.
    """

    items: list[Item]
    pending: list[str] = field(default_factory=list)


def plan(
    vendor: str,
    items: Iterable[Item],
    *,
    max_batch: int,
    options: Mapping[str, JSON],
    window: tuple[str, str] | None = None,
    query: str = "",
    run: str = "",
) -> list[ArchiveRequest]:
    """Split *items* into requests of at most *max_batch* items, keeping order and dropping repeats.

    The same items give the same batches, so that a retry meets the batches of the first try.
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
            query=query,
            run=run,
            index=index,
            of=len(batches),
        )
        for index, batch in enumerate(batches)
    ]
