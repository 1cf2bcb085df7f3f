"""Groups of references, where there are more of them than Airflow can map over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from airflow_provider_assets.sansio.jobs import Data
from airflow_provider_assets.sansio.versioned import VERSION, read_versioned


def grouped(references: Sequence[Data], limit: int) -> list[Data]:
    """*references*, or groups of them if there are more than *limit*, the most that can be mapped over.

    The groups are as small as the limit allows, so that as many tasks as possible share the landings.
    """
    if len(references) <= limit:
        return list(references)
    size = -(-len(references) // limit)
    starts = range(0, len(references), size)
    return [{"version": VERSION, "archives": [*references[i : i + size]]} for i in starts]


def ungrouped(archive: Data) -> list[Data]:
    """The references of a group, or the one that *archive* is itself."""
    if isinstance(archive, Mapping) and "archives" in archive:
        group = read_versioned(archive, "a group of archives", {"archives": _is_group})
        return [*cast("Sequence[Data]", group["archives"])]
    return [archive]


def _is_group(value: object) -> bool:
    return isinstance(value, (list, tuple)) and bool(value)
