"""Lands packages that can be downloaded only once.

Immediately before the GET a *marker* with the archive's id is stored beside the target. That proves the
destination writable, and tells a later attempt that this archive may be gone. The GET itself is sent
once, without Range, retry or redirect. If the download breaks after that, the package is exported again:
an export changes nothing at the vendor. If the destination fails, nothing is exported: the next attempt
unpacks what has been staged, and exports again only if the bytes are lost. A second GET is sent only
where the first one demonstrably ended before the vendor answered, and the vendor still offers the archive,
or, by a later attempt, where the vendor says that it refused the credentials.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar, cast

from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.landing.stores.base import best_effort, put_document
from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AssetsError,
    AuthenticationError,
    IntegrityError,
    JobError,
    ProtocolError,
    TransientError,
)
from airflow_provider_assets.sansio.jobs import ArchiveJob, ArchiveReference, Data, JobState
from airflow_provider_assets.sansio.waiter import ensure_succeeded

if TYPE_CHECKING:
    from airflow_provider_assets.landing import Store

# The answers that a gateway gives before the service has opened the archive.
BEFORE_OPENING = frozenset({401, 408, 429, 500, 502, 503, 504})
# "Downloading an Asset Package" documents 403 for whatever is refused, a second download included.
GONE = frozenset({403, 404, 410})
EXPORT_TIMEOUT = 6 * 3600.0


T = TypeVar("T")
Land = Callable[[ArchiveReference, Callable[[], None]], T]


@dataclass(slots=True)
class Marker:
    """What earlier attempts did.

    :param opened: ids of the archives whose GET was or may have been sent.
    :param job: the job of the latest re-export, if there was one and it has not failed.
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
    :param max_reexports: re-exports in one attempt.
    """

    hook: AssetArchiveHook
    store: Store
    key: str
    max_reexports: int

    def land(self, reference: ArchiveReference, land: Land[T]) -> T:
        """Land *reference*, or what a re-export gave in its place.

        :param land: lands one reference, by one GET at most; moves nothing if it has landed before. It
            calls its second argument immediately before the GET, and sends none if that raises.
        :raises AssetsError: a failure of the destination, or the failure that used up the re-exports.
        """
        marker = Marker.from_bytes(self.store.get(self.key))
        left = self.max_reexports
        if marker.job is not None and _archive_id(reference) in marker.opened:
            reference = replace(reference, job=marker.job)
        while True:
            try:
                reference = self._finished(reference, marker)
                landed = self._open(reference, marker, land)
            except (JobError, IntegrityError, TransientError) as error:
                if left == 0 or not _is_lost(error):
                    raise
                left -= 1
                self.hook.log.warning(
                    "%s: %s. The archive can be downloaded only once; exporting it again",
                    type(error).__name__,
                    error,
                )
                reference = self._export_again(reference, marker)
            else:
                best_effort(lambda: self.store.delete(self.key))
                return landed

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

    def _open(self, reference: ArchiveReference, marker: Marker, land: Land[T]) -> T:
        """Land by the one GET; what an earlier attempt opened can only have been stored already.

        :raises ArchiveExpiredError: if it was opened and is not stored.
        """
        archive = _archive_id(reference)
        if archive in marker.opened:
            return land(reference, refuse_to_open)

        def before_get() -> None:
            if archive not in marker.opened:
                marker.opened.append(archive)
                self._store(marker)

        try:
            return self._get(reference, land, before_get)
        except AssetsError as error:
            if _was_denied(error):
                marker.opened.remove(archive)
                best_effort(lambda: self._store(marker))
            if not _ended_before_opening(error):
                raise
            job = self.hook.poll([replace(reference.job, state=JobState.RUNNING)])[0]
            if job.state is not JobState.SUCCEEDED:
                raise
            self.hook.log.warning("%s. The archive is still offered; trying once more", error)
            return self._get(reference, land, before_get)

    def _get(self, reference: ArchiveReference, land: Land[T], before_get: Callable[[], None]) -> T:
        try:
            return land(reference, before_get)
        except ProtocolError as error:
            # Its words do not say whether the archive is still there; only another export surely is.
            if not error.is_of_download or error.status not in GONE:
                raise
            raise ArchiveExpiredError(
                error.message, vendor=error.vendor, code=error.code, status=error.status
            ) from error

    def _export_again(self, reference: ArchiveReference, marker: Marker) -> ArchiveReference:
        job = self.hook.submit(reference.request)
        marker.job = job
        self._store(marker)
        self.hook.log.info("Exporting again as %s job %s", job.vendor, job.job_id)
        return replace(reference, job=job)

    def _store(self, marker: Marker) -> None:
        put_document(self.store, self.key, marker.to_bytes())


def refuse_to_open() -> None:
    """Refuse the GET of an archive that may have been opened.

    :raises ArchiveExpiredError: always.
    """
    raise ArchiveExpiredError("an earlier attempt opened the archive and did not finish")


def _archive_id(reference: ArchiveReference) -> str:
    details = cast("Data", reference.job.details)
    return str(details.get("archive_id") or reference.job.job_id)


def _is_lost(error: AssetsError) -> bool:
    """Whether only a re-export can help: the archive is gone, damaged, or broke while it was read.

    A destination that fails, or a vendor that cannot be reached while an export is waited for, may
    recover by the next attempt.
    """
    return isinstance(error, (JobError, IntegrityError)) or error.is_of_download


def _was_denied(error: AssetsError) -> bool:
    """Whether the vendor's words say that the credentials were refused, which opens no archive."""
    return isinstance(error, AuthenticationError) and error.is_of_download


def _ended_before_opening(error: AssetsError) -> bool:
    return error.is_of_download and (
        error.code == "before_headers" or error.status in BEFORE_OPENING
    )
