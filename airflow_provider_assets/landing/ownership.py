"""Ownership of an object between its publication and its manifest, recorded in a marker beside it.

The marker holds the landing's label. If a landing is killed before it writes its manifest, the next
landing of the same contents recognizes the object by the marker and may replace it, even if the vendor
sends other bytes by then; no other landing may. The manifest of a landing that is being replaced is
withdrawn first, so that it never vouches for another object. Only ``layout="archive"`` needs a marker: for
many files, the state remembers which of them have landed (:class:`~.checkpoint.LandedFiles`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from airflow_provider_assets.landing.job import Job
from airflow_provider_assets.landing.manifest import Entry, Manifest
from airflow_provider_assets.landing.markers import OWNERSHIP_MARKER
from airflow_provider_assets.landing.stores.base import best_effort, name_taken, put_document
from airflow_provider_assets.sansio.errors import IntegrityError, PermanentError


def ensure_free(job: Job, size: int | None = None) -> None:
    """Check that the object may get its name, before more bytes are fetched for it.

    The store checks again when the object is published, but only after the whole download. An object of
    the same size passes here, because it may be the same one, whose manifest was deleted.

    :param size: bytes that the object will have; None refuses every other object of the name, so that a
        package that can be downloaded only once is not spent on comparing the two.
    :raises InvalidRequestError: if another object has the name.
    """
    if job.overwrite or job.layout != "archive":
        return
    there = job.store.head(job.key)
    if there and there.size != size and not _has_our_marker(job):
        raise name_taken(job.store.uri(job.key))


@contextmanager
def ownership(job: Job) -> Iterator[bool]:
    """Hold the marker while the object is published in the block.

    Yields whether the object may replace what has its name.
    """
    has_marker, may_replace = _acquire(job)
    withdrawn = _withdraw_manifest(job) if has_marker and may_replace else None
    try:
        yield may_replace
    except (PermanentError, IntegrityError):
        if withdrawn is not None:
            put_document(job.store, job.manifest_key, withdrawn)
        if has_marker:
            _remove_marker(job)
        raise


def commit(job: Job, record: Manifest, files: Iterable[Entry]) -> None:
    """Write the manifest and remove the marker, which is no longer needed."""
    put_document(job.store, job.manifest_key, record.document(files, job.contents))
    _remove_marker(job)


def _acquire(job: Job) -> tuple[bool, bool]:
    """Whether our marker is stored, and whether an object of our name may be replaced."""
    if job.layout != "archive" or (job.overwrite and not job.store.head(job.manifest_key)):
        return False, job.overwrite
    if not job.overwrite and job.store.head(job.key):
        is_ours = _has_our_marker(job)
        return is_ours, is_ours
    put_document(job.store, job.key + OWNERSHIP_MARKER, _marker(job))
    return True, job.overwrite


def _withdraw_manifest(job: Job) -> bytes | None:
    """Remove the manifest of the object that is about to be replaced; return it, or None if there is none."""
    known = job.store.get(job.manifest_key)
    if known is not None:
        best_effort(lambda: job.store.delete(job.manifest_key))
    return known


def _has_our_marker(job: Job) -> bool:
    return job.store.get(job.key + OWNERSHIP_MARKER) == _marker(job)


def _marker(job: Job) -> bytes:
    return json.dumps({"landing": job.label}).encode()


def remove_own_marker(job: Job) -> None:
    """Remove the marker that was left by an attempt killed right after its manifest.

    It is looked for first: deleting what is not there leaves a delete marker in a versioned bucket.
    """
    if job.layout == "archive" and _has_our_marker(job):
        _remove_marker(job)


def _remove_marker(job: Job) -> None:
    if job.layout == "archive":
        best_effort(lambda: job.store.delete(job.key + OWNERSHIP_MARKER))
