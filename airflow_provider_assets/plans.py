"""Keeps the items of batches as objects beside the destination, so that XComs and task state stay small."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_assets.sansio.jobs import ArchiveRequest, Item
from airflow_provider_assets.sansio.plan import name_of, planned, read
from airflow_provider_assets.sansio.records import Record

if TYPE_CHECKING:
    from airflow_provider_assets.destinations import Destination


@dataclass(slots=True)
class Plans:
    """Writes and reads plan objects; opens each destination once."""

    _opened: dict[str, Destination] = field(default_factory=dict)

    def keep(
        self, request: ArchiveRequest, records: Iterable[tuple[Item, Record]], destination: str
    ) -> ArchiveRequest:
        """Store the items of *request* and their *records* below *destination*; *request* without them."""
        from airflow_provider_assets.landing.markers import PLANS_FOLDER
        from airflow_provider_assets.landing.stores.base import put_document

        folder, name = f"{destination.rstrip('/')}/{PLANS_FOLDER}", name_of(request)
        short, document = planned(request, records, folder + name)
        target = self._open(folder)
        put_document(target.store, target.prefix + name, document)
        return short

    def load(self, request: ArchiveRequest) -> tuple[ArchiveRequest, dict[Item, Record]]:
        """*request* with its items, and what is recorded of them.

        :raises InvalidRequestError: if its plan object is missing or has changed.
        """
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
