"""Matches the files of a landing to its items, finds those that are missing, and writes their metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from zlib import crc32

from airflow_provider_assets.metadata import document
from airflow_provider_assets.sansio.completeness import missing_items, most_words, names_of
from airflow_provider_assets.sansio.jobs import ArchiveReference, Item
from airflow_provider_assets.sansio.metadata import Batch, File, key_of, rows
from airflow_provider_assets.sansio.records import Record

if TYPE_CHECKING:
    from airflow_provider_assets.destinations import Destination
    from airflow_provider_assets.landing.manifest import Entry, Manifest
    from airflow_provider_assets.vendors.base import VendorSpec


@dataclass(frozen=True)
class LandedItems:
    """The items of a batch after its landing.

    :param reference: with its items.
    :param manifest_name: name of the object in *target* that lists the files.
    """

    reference: ArchiveReference
    spec: VendorSpec
    manifest: Manifest
    target: Destination
    manifest_name: str

    @cached_property
    def files(self) -> Sequence[Entry]:
        """The files that the manifest object lists; none if it has been removed."""
        from airflow_provider_assets.landing.manifest import parse

        document = self.target.store.get(self.target.prefix + self.manifest_name)
        return parse(document)[1] if document else []

    @property
    def ids(self) -> list[str]:
        """All items that were requested."""
        return [one for ids in self.reference.request.items.values() for one in ids]

    def missing(self) -> dict[str, str]:
        """Item id -> why it has not landed."""
        found = self.reference.job.failed
        if self._are_listed:
            for item in missing_items(self.ids, [file.name for file in self.files]):
                found.setdefault(item, "no file")
        return found

    def write_metadata(self, records: Mapping[Item, Record], *, metadata: str) -> tuple[str, int]:
        """Store a row per item in the format *metadata*, beside the archives; its URI and number of rows.

        It has the name of the manifest, so that two layouts of one selection have metadata of their own.
        """
        from airflow_provider_assets.landing.crc import Checksum
        from airflow_provider_assets.landing.markers import MANIFEST_SUFFIX
        from airflow_provider_assets.landing.stores.base import holds, put_document

        request, facts, target = self.reference.request, self.manifest.facts, self.target
        batch = Batch(
            conn_id=self.reference.conn_id,
            request=request,
            job_id=str(facts["job_id"]),  # of the archive that is there, even if it landed before
            uri=self.manifest.uri,
            files=self._files(),
            missing=self.missing(),
        )
        table = list(rows(batch, records, self.spec.columns))
        data = document(table, metadata)
        name = self.manifest_name.removesuffix(MANIFEST_SUFFIX)
        key = target.prefix + key_of(request, name, metadata)
        if not holds(target.store, key, Checksum(len(data), crc32(data))):
            put_document(target.store, key, data)
        return target.store.uri(key), len(table)

    @property
    def _are_listed(self) -> bool:
        """Whether the manifest lists the vendor's files, and not one object that we have named."""
        return self.spec.entry_per_item and self.manifest.lists_files

    def _files(self) -> dict[str, File]:
        """Item id -> its file, as far as the names tell; a single file belongs to a single item."""
        if not self.spec.entry_per_item:
            return {}
        entries = {entry.name: entry for entry in self.files}
        if self._are_listed:
            found = names_of(set(self.ids), entries, most_words(self.ids))
        elif len(self.ids) == len(entries) == 1:
            found = dict(zip(self.ids, entries, strict=True))
        else:
            found = {}
        return {item: self._file(entries[name]) for item, name in found.items()}

    def _file(self, entry: Entry) -> File:
        uri = self.manifest.uri
        if self.manifest.layout == "files":
            uri = self.target.store.uri(self.target.prefix + entry.name)
        return File(uri, entry.name, entry.bytes, entry.crc32, entry.sha256)
