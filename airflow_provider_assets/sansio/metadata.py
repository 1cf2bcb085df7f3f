"""The metadata of a batch: a row per item, with the same columns for every vendor and every night."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import NamedTuple

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.jobs import ArchiveRequest, Item
from airflow_provider_assets.sansio.moments import iso_ms, parse_moment
from airflow_provider_assets.sansio.records import Record
from airflow_provider_assets.sansio.strict_json import JSON

Row = dict[str, JSON]
FOLDER = "metadata/"
LARGEST = 1 << 63  # of what databases take for an integer
NO_DAY = (
    "__HIVE_DEFAULT_PARTITION__"  # the name that Hive gives the partition of rows without a value
)


class Type(Enum):
    """The type of a column, whatever the vendor sends."""

    TEXT = "text"
    TEXTS = "texts"
    INTEGER = "integer"
    MOMENT = "moment"  # ISO in JSON, UTC with milliseconds


# What the export knows of each item.
EXPORTED: Mapping[str, Type] = {
    "vendor": Type.TEXT,
    "kind": Type.TEXT,
    "item_id": Type.TEXT,
    "conn_id": Type.TEXT,
    "job_id": Type.TEXT,
    "batch": Type.INTEGER,
    "window_start": Type.MOMENT,
    "window_end": Type.MOMENT,
    "run_date": Type.MOMENT,
    "uri": Type.TEXT,
    "file": Type.TEXT,
    "bytes": Type.INTEGER,
    "crc32": Type.TEXT,
    "sha256": Type.TEXT,
    "missing": Type.TEXT,
}
# What the vendor says about it; ``VendorSpec.columns`` tells where in its record.
DESCRIBED: Mapping[str, Type] = {
    "created_at": Type.MOMENT,
    "updated_at": Type.MOMENT,
    "name": Type.TEXT,
    "type": Type.TEXT,
    "model": Type.TEXT,
    "prompt": Type.TEXT,
    "negative_prompt": Type.TEXT,
    "description": Type.TEXT,
    "seed": Type.TEXT,
    "tags": Type.TEXTS,
    "collections": Type.TEXTS,
    "author_id": Type.TEXT,
    "inference_id": Type.TEXT,
    "parent_id": Type.TEXT,
    "root_id": Type.TEXT,
    "width": Type.INTEGER,
    "height": Type.INTEGER,
    "format": Type.TEXT,
}
# All of it, as JSON in a string: a nested value could have a different type in every file.
RECORD = "record"
COLUMNS: Mapping[str, Type] = {**EXPORTED, **DESCRIBED, RECORD: Type.TEXT}


class File(NamedTuple):
    """A file that landed: URI of its object, name, bytes and checksums (hex)."""

    uri: str
    name: str
    bytes: int
    crc32: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch after it has landed.

    :param request: with its items.
    :param job_id: of the job that made the archive.
    :param uri: of the object or folder, for items without a known file.
    :param files: item id -> its file, as far as known.
    :param missing: item id -> why it has not landed.
    """

    conn_id: str
    request: ArchiveRequest
    job_id: str
    uri: str
    files: Mapping[str, File]
    missing: Mapping[str, str]


def rows(batch: Batch, records: Mapping[Item, Record], columns: Mapping[str, str]) -> Iterable[Row]:
    """A row per item of *batch*, in its order, each with all of :data:`COLUMNS`.

    :param columns: of :data:`DESCRIBED` -> place in a record, whose dots lead into objects.
    """
    request = batch.request
    window = request.window or (None, None)
    for kind, ids in request.items.items():
        for item_id in ids:
            record = records.get(Item(kind, item_id))
            missing = batch.missing.get(item_id)
            file = batch.files.get(item_id)
            known: Row = {
                "vendor": request.vendor,
                "kind": kind,
                "item_id": item_id,
                "conn_id": batch.conn_id,
                "job_id": batch.job_id,
                "batch": request.index + 1,
                "window_start": window[0],
                "window_end": window[1],
                "run_date": request.run_date or None,
                "uri": file.uri if file else None if missing else batch.uri,
                "file": file and file.name,
                "bytes": file and file.bytes,
                "crc32": file and file.crc32,
                "sha256": file and file.sha256,
                "missing": missing,
            }
            if record is not None:
                known |= {name: _at(record, place) for name, place in columns.items()}
                known[RECORD] = json.dumps(record, ensure_ascii=False)
            yield {name: _as(type_, known.get(name)) for name, type_ in COLUMNS.items()}


def jsonl(table: Iterable[Row]) -> bytes:
    """*table* as lines of JSON."""
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in table).encode()


def key_of(request: ArchiveRequest, name: str, extension: str) -> str:
    """The key of the metadata of a batch, below the destination.

    :param name: of the manifest, without its ``.manifest.json``.
    """
    day = (request.window[0] if request.window else request.run_date)[:10] or NO_DAY
    return f"{FOLDER}day={day}/{name}.{extension}"


def _at(record: Record, place: str) -> JSON:
    value: JSON = record
    for name in place.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _as(type_: Type, value: JSON) -> JSON:
    """*value* in the type of its column; None where it has none that fits."""
    if value is None:
        return None
    if type_ is Type.TEXTS:
        return [_text(one) for one in value] if isinstance(value, list) else None
    if type_ is Type.INTEGER:
        return _integer(value)
    return _moment(value) if type_ is Type.MOMENT else _text(value)


def _integer(value: JSON) -> int | None:
    return int(value) if isinstance(value, (int, float)) and abs(value) < LARGEST else None


def _text(value: JSON) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode(errors="replace").decode()  # half of a surrogate pair cannot be encoded


def _moment(value: JSON) -> str | None:
    """ISO in UTC, from ISO or from epoch seconds."""
    try:
        if isinstance(value, str):
            return iso_ms(parse_moment(value, "moment"))
        if isinstance(value, (int, float)):
            return iso_ms(datetime.fromtimestamp(value, timezone.utc))
    except (InvalidRequestError, ValueError, OverflowError, OSError):
        pass
    return None
