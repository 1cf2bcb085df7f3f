"""Lands packages that can be downloaded only once.

Immediately before the GET, a *marker* with the archive's id is stored beside the target. This proves that the
destination is writable, and tells a later attempt that the archive may have been consumed. The GET is sent
once, without Range, retry or redirect. If the download breaks after that, the package is exported again,
which changes nothing at the vendor. If the destination fails, nothing is exported: the next attempt
unpacks the staged package, and exports again only if its bytes are lost. A second GET is sent only if the
first one demonstrably ended before the vendor opened the archive, and the vendor still offers it; or, in
a later attempt, if the vendor says that it refused the credentials.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.landing.stores.base import best_effort, put_document
from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AssetsError,
    AuthenticationError,
    IntegrityError,
    InvalidRequestError,
    JobError,
    ProtocolError,
    TransientError,
)
from airflow_provider_assets.sansio.jobs import ArchiveJob, ArchiveReference, Data, JobState
from airflow_provider_assets.sansio.stored import check_fields, is_texts
from airflow_provider_assets.sansio.waiter import ensure_succeeded

if TYPE_CHECKING:
    from airflow_provider_assets.landing import Store

# Answers of a gateway, which come before the service has opened the archive.
BEFORE_OPENING = frozenset({401, 408, 429, 500, 502, 503, 504})
# "Downloading an Asset Package" documents 403 for every refusal, even of a second download.
GONE = frozenset({403, 404, 410})
EXPORT_TIMEOUT = 6 * 3600.0  # seconds that a re-export may take


T = TypeVar("T")
Fetch = Callable[[ArchiveReference, Callable[[], None]], T]


@dataclass(slots=True)
class OpenedPackages:
    """The record of what earlier attempts have opened, stored beside the target as their marker.

    :param ids: of the archives for which a GET was, or may have been, sent.
    :param job: the job of the latest re-export; None if there is none, or it failed.
    """

    ids: list[str] = field(default_factory=list)
    job: ArchiveJob | None = None

    def to_bytes(self) -> bytes:
        """The bytes to store."""
        data = {"opened": self.ids, "job": self.job.to_dict() if self.job else None}
        return json.dumps(data).encode()

    @classmethod
    def from_bytes(cls, document: bytes | None) -> OpenedPackages:
        """The inverse of :meth:`to_bytes`; empty for None."""
        if document is None:
            return cls()
        try:
            data: Any = json.loads(document)
            check_fields(data, {"opened": is_texts}, "a marker")
            job = data.get("job")
            return cls(list(data["opened"]), ArchiveJob.from_dict(job) if job else None)
        except (ValueError, KeyError, RecursionError, InvalidRequestError) as error:
            raise InvalidRequestError(
                "the marker that says which packages have been opened cannot be read "
                f"({type(error).__name__}); delete it, and clear the archive task to export again"
            ) from error


@dataclass(slots=True)
class SingleUseLanding:
    """Lands single-use archives.

    :param store: store of the target. :param key: key of the marker.
    :param max_reexports: largest number of re-exports per attempt.
    """

    hook: AssetArchiveHook
    store: Store
    key: str
    max_reexports: int

    def land(self, reference: ArchiveReference, fetch: Fetch[T]) -> T:
        """Land *reference*, or the archive of a re-export in its place.

        :param fetch: lands one reference by at most one GET, and moves nothing if it has landed before. It
            calls its second argument immediately before the GET, and does not send it if that raises.
        :raises AssetsError: if the destination failed, or no re-export is left after a failed download.
        """
        opened = OpenedPackages.from_bytes(self.store.get(self.key))
        left = self.max_reexports
        if opened.job is not None and _archive_id(reference) in opened.ids:
            reference = replace(reference, job=opened.job)
        while True:
            try:
                reference = self._finished(reference, opened)
                landed = self._open(reference, opened, fetch)
            except (JobError, IntegrityError, TransientError) as error:
                is_known = reference.request.count > 0  # else the job was started elsewhere
                if left == 0 or not is_known or not _is_lost(error):
                    raise
                left -= 1
                self.hook.log.warning(
                    "%s: %s. Nothing needs to be cleared yet: the archive, which can be downloaded only "
                    "once, is exported again now; re-exports left: %d",
                    type(error).__name__,
                    error,
                    left,
                )
                reference = self._export_again(reference, opened)
            else:
                best_effort(lambda: self.store.delete(self.key))
                return landed

    def _finished(self, reference: ArchiveReference, opened: OpenedPackages) -> ArchiveReference:
        """*reference* after its job has finished; a job that failed is forgotten."""
        if reference.job.state.is_terminal:
            return reference
        end = self.hook.wait([reference.job], deadline=time.time() + EXPORT_TIMEOUT)[0]
        self.hook.metrics.ended(end, reference.job.submitted_at, time.time())
        try:
            return replace(reference, job=ensure_succeeded(end))
        except JobError:
            opened.job = None
            self._store(opened)
            raise

    def _open(self, reference: ArchiveReference, opened: OpenedPackages, fetch: Fetch[T]) -> T:
        """Land by a single GET. An archive that was opened before may only land from the store.

        :raises ArchiveExpiredError: if it was opened before and is not in the store.
        """
        archive = _archive_id(reference)
        if archive in opened.ids:
            return fetch(reference, refuse_to_open)

        def before_get() -> None:
            if archive not in opened.ids:
                opened.ids.append(archive)
                self._store(opened)

        try:
            return self._get(reference, fetch, before_get)
        except AssetsError as error:
            if _was_denied(error):
                opened.ids.remove(archive)
                best_effort(
                    lambda: self._store(opened),
                    otherwise="The package was not opened, but its marker cannot be corrected; the next "
                    "attempt exports it again",
                )
            if not _ended_before_opening(error):
                raise
            job = self.hook.poll([replace(reference.job, state=JobState.RUNNING)])[0]
            if job.state is not JobState.SUCCEEDED:
                raise
            self.hook.log.warning("%s. The archive is still offered; trying once more", error)
            try:
                return self._get(reference, fetch, before_get)
            except ArchiveExpiredError as gone:
                if not isinstance(error, TransientError):
                    raise
                # The first request has opened it after all, so its download broke, and that may pass.
                raise error from gone

    def _get(
        self, reference: ArchiveReference, fetch: Fetch[T], before_get: Callable[[], None]
    ) -> T:
        try:
            return fetch(reference, before_get)
        except ProtocolError as error:
            # Its words do not say whether the archive is still there; only another export surely is.
            if not error.is_of_download or error.status not in GONE:
                raise
            raise ArchiveExpiredError(
                error.message, vendor=error.vendor, code=error.code, status=error.status
            ) from error

    def _export_again(
        self, reference: ArchiveReference, opened: OpenedPackages
    ) -> ArchiveReference:
        job = self.hook.submit(reference.request)
        self.hook.metrics.reexported()
        opened.job = job
        self._store(opened)
        self.hook.log.info("Exporting again as %s job %s", job.vendor, job.job_id)
        return replace(reference, job=job)

    def _store(self, opened: OpenedPackages) -> None:
        put_document(self.store, self.key, opened.to_bytes())


def refuse_to_open() -> None:
    """Refuse the GET of an archive that an earlier attempt may have opened.

    :raises ArchiveExpiredError: always.
    """
    raise ArchiveExpiredError(
        "an earlier attempt opened the archive and did not finish; clear the archive task to export again"
    )


def _archive_id(reference: ArchiveReference) -> str:
    details = cast("Data", reference.job.details)
    return str(details.get("archive_id") or reference.job.job_id)


def _is_lost(error: AssetsError) -> bool:
    """Whether only a re-export can help: the archive expired, is damaged, or its download broke.

    After a failure of the destination, or of the vendor's API while waiting for an export, the next attempt
    may succeed without one.
    """
    return isinstance(error, (JobError, IntegrityError)) or error.is_of_download


def _was_denied(error: AssetsError) -> bool:
    """Whether the vendor's words say that the credentials were refused, which opens no archive."""
    return isinstance(error, AuthenticationError) and error.is_of_download


def _ended_before_opening(error: AssetsError) -> bool:
    return error.is_of_download and (
        error.code == "before_headers" or error.status in BEFORE_OPENING
    )
