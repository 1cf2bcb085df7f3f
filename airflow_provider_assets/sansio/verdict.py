"""The one verdict on completeness: whether the vendor's jobs archived every item."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_provider_assets.sansio.errors import PartialArchiveError
from airflow_provider_assets.sansio.jobs import ArchiveJob

ON_PARTIAL = ("fail", "land")
# The number of ids that a message names; the manifest has all of them.
SHOWN = 10


def first_of(names: Iterable[str]) -> str:
    """The first of *names*, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more


def ensure_complete(jobs: Iterable[ArchiveJob], on_partial: str) -> list[str]:
    """A sentence for each of *jobs* that archived only some of its items, naming what is missing.

    :raises PartialArchiveError: if there is such a job, unless *on_partial* is ``"land"``.
    """
    incomplete = []
    for job in jobs:
        if failed := job.failed:
            names = first_of(f"{item} ({why})" for item, why in failed.items())
            incomplete.append(
                f"{job.vendor} job {job.job_id}: {len(failed)} items are missing: {names}"
            )
            vendor = job.vendor
    if incomplete and on_partial != "land":
        raise PartialArchiveError(
            f'{"; ".join(incomplete)}. Set on_partial="land" to land the others', vendor=vendor
        )
    return incomplete
