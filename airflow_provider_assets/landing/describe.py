"""Makes manifests: lists the checks that passed, and the reasons why others were not made."""

from __future__ import annotations

import hashlib

from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.entries import ArchivedFiles, Files
from airflow_provider_assets.landing.job import Job
from airflow_provider_assets.landing.manifest import Entry, Manifest
from airflow_provider_assets.landing.stores.base import StoredObject
from airflow_provider_assets.landing.verify import StreamVerifier
from airflow_provider_assets.landing.zips.scanner import ZipScanner


def files_in(job: Job, verifier: StreamVerifier, whole: Checksum) -> Files:
    """The entries inside one file that lands as it is; the file itself, if it is not a zip."""
    scanner = verifier.scanner
    if isinstance(scanner, ZipScanner):
        return ArchivedFiles(scanner.members)
    return [Entry(job.name, whole.size, f"{whole.crc32:08x}", verifier.sha256)]


def describe_object(
    job: Job,
    verifier: StreamVerifier,
    whole: Checksum,
    *,
    stored: StoredObject | None,
    entries: int,
    known_length: bool = True,
) -> Manifest:
    """The manifest of one object."""
    held, unverified = verifier.verdict()
    keeps_checksum = bool(stored and stored.crc32 == whole.crc32)
    if verifier.sha256 is None:
        unverified["sha256"] = _why_no_sha256(job, keeps_checksum=keeps_checksum)
    if known_length:
        held.insert(0, "length")
    else:
        unverified["length"] = "the source announces none"
    if keeps_checksum:
        held.append("store_checksum")
    else:
        unverified["store_checksum"] = "the store keeps none"
    return Manifest(
        uri=job.store.uri(job.key),
        bytes=whole.size,
        sha256=verifier.sha256,
        crc32=f"{whole.crc32:08x}",
        entries=entries,
        manifest_uri=job.store.uri(job.manifest_key),
        layout=job.layout,
        verified=tuple(held),
        unverified=unverified,
        facts=job.facts,
    )


def _why_no_sha256(job: Job, *, keeps_checksum: bool) -> str:
    if job.options.sha256 is False:
        return "switched off"
    if keeps_checksum:
        return "not computed: the store keeps a checksum of the whole"
    return "not computed: the landing was resumed, and the store cannot give back its first bytes"


def describe_files(
    job: Job, entries: Files, *, known_length: bool = True, zipped: bool = True
) -> Manifest:
    """The manifest of several files, which *entries* lists by name."""
    size, lines = 0, hashlib.sha256()
    for entry in entries:
        size += entry.bytes
        lines.update(f"{entry.crc32}  {entry.bytes}  {entry.name}\n".encode())
    checks = {
        "length": "" if known_length else "the source announces none",
        "store_checksum": "" if job.store.rules.checksum else "the store keeps none",
    }
    if zipped:
        checks |= {"zip_structure": "", "zip_crc32": ""}
    return Manifest(
        uri=job.store.uri(job.prefix),
        bytes=size,
        sha256=lines.hexdigest(),
        crc32=None,
        entries=len(entries),
        manifest_uri=job.store.uri(job.manifest_key),
        layout=job.layout,
        verified=tuple(check for check, why in checks.items() if not why),
        unverified={check: why for check, why in checks.items() if why},
        facts=job.facts,
    )
