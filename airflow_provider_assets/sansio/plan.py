"""The plan object of a batch: its items and what the vendor said about each, outside of references.

Gzipped lines of JSON: the first holds the batch and its items, each other one an item's record.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable
from dataclasses import replace
from io import BytesIO
from typing import cast

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.jobs import ArchiveRequest, Data, Item
from airflow_provider_assets.sansio.plan_reference import PlanReference
from airflow_provider_assets.sansio.records import Record

# Ids of fewer bytes stay in the references: an object of their own would cost more than it saves.
MAX_INLINE = 4096
LEVEL = 6
_UNREADABLE = (
    *(OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, RecursionError),
    InvalidRequestError,
)
_AGAIN = "clear the archive task to export again"


def is_inline(request: ArchiveRequest) -> bool:
    """Whether the items of *request* are few enough for its references."""
    return sum(len(item) for ids in request.items.values() for item in ids) <= MAX_INLINE


def name_of(request: ArchiveRequest) -> str:
    """Name of the plan object: that of the batch's archive and its tag, the same in every attempt."""
    return f"{request.stem}-{request.tag}.jsonl.gz" if request.tag else f"{request.stem}.jsonl.gz"


def planned(
    request: ArchiveRequest, records: Iterable[tuple[Item, Record]], uri: str
) -> tuple[ArchiveRequest, bytes]:
    """*request* without its items, and the plan object that holds them.

    :param uri: at which the caller will store the object.
    """
    written = BytesIO()
    # Equal plans are equal bytes, whenever written. The best compression takes twice as long for 2 %.
    with gzip.GzipFile("", "wb", LEVEL, written, mtime=0) as lines:
        lines.write(_line(request.to_dict()))
        for item, record in records:
            lines.write(_line({"kind": item.kind, "id": item.id, "record": record}))
    document = written.getvalue()
    digest = hashlib.sha256(document).hexdigest()
    plan = PlanReference(uri, digest, request.count, request.fingerprint)
    return replace(request, items={}, plan=plan), document


def _line(data: Data) -> bytes:
    return f"{json.dumps(data)}\n".encode()


def read(
    request: ArchiveRequest, document: bytes | None
) -> tuple[ArchiveRequest, dict[Item, Record]]:
    """*request* with its items, and their records, from the *document* at the address of its plan.

    :raises InvalidRequestError: if the object is missing or has changed; the message names the remedy.
    """
    plan = cast("PlanReference", request.plan)
    if document is None:
        raise InvalidRequestError(
            f"{plan.uri}, which lists the items of this batch, is missing; {_AGAIN}, and let plans expire "
            "only when their archives have landed"
        )
    if hashlib.sha256(document).hexdigest() != plan.sha256:
        raise InvalidRequestError(
            f"{plan.uri}, which lists the items of this batch, has been changed since; {_AGAIN}"
        )
    try:
        head, *lines = gzip.decompress(document).splitlines()
        items = ArchiveRequest.from_dict(json.loads(head)).items
        described = [json.loads(line) for line in lines]
        records = {Item(str(one["kind"]), str(one["id"])): dict(one["record"]) for one in described}
    except _UNREADABLE as error:
        raise InvalidRequestError(
            f"{plan.uri}, which lists the items of this batch, cannot be read ({type(error).__name__}); "
            f"{_AGAIN}"
        ) from error
    return replace(request, items=items), records
