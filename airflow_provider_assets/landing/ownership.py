"""Marks an object as ours from before it is published until its manifest is written.

The mark is stored beside the object and holds the landing's label. A landing that was killed in between is
recognised by it: the next one of the same contents may replace the object, even if the vendor gives
other bytes by now, and nobody else may. Only ``layout="archive"`` has it; of many files, the state
remembers which have landed (:class:`~.checkpoint.Landed`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from airflow_provider_assets.landing.job import Job
from airflow_provider_assets.landing.manifest import Entry, Manifest
from airflow_provider_assets.landing.markers import CLAIM
from airflow_provider_assets.landing.stores.base import best_effort, put_document, taken
from airflow_provider_assets.sansio.errors import IntegrityError, PermanentError


def ensure_free(job: Job, size: int | None = None) -> None:
    """Check that the object may get its name, before more is fetched for it.

    An object of the same size may be the very same one, whose manifest was deleted; that shows when it
    is published. Any other would be found then, too, but after the whole download.

    :param size: bytes that the object will have; None refuses whatever has the name, since a package
        that can be downloaded once must not be spent on finding out.
    :raises InvalidRequestError: if something that is not ours has the name.
    """
    if job.overwrite or job.layout != "archive":
        return
    there = job.store.head(job.key)
    if there and there.size != size and not _is_marked(job):
        raise taken(job.store.uri(job.key))


@contextmanager
def claimed(job: Job) -> Iterator[bool]:
    """Publish inside of it; gives whether the object may replace what has its name."""
    is_marked, may_replace = _claim(job)
    try:
        yield may_replace
    except (PermanentError, IntegrityError):
        if is_marked:
            _release(job)
        raise


def commit(job: Job, record: Manifest, files: Iterable[Entry]) -> None:
    """Write the manifest, which makes the mark needless."""
    put_document(job.store, job.manifest_key, record.document(files))
    _release(job)


def _claim(job: Job) -> tuple[bool, bool]:
    """Whether our mark is there, and whether what has our name may be replaced."""
    if job.overwrite or job.layout != "archive":
        return False, job.overwrite
    if job.store.head(job.key):
        is_ours = _is_marked(job)
        return is_ours, is_ours
    put_document(job.store, job.key + CLAIM, _mark(job))
    return True, False


def _is_marked(job: Job) -> bool:
    return job.store.get(job.key + CLAIM) == _mark(job)


def _mark(job: Job) -> bytes:
    return json.dumps({"landing": job.label}).encode()


def _release(job: Job) -> None:
    if job.layout == "archive":
        best_effort(lambda: job.store.delete(job.key + CLAIM))
