"""The origin of a landing: the batch and the job that its manifest names, and the items in it."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_assets.landing.manifest import Contents, Manifest
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.jobs import ArchiveReference
from airflow_provider_assets.sansio.stored import Fits, is_count, is_span, is_text, or_none
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.vendors.base import VendorSpec

# The facts that asset events, lineage and metadata repeat.
_FACTS: Mapping[str, Fits] = {
    **dict.fromkeys(("vendor", "conn_id", "job_id"), is_text),
    **dict.fromkeys(("items", "batch", "batches"), is_count),
    "window": or_none(is_span),
}


def contents_of(reference: ArchiveReference) -> Contents | None:
    """The items of the batch, without those that the vendor could not archive; None if they are unknown."""
    if not reference.request.count:
        return None
    failed = reference.job.failed
    items = {
        kind: tuple(one for one in ids if one not in failed)
        for kind, ids in reference.request.items.items()
    }
    return Contents(items, reference.job.submitted_at)


def facts_of(
    reference: ArchiveReference, target_format: str | None, spec: VendorSpec
) -> dict[str, JSON]:
    """The origin of the archive. Landings with equal fingerprints are the same."""
    request = reference.request
    return {
        "vendor": request.vendor,
        "conn_id": reference.conn_id,
        "job_id": reference.job.job_id,
        "window": list(request.window) if request.window else None,
        "items": request.count,
        "batch": request.index + 1,
        "batches": request.of,
        "options": spec.shaping(request.options),
        "target_format": target_format,
        "failed": len(reference.job.failed),
        "fingerprint": request.landing_fingerprint(target_format),
    }


def check_facts(manifest: Manifest) -> None:
    """Check the facts of a *manifest* that was in the store, where anybody may have changed them.

    :raises InvalidRequestError: if one is missing, or is not what it has to be.
    """
    facts = manifest.facts
    wrong = [name for name, fits in _FACTS.items() if name not in facts or not fits(facts[name])]
    if wrong:
        raise InvalidRequestError(
            f"{manifest.manifest_uri} has been changed: its facts lack a valid {', '.join(wrong)}; set "
            "overwrite=True to land the archive again"
        )
