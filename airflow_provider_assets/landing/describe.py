"""What a manifest says about one object: which checks were made, and why the others were not."""

from __future__ import annotations

from airflow_provider_assets.landing.audit import Audit
from airflow_provider_assets.landing.job import Job
from airflow_provider_assets.landing.manifest import Entry, Manifest
from airflow_provider_assets.landing.store import Stored, Whole
from airflow_provider_assets.landing.zipscan import ZipScanner


def describe_file(
    job: Job, audit: Audit, whole: Whole, *, stored: Stored, known_length: bool
) -> tuple[Manifest, list[Entry]]:
    """The manifest of one file that landed as it is, and what is inside it."""
    scanner = audit.scanner
    if isinstance(scanner, ZipScanner):
        files = [Entry(m.name, m.size, f"{m.crc:08x}") for m in scanner.members if not m.is_folder]
    else:
        files = [Entry(job.name, whole.size, f"{whole.crc32:08x}", audit.sha256)]
    record = describe_object(
        job, audit, whole, stored=stored, entries=len(files), known_length=known_length
    )
    return record, files


def describe_object(
    job: Job,
    audit: Audit,
    whole: Whole,
    *,
    stored: Stored | None,
    entries: int,
    known_length: bool = True,
) -> Manifest:
    """The manifest of one object."""
    held, unverified = audit.verdict()
    if audit.sha256 is None:
        unverified["sha256"] = "not computed: the store keeps a checksum of the whole"
    if known_length:
        held.insert(0, "length")
    else:
        unverified["length"] = "the source announces none"
    if stored and stored.crc32 == whole.crc32:
        held.append("store_checksum")
    else:
        unverified["store_checksum"] = "the store keeps none"
    return Manifest(
        uri=job.store.uri(job.key),
        bytes=whole.size,
        sha256=audit.sha256,
        crc32=f"{whole.crc32:08x}",
        entries=entries,
        manifest_uri=job.store.uri(job.manifest_key),
        layout=job.layout,
        verified=tuple(held),
        unverified=unverified,
        facts=job.facts,
    )
