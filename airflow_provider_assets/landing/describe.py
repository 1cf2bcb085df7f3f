"""Makes manifests: lists the checks that passed, and the reasons why others were not made."""

from __future__ import annotations

import hashlib

from airflow_provider_assets.landing.call import LandingCall
from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.entries import ArchivedFiles, Files
from airflow_provider_assets.landing.manifest import Entry, Manifest
from airflow_provider_assets.landing.stores.base import StoredObject
from airflow_provider_assets.landing.verify import StreamVerifier
from airflow_provider_assets.landing.zips.scanner import ZipScanner


def files_in(call: LandingCall, verifier: StreamVerifier, whole: Checksum) -> Files:
    """The entries inside one file that lands as it is; the file itself, if it is not a zip."""
    scanner = verifier.scanner
    if isinstance(scanner, ZipScanner):
        return ArchivedFiles(scanner.members)
    return [Entry(call.name, whole.size, f"{whole.crc32:08x}", verifier.sha256)]


def describe_object(
    call: LandingCall,
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
        unverified["sha256"] = _why_no_sha256(call, keeps_checksum=keeps_checksum)
    if known_length:
        held.insert(0, "length")
    else:
        unverified["length"] = "the source announces none"
    if keeps_checksum:
        held.append("store_checksum")
    else:
        unverified["store_checksum"] = "the store keeps none"
    return Manifest(
        uri=call.store.uri(call.key),
        bytes=whole.size,
        sha256=verifier.sha256,
        crc32=f"{whole.crc32:08x}",
        entries=entries,
        manifest_uri=call.store.uri(call.manifest_key),
        layout=call.layout,
        verified=tuple(held),
        unverified=unverified,
        facts=call.facts,
    )


def _why_no_sha256(call: LandingCall, *, keeps_checksum: bool) -> str:
    if call.options.sha256 is False:
        return "switched off"
    if keeps_checksum:
        return "not computed: the store keeps a checksum of the whole"
    return "not computed: the landing was resumed, and the store cannot give back its first bytes"


def describe_files(
    call: LandingCall, entries: Files, *, known_length: bool = True, zipped: bool = True
) -> Manifest:
    """The manifest of several files, which *entries* lists by name."""
    size, lines = 0, hashlib.sha256()
    for entry in entries:
        size += entry.bytes
        lines.update(f"{entry.crc32}  {entry.bytes}  {entry.name}\n".encode())
    checks = {
        "length": "" if known_length else "the source announces none",
        "store_checksum": "" if call.store.rules.keeps_checksum else "the store keeps none",
    }
    if zipped:
        checks |= {"zip_structure": "", "zip_crc32": ""}
    return Manifest(
        uri=call.store.uri(call.prefix),
        bytes=size,
        sha256=lines.hexdigest(),
        crc32=None,
        entries=len(entries),
        manifest_uri=call.store.uri(call.manifest_key),
        layout=call.layout,
        verified=tuple(check for check, why in checks.items() if not why),
        unverified={check: why for check, why in checks.items() if why},
        facts=call.facts,
    )
