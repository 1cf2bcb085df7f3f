"""Pieces that all layouts share: sizes of parts, verifiers, and writers of objects."""

from __future__ import annotations

from concurrent.futures import Executor

from airflow_provider_assets.landing.call import LandingCall
from airflow_provider_assets.landing.options import MIB
from airflow_provider_assets.landing.pipeline.buffers import BufferPool
from airflow_provider_assets.landing.pipeline.object_writer import ObjectWriter
from airflow_provider_assets.landing.verify import StreamVerifier

FIRST = 2 * MIB  # requested first, before the length of the file is known
PART = 8 * MIB
_HASHED = 256 * MIB  # for larger files, sha256 costs over 15 % of the time of a fast transfer


def part_size(call: LandingCall, total: int | None = None) -> int:
    """Bytes per part, so that *total* bytes need no more parts than the store allows."""
    rules = call.store.rules
    least = -(-(total or 0) // max(1, rules.max_parts * 19 // 20))
    return max(call.options.part_size or PART, rules.min_part, -(-least // MIB) * MIB)


def verifier_for(call: LandingCall, total: int | None) -> StreamVerifier:
    """A verifier for an object of *total* bytes, with a SHA-256 if the options ask for one."""
    wanted = call.options.sha256
    if wanted is None:
        wanted = not call.store.rules.keeps_checksum or total is None or total <= _HASHED
    return StreamVerifier(
        call.name,
        hash_it=wanted,
        look_inside=call.verify,
        max_entries=call.options.max_entries,
    )


def object_writer(
    call: LandingCall,
    key: str,
    buffers: BufferPool,
    size: int,
    pool: Executor | None = None,
) -> ObjectWriter:
    """A writer of one object of the landing, in parts of *size* bytes."""
    return ObjectWriter(
        call.store, key, call.label, buffers, size, pool=pool, options=call.object_options
    )
