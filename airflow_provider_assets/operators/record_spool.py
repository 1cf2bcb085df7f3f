"""Keeps the records of a listing on disk until their batches are known: a million would fill the memory."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator

from airflow_provider_assets.sansio.jobs import ArchiveRequest, Item
from airflow_provider_assets.sansio.records import Record


class RecordSpool:
    """Records by item, in a temporary database that SQLite removes when it is closed.

    The records are compressed and a few MiB of them are in memory; the rest is in the temporary folder.
    """

    def __init__(self) -> None:
        self._records = sqlite3.connect("")  # no name: a temporary file
        self._records.execute("CREATE TABLE record (kind TEXT, id TEXT, json BLOB)")
        self._is_indexed = False

    def add(self, item: Item, record: Record) -> None:
        """Keep *record*; a later one of the same item takes its place."""
        document = zlib.compress(json.dumps(record).encode(), 1)
        self._records.execute("INSERT INTO record VALUES (?, ?, ?)", (*item, document))

    def of(self, request: ArchiveRequest) -> Iterator[tuple[Item, Record]]:
        """The items of *request* that have a record, each with its record."""
        if not self._is_indexed:  # an index that grows with each record takes several times as long
            self._records.execute("CREATE INDEX place ON record (id, kind)")
            self._is_indexed = True
        query = "SELECT json FROM record WHERE id = ? AND kind = ? ORDER BY rowid DESC LIMIT 1"
        for kind, ids in request.items.items():
            for item_id in ids:
                found = self._records.execute(query, (item_id, kind)).fetchone()
                if found:
                    yield Item(kind, item_id), json.loads(zlib.decompress(found[0]))

    def close(self) -> None:
        """Remove the records."""
        self._records.close()
