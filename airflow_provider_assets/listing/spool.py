"""Keeps a listing on disk until its batches are known: a million items would fill the memory."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from threading import Lock

from airflow_provider_assets.sansio.jobs import ArchiveRequest, Item
from airflow_provider_assets.sansio.records import Record

_TABLES = """
CREATE TABLE record (kind TEXT, id BLOB, json BLOB);
CREATE TABLE landed (kind TEXT, id BLOB);
CREATE TABLE listed (slice REAL, kind TEXT, id BLOB);
CREATE TABLE ordered (kind TEXT, id BLOB);
CREATE TABLE chosen (kind TEXT, id BLOB);
"""
# Sorted, since an index that grows with each item takes several times as long.
_CHOOSE = """
DELETE FROM ordered;
DELETE FROM chosen;
INSERT INTO ordered SELECT kind, id FROM listed ORDER BY slice, rowid;
INSERT INTO chosen
SELECT kind, id FROM (
    SELECT kind, id, min(place) AS first, max(has_landed) AS has_landed FROM (
        SELECT kind, id, rowid AS place, 0 AS has_landed FROM ordered
        UNION ALL SELECT kind, id, NULL, 1 FROM landed
    ) GROUP BY id, kind
) WHERE first IS NOT NULL AND NOT has_landed ORDER BY first;
"""


class ListingSpool:
    """A listing in a temporary database that SQLite removes when it is closed.

    A few MiB of it are in memory, the rest is in the temporary folder. Records are compressed.

    :param keeps_records: whether records are kept, too.
    """

    def __init__(self, *, keeps_records: bool = False) -> None:
        self._keeps_records = keeps_records
        self._lock = Lock()
        # No name: a temporary file. What is listed comes from several threads, one at a time.
        self._data = sqlite3.connect("", check_same_thread=False)
        self._data.executescript(_TABLES)
        self._is_indexed = False

    # --- what is listed ------------------------------------------------------------------------

    def describe(self, item: Item, record: Record) -> None:
        """Keep *record*; a later one of the same item takes its place."""
        if not self._keeps_records:
            return
        document = zlib.compress(json.dumps(record).encode(), 1)
        row = (item.kind, _blob(item.id), document)
        with self._lock:
            self._data.execute("INSERT INTO record VALUES (?, ?, ?)", row)

    def add(self, items: Iterable[Item], start: float = 0.0) -> None:
        """The items of a slice, in their order.

        :param start: epoch seconds of the slice's start, by which slices are sorted.
        """
        rows = ((start, item.kind, _blob(item.id)) for item in items)
        with self._lock:
            self._data.executemany("INSERT INTO listed VALUES (?, ?, ?)", rows)

    def leave_out(self, items: Iterable[Item]) -> None:
        """Items that are not to be chosen."""
        self._data.executemany(
            "INSERT INTO landed VALUES (?, ?)", ((item.kind, _blob(item.id)) for item in items)
        )

    def clear(self) -> None:
        """Forget what is listed and left out, since the vendor is asked again; records stay."""
        self._data.executescript("DELETE FROM listed; DELETE FROM landed;")

    # --- what is chosen ------------------------------------------------------------------------

    def choose(self) -> None:
        """Take each listed item once, in the order of the listing, but none that is to be left out."""
        self._data.executescript(_CHOOSE)

    def __len__(self) -> int:
        """Number of items that are chosen."""
        return int(self._data.execute("SELECT count(*) FROM chosen").fetchone()[0])

    @property
    def is_left_out(self) -> bool:
        """Whether items are listed, and all of them are left out."""
        (has_any,) = self._data.execute("SELECT EXISTS (SELECT 1 FROM listed)").fetchone()
        return bool(has_any) and not len(self)

    def __iter__(self) -> Iterator[Item]:
        """The items, read as they are used."""
        return map(_item, self._data.execute("SELECT kind, id FROM chosen ORDER BY rowid"))

    def between(self, start: int, stop: int) -> Iterator[Item]:
        """The chosen items of these places, from 0."""
        query = "SELECT kind, id FROM chosen WHERE rowid > ? AND rowid <= ? ORDER BY rowid"
        return map(_item, self._data.execute(query, (start, stop)))

    def digest(self) -> str:
        """SHA-256 (hex) of the chosen items and their order."""
        digest = hashlib.sha256()
        for row in self._data.execute("SELECT kind, id FROM chosen ORDER BY rowid"):
            digest.update(repr(row).encode())
        return digest.hexdigest()

    def of(self, request: ArchiveRequest) -> Iterator[tuple[Item, Record]]:
        """The items of *request* that have a record, each with its record."""
        if not self._is_indexed:
            self._data.execute("CREATE INDEX place ON record (id, kind)")
            self._is_indexed = True
        query = "SELECT json FROM record WHERE id = ? AND kind = ? ORDER BY rowid DESC LIMIT 1"
        for kind, ids in request.items.items():
            for item_id in ids:
                found = self._data.execute(query, (_blob(item_id), kind)).fetchone()
                if found:
                    yield Item(kind, item_id), json.loads(zlib.decompress(found[0]))

    def close(self) -> None:
        """Remove everything."""
        self._data.close()


def _blob(text: str) -> bytes:
    return text.encode(errors="surrogatepass")  # JSON may hold half a character


def _item(row: tuple[str, bytes]) -> Item:
    return Item(row[0], row[1].decode(errors="surrogatepass"))
