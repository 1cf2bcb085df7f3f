"""Keeps the items of batches as objects beside the destination, so that XComs and task state stay small."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from airflow_provider_assets.sansio.jobs import ArchiveRequest, Item

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_assets.destinations import Destination
    from airflow_provider_assets.sansio.records import Record


# Objects that are written at the same time.
WRITERS = 8


@dataclass(slots=True)
class Plans:
    """Writes and reads plan objects; opens each destination once."""

    _opened: dict[str, Destination] = field(default_factory=dict)

    def keep(
        self,
        requests: Iterable[ArchiveRequest],
        records_of: Callable[[ArchiveRequest], Iterable[tuple[Item, Record]]],
        destination: str | ObjectStoragePath,
    ) -> list[ArchiveRequest]:
        """*requests* without what is stored below *destination*: their items and records.

        Requests of few items and without records are returned as they are. One batch at a time is in
        memory, and a few compressed ones that are being stored.
        """
        from airflow_provider_assets.ahead import in_order
        from airflow_provider_assets.destinations import folder_in
        from airflow_provider_assets.landing.markers import PLANS_FOLDER
        from airflow_provider_assets.landing.stores.base import put_document
        from airflow_provider_assets.sansio.plan import is_inline, name_of, planned

        folder = folder_in(destination, PLANS_FOLDER)
        target = self._open(folder)

        def made() -> Iterator[tuple[ArchiveRequest, str, bytes | None]]:
            for request in requests:
                records = iter(records_of(request))
                first = next(records, None)
                if first is None and is_inline(request):
                    yield request, "", None
                    continue
                name = name_of(request)
                described = chain([first] if first else [], records)
                short, document = planned(request, described, folder + name)
                yield short, name, document

        def store(plan: tuple[ArchiveRequest, str, bytes | None]) -> ArchiveRequest:
            short, name, document = plan
            if document is not None:
                put_document(target.store, target.prefix + name, document)
            return short

        with ThreadPoolExecutor(WRITERS) as pool:
            return list(in_order(pool, made(), store, ahead=WRITERS))

    def load(self, request: ArchiveRequest) -> tuple[ArchiveRequest, dict[Item, Record]]:
        """*request* with its items, and what is recorded of them.

        :raises InvalidRequestError: if its plan object is missing or has changed.
        """
        from airflow_provider_assets.sansio.plan import read

        if request.plan is None or request.items:
            return request, {}
        folder, _, name = request.plan.uri.rpartition("/")
        target = self._open(f"{folder}/")
        return read(request, target.store.get(target.prefix + name))

    def _open(self, folder: str) -> Destination:
        from airflow_provider_assets.destinations import open_destination

        if folder not in self._opened:
            self._opened[folder] = open_destination(folder)
        return self._opened[folder]
