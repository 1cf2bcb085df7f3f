"""Whose an object without a manifest is.

From before an object is published until its manifest is written, a mark with the landing's label
stands beside it, in every store. A landing that was killed in between is known by it to the next one
of the same contents, which may replace the object even if the vendor gives other bytes by now. Only
``layout="archive"`` has it; of many files, the state remembers what landed (``resume.Landed``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_assets.landing.job import Job
from airflow_provider_assets.landing.stores.base import best_effort, put_document
from airflow_provider_assets.sansio.errors import IntegrityError, PermanentError

SUFFIX = ".landing.json"


@contextmanager
def claimed(job: Job) -> Iterator[bool]:
    """Publish inside of it; gives whether the object may replace what has its name."""
    is_marked, may_replace = _claim(job)
    try:
        yield may_replace
    except (PermanentError, IntegrityError):
        if is_marked:
            release(job)
        raise


def _claim(job: Job) -> tuple[bool, bool]:
    """Whether our mark stands, and whether what has our name may be replaced."""
    if job.overwrite or job.layout != "archive":
        return False, job.overwrite
    mark = json.dumps({"landing": job.label}).encode()
    if job.store.head(job.key):
        is_ours = job.store.get(job.key + SUFFIX) == mark
        return is_ours, is_ours
    put_document(job.store, job.key + SUFFIX, mark)
    return True, False


def release(job: Job) -> None:
    """The manifest is written, or nothing was published: the mark is not needed any more."""
    if job.layout == "archive":
        best_effort(lambda: job.store.delete(job.key + SUFFIX))
