"""The lines of a report: one per batch, from its reference, and the note or the manifest of its landing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from airflow_provider_assets.reports.notes import batch_of, by_batch, note_of
from airflow_provider_assets.reports.page import BatchLine
from airflow_provider_assets.sansio.jobs import ArchiveReference, Data
from airflow_provider_assets.sansio.stored import (
    Fits,
    check_fields,
    is_count,
    is_flag,
    is_text,
    or_none,
)

_LANDING: Mapping[str, Fits] = {
    **dict.fromkeys(("uri", "metadata_uri"), is_text),
    **dict.fromkeys(("bytes", "entries"), is_count),
    "skipped": is_flag,
    "facts": lambda value: (
        isinstance(value, dict)
        and is_text(value.get("conn_id"))
        and is_text(value.get("fingerprint"))
        and or_none(is_text)(value.get("target_format"))
    ),
}
SEE_LOG = "the batch has not landed; the log of its landing task says why"


def lines_of(
    references: Sequence[ArchiveReference], landings: Sequence[Data], notes: list[Data]
) -> list[BatchLine]:
    """A line per batch of *references*.

    :param landings: the manifests that the landings returned.
    :param notes: what the landings noted; a batch without a note has the line of its manifest.
    :raises InvalidRequestError: if a manifest or a note is something else.
    """
    for landing in landings:
        check_fields({"facts": None, **landing}, _LANDING, "a manifest, in manifests")
    noted = by_batch(notes)
    return [
        _line(reference, noted.get(batch_of(note_of(reference))) or manifest)
        # A manifest may name the job of an earlier run, which had landed the same items.
        for reference, manifest in zip(references, _manifests_of(references, landings), strict=True)
    ]


def _manifests_of(references: Sequence[ArchiveReference], manifests: Sequence[Data]) -> list[Data]:
    """For each of *references*, the one of *manifests* that is of its items; empty if none is."""
    facts = [cast("Data", one["facts"]) for one in manifests]
    known = {
        (str(one["conn_id"]), str(one["fingerprint"])): manifest
        for one, manifest in zip(facts, manifests, strict=True)
    }
    formats = {cast("str | None", one.get("target_format")) for one in facts}
    found = []
    for reference in references:
        names = [reference.request.landing_fingerprint(one) for one in formats]
        fitting = [known[key] for name in names if (key := (reference.conn_id, name)) in known]
        found.append(fitting[0] if fitting else {})
    return found


def _line(reference: ArchiveReference, landed: Data) -> BatchLine:
    """The line of a batch.

    :param landed: its note, or its manifest.
    """
    request, problems = reference.request, reference.job.failed
    line = BatchLine(
        number=request.index + 1,
        items=request.count,
        archived=request.count - len(problems),
        problems=problems,
    )
    seconds = landed.get("seconds")
    if "missing" in landed:  # and the landing task accepts that
        problems = {"missing files": str(landed["missing"]), **problems}
        line = replace(line, problems=problems)
    if "uri" not in landed or "reason" in landed:
        line = replace(line, problems={"": str(landed.get("reason", SEE_LOG)), **problems})
    if "uri" not in landed:
        return line
    return replace(
        line,
        landed=int(str(landed["entries"])),
        bytes=int(str(landed["bytes"])),
        seconds=float(str(seconds)) if seconds and not landed.get("skipped") else None,
        uri=str(landed["uri"]),
    )
