"""Splits the selected items into batches that a vendor accepts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import InitVar, dataclass, field, replace
from itertools import pairwise

from airflow_provider_assets.sansio.jobs import ArchiveRequest, Item
from airflow_provider_assets.sansio.strict_json import JSON

# A batch is recorded in Airflow's task state store, whose values are limited to 64 KiB.
MAX_BATCH_BYTES = 48 * 1024


@dataclass(slots=True)
class BatchCount:
    """Counts the batches that items fill, one after another.

    :param max_batch: largest number of items in one batch.
    :param single: kinds of which a batch holds no more than one item.
    """

    max_batch: int
    single: frozenset[str] = frozenset()
    batches: int = 0
    _items: int = 0
    _bytes: int = 0
    _has_single: bool = False

    def begins(self, item: Item) -> bool:
        """Whether *item*, the next one, is the first of a batch."""
        length = len(json.dumps(item.id)) + len(", ")
        is_full = self._items == self.max_batch or self._bytes + length > MAX_BATCH_BYTES
        is_second = self._has_single and item.kind in self.single
        begins = is_full or is_second or not self.batches
        if begins:
            self.batches += 1
            self._items = self._bytes = 0
            self._has_single = False
        self._has_single |= item.kind in self.single
        self._items += 1
        self._bytes += length
        return begins


@dataclass(slots=True)
class Batches:
    """Batches of items that are somewhere else: each is made when it is asked for.

    :param items: all of them, in their order and each once.
    :param between: those from one place up to another one, of the same items.
    :param common: what the requests have in common; without items.
    """

    items: InitVar[Iterable[Item]]
    between: Callable[[int, int], Iterable[Item]]
    common: ArchiveRequest
    max_batch: int
    single: frozenset[str] = frozenset()
    _bounds: list[int] = field(init=False)

    def __post_init__(self, items: Iterable[Item]) -> None:
        count, number = BatchCount(self.max_batch, self.single), 0
        self._bounds = []
        for number, item in enumerate(items, 1):
            if count.begins(item):
                self._bounds.append(number - 1)
        self._bounds.append(number)

    def __len__(self) -> int:
        """Number of batches."""
        return len(self._bounds) - 1

    def __iter__(self) -> Iterator[ArchiveRequest]:
        """The requests, made one by one."""
        for index, (start, stop) in enumerate(pairwise(self._bounds)):
            ids: dict[str, list[str]] = {}
            for item in self.between(start, stop):
                ids.setdefault(item.kind, []).append(item.id)
            items = {kind: tuple(some) for kind, some in ids.items()}
            yield replace(self.common, items=items, index=index, of=len(self))


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
    distinct = list(dict.fromkeys(items))
    common = ArchiveRequest(
        vendor, {}, options, window=window, query_id=query_id, run_date=run_date
    )
    return list(Batches(distinct, lambda start, stop: distinct[start:stop], common, max_batch))
