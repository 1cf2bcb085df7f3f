"""Notes of a landing for the report of its run: one per batch, about what no manifest contains."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_assets.sansio.jobs import ArchiveReference, Data
from airflow_provider_assets.sansio.stored import (
    Fits,
    check_fields,
    is_count,
    is_flag,
    is_number,
    is_text,
)

NOTES = "notes"  # the XCom key under which a landing leaves them
Batch = tuple[object, ...]
_BATCH = ("conn_id", "job_id", "batch")
_NOTE: Mapping[str, Fits] = {
    **dict.fromkeys(("batch", "bytes", "entries"), is_count),
    **dict.fromkeys(("conn_id", "job_id", "uri", "reason", "missing"), is_text),
    "seconds": is_number,
    "skipped": is_flag,
}


def note_of(reference: ArchiveReference) -> Data:
    """The part of a note that says which batch it is about: several exports may share a report."""
    return {
        "conn_id": reference.conn_id,
        "job_id": reference.job.job_id,
        "batch": reference.request.index + 1,
    }


def by_batch(notes: list[Data]) -> dict[Batch, Data]:
    """*notes* by the batch that each is about.

    :raises InvalidRequestError: if one of them is not a note.
    """
    for note in notes:
        check_fields({**dict.fromkeys(_BATCH), **note}, _NOTE, "a note, in notes")
    return {batch_of(note): note for note in notes}


def batch_of(note: Data) -> Batch:
    """The batch that a note is about."""
    return tuple(note[name] for name in _BATCH)
