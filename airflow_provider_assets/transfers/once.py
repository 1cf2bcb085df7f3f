"""The package that can be downloaded only once: what has to be true before, and what to do after, its GET.

Before the GET a *marker* with the archive's id is stored beside the target. That proves the destination
writable, and tells a later attempt that this archive may be gone. The GET itself is sent once, without
Range, retry or redirect. What breaks after that is exported anew: an export changes nothing at the
vendor. A second GET is sent only where the first one demonstrably ended before the vendor answered, and
the vendor still offers the archive.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.landing.stores.base import put_document
from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AssetsError,
    IntegrityError,
    JobError,
    TransientError,
)
from airflow_provider_assets.sansio.jobs import ArchiveJob, ArchiveReference, Data, JobState, Link
from airflow_provider_assets.sansio.waiter import ensure_succeeded

if TYPE_CHECKING:
    from airflow_provider_assets.landing import Manifest, Store

MARKER_SUFFIX = ".started.json"
# The answers that a gateway gives before the service has opened the archive.
BEFORE_OPENING = frozenset({401, 408, 429, 500, 502, 503, 504})
# "Downloading an Asset Package" documents 403 for whatever is refused, a second download included.
GONE = frozenset({403, 404, 410})
EXPORT_TIMEOUT = 6 * 3600.0


Land = Callable[[ArchiveReference, bool], "Manifest"]


@dataclass(slots=True)
class Marker:
    """What earlier attempts did.

    :param opened: ids of the archives whose GET was or may have been sent.
    :param job: the job of the latest export made anew, if there was one and it has not failed.
    """

    opened: list[str] = field(default_factory=list)
    job: ArchiveJob | None = None

    def to_bytes(self) -> bytes:
        """As it is stored."""
        data = {"opened": self.opened, "job": self.job.to_dict() if self.job else None}
        return json.dumps(data).encode()

    @classmethod
    def from_bytes(cls, document: bytes | None) -> Marker:
        """The marker that :meth:`to_bytes` gave; an empty one for None."""
        if document is None:
            return cls()
        data = json.loads(document)
        job = data.get("job")
        return cls(list(data["opened"]), ArchiveJob.from_dict(job) if job else None)


@dataclass(slots=True)
class SingleUseLanding:
    """Lands single-use archives.

    :param key: of the marker.
    :param max_reexports: exports made anew in one attempt.
    """

    hook: AssetArchiveHook
    store: Store
    key: str
    max_reexports: int

    def land(self, reference: ArchiveReference, land: Land) -> Manifest:
        """Land *reference*, or what an export made anew gave in its place.

        :param land: lands one reference, by one GET at most; moves nothing if it has landed before.
            Told that it is sealed, it sends no GET at all.
        :raises AssetsError: the failure that used up the exports.
        """
        marker = Marker.from_bytes(self.store.get(self.key))
        left = self.max_reexports
        if marker.job is not None and _archive(reference) in marker.opened:
            reference = replace(reference, job=marker.job)
        while True:
            try:
                reference = self._finished(reference, marker)
                manifest = self._open(reference, marker, land)
            except (JobError, IntegrityError, TransientError) as error:
                if left == 0:
                    raise
                left -= 1
                self.hook.log.warning(
                    "%s: %s. The archive can be downloaded only once, so it is exported anew",
                    type(error).__name__,
                    error,
                )
                reference = self._export_anew(reference, marker)
            else:
                self.store.delete(self.key)
                return manifest

    def _finished(self, reference: ArchiveReference, marker: Marker) -> ArchiveReference:
        """*reference*, its job finished; one that failed is not waited for by the next attempt again."""
        if reference.job.state.is_terminal:
            return reference
        end = self.hook.wait([reference.job], deadline=time.time() + EXPORT_TIMEOUT)[0]
        try:
            return replace(reference, job=ensure_succeeded(end))
        except JobError:
            marker.job = None
            self._store(marker)
            raise

    def _open(self, reference: ArchiveReference, marker: Marker, land: Land) -> Manifest:
        """Land by the one GET; what an earlier attempt opened can only have landed already.

        :raises ArchiveExpiredError: if it was opened and has not landed.
        """
        if _archive(reference) in marker.opened:
            return land(reference, True)
        marker.opened.append(_archive(reference))
        self._store(marker)
        try:
            return self._get(reference, land)
        except AssetsError as error:
            if not _before_opening(error):
                raise
            job = self.hook.poll([replace(reference.job, state=JobState.RUNNING)])[0]
            if job.state is not JobState.SUCCEEDED:
                raise
            self.hook.log.warning("%s. The archive is still there: one more try", error)
            return self._get(reference, land)

    def _get(self, reference: ArchiveReference, land: Land) -> Manifest:
        try:
            return land(reference, False)
        except AssetsError as error:
            if error.status not in GONE:
                raise
            raise ArchiveExpiredError(
                f"archive {_archive(reference)} is not given out any more (HTTP {error.status})",
                vendor=reference.request.vendor,
                status=error.status,
            ) from error

    def _export_anew(self, reference: ArchiveReference, marker: Marker) -> ArchiveReference:
        job = self.hook.submit(reference.request)
        marker.job = job
        self._store(marker)
        self.hook.log.info("Exporting anew as %s job %s", job.vendor, job.job_id)
        return replace(reference, job=job)

    def _store(self, marker: Marker) -> None:
        put_document(self.store, self.key, marker.to_bytes())


def sealed() -> Link:
    """In place of a link to an archive that may have been opened.

    :raises ArchiveExpiredError: always.
    """
    raise ArchiveExpiredError("an earlier attempt opened the archive and did not finish")


def _archive(reference: ArchiveReference) -> str:
    details = cast("Data", reference.job.details)
    return str(details.get("archive_id") or reference.job.job_id)


def _before_opening(error: AssetsError) -> bool:
    return error.code == "before_headers" or error.status in BEFORE_OPENING
