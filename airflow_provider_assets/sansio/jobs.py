"""The values that the parts hand to one another: items, requests, jobs and references.

Requests, jobs and references are JSON-safe by ``to_dict``/``from_dict``, carry a version, and hold no secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, NamedTuple

from airflow_provider_assets.sansio.arguments import cut
from airflow_provider_assets.sansio.errors import AssetsError, InvalidRequestError
from airflow_provider_assets.sansio.fingerprints import fingerprint
from airflow_provider_assets.sansio.plan_reference import PlanReference
from airflow_provider_assets.sansio.stems import stem
from airflow_provider_assets.sansio.stored import (
    Fits,
    is_count,
    is_epoch,
    is_lists,
    is_mapping,
    is_moment,
    is_number,
    is_span,
    is_text,
    or_empty,
    or_none,
)
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.versioned import PLANNED_VERSION, VERSION, read_versioned

# How a batch is exported: as one archive that a vendor's job makes, or item by item, without a job.
ARCHIVE, LINKS = "archive", "links"
Data = dict[str, JSON]
_REQUEST: Mapping[str, Fits] = {
    **dict.fromkeys(("vendor", "query_id", "tag"), is_text),
    **dict.fromkeys(("index", "of"), is_count),
    **dict.fromkeys(("plan", "options"), is_mapping),
    "items": is_lists,
    "window": or_none(is_span),
    "run_date": or_empty(is_moment),
}
_JOB: Mapping[str, Fits] = {
    **dict.fromkeys(("vendor", "job_id", "state", "vendor_status", "reason"), is_text),
    **dict.fromkeys(("progress", "eta"), or_none(is_number)),
    "submitted_at": or_none(is_epoch),
    **dict.fromkeys(("done", "total"), or_none(is_count)),
    "code": or_none(is_text),
    "details": is_mapping,
}
_REFERENCE: Mapping[str, Fits] = {
    "conn_id": is_text,
    **dict.fromkeys(("request", "job"), is_mapping),
}


class JobState(str, Enum):
    """The five states of a job; every status of every vendor means one of them."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        """Whether the state is final."""
        return self is not JobState.RUNNING


class Item(NamedTuple):
    """One thing at the vendor: its kind (``asset_ids``, ``apps``, …) and its id."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Selected:
    """The result of a vendor's listing for one query and window.

    :param items: the items that can be exported now.
    :param pending: ids of what matches as well but is not finished at the vendor. What has failed there
        is in neither list.
    :param undated: those of *items* to which the vendor gives no time, so that they lie in every window: an
        export takes them with each, rather than with none, but they are not news.
    """

    items: list[Item]
    pending: list[str] = field(default_factory=list)
    undated: list[Item] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ArchiveRequest:
    """One batch: the items that one vendor job archives, and how.

    :param vendor: the vendor's short name.
    :param items: kind of item (``asset_ids``, ``process_ids``, ``apps``) -> ids; empty until they are
        loaded from the *plan*, if there is one.
    :param options: the vendor's archive options, checked and completed; ``{"mode": "links"}`` if no archive
        is made.
    :param window: ISO bounds of the half-open span that was exported, if there was one.
    :param run_date: the date of the run (ISO, UTC). Where there is no window, objects are named after it,
        so that a nightly export of the same items lands every night.
    :param query_id: identity of connection and selection, so that equal windows of two exports differ.
    :param index: position of this batch, from 0; ``of`` is the number of batches of the run.
    :param tag: identifies our job at the vendor, and is the same in every retry; "" for no tag.
    :param plan: the object that lists the items, if references do not.
    """

    vendor: str
    items: Mapping[str, tuple[str, ...]]
    options: Mapping[str, JSON] = field(default_factory=dict)
    window: tuple[str, str] | None = None
    query_id: str = ""
    index: int = 0
    of: int = 1
    tag: str = ""
    run_date: str = ""
    plan: PlanReference | None = None

    @property
    def count(self) -> int:
        """Number of items."""
        return self.plan.count if self.plan else sum(len(ids) for ids in self.items.values())

    @property
    def mode(self) -> str:
        """:data:`ARCHIVE` or :data:`LINKS`."""
        return str(self.options.get("mode", ARCHIVE))

    @property
    def fingerprint(self) -> str:
        """Identity of the contents: the items and the options, without position, window or date."""
        if self.plan:
            return self.plan.fingerprint
        return fingerprint(
            {
                "vendor": self.vendor,
                "items": {kind: list(ids) for kind, ids in self.items.items()},
                "options": dict(self.options),
            }
        )

    def landing_fingerprint(self, target_format: JSON) -> str:
        """Identity of what lands of it, converted to *target_format* unless that is None."""
        contents: list[JSON] = [self.fingerprint, target_format]
        if self.run_date and not self.window:
            contents.append(self.run_date)
        return fingerprint(contents)

    @property
    def stem(self) -> str:
        """A file name without its extension, made of vendor, window or run date, query and position.

        It never depends on the attempt, so that a retry finds what an earlier attempt has landed. A job that
        was started elsewhere has no items and no number: its id tells it from the others.
        """
        return stem(
            self.vendor,
            self.window,
            self.run_date,
            self.query_id or self.fingerprint,
            self.index + 1 if self.of > 1 and self.count else None,
        )

    def to_dict(self) -> Data:
        """JSON form; without the items if there is a plan."""
        items: dict[str, JSON] = {kind: list(ids) for kind, ids in self.items.items()}
        contents: Data = {"version": VERSION, "items": items}
        if self.plan:
            contents = {"version": PLANNED_VERSION, "plan": self.plan.to_dict()}
        return {
            **contents,
            "vendor": self.vendor,
            "options": dict(self.options),
            "window": list(self.window) if self.window else None,
            "query_id": self.query_id,
            "index": self.index,
            "of": self.of,
            "tag": self.tag,
            "run_date": self.run_date,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, JSON], *, is_part: bool = False) -> ArchiveRequest:
        """The request that :meth:`to_dict` described.

        :param is_part: as in :func:`~.versioned.read_versioned`.
        :raises InvalidRequestError: if it is not one, or of a newer version.
        """
        is_planned = isinstance(data, Mapping) and data.get("version") == PLANNED_VERSION
        known: Any = read_versioned(
            data,
            "an archive request",
            _REQUEST,
            version=PLANNED_VERSION if is_planned else VERSION,
            is_part=is_part,
        )
        try:
            plan = PlanReference.from_dict(known["plan"]) if is_planned else None
            items = {} if plan else known["items"]
            return cls(
                vendor=known["vendor"],
                items={kind: tuple(ids) for kind, ids in items.items()},
                options=known["options"],
                window=tuple(known["window"]) if known["window"] else None,
                query_id=known["query_id"],
                index=known["index"],
                of=known["of"],
                tag=known["tag"],
                run_date=known.get("run_date", ""),
                plan=plan,
            )
        except KeyError as error:
            raise InvalidRequestError(f"not an archive request: {error!r}") from error


@dataclass(frozen=True, slots=True)
class ArchiveJob:
    """One vendor job, as it was when last seen.

    :param job_id: the vendor's id. Where a vendor has no batch job (Topaz), an id of our own making.
    :param vendor_status: the vendor's own name of the state.
    :param progress: 0.0 to 1.0, if the vendor reports it.
    :param done: finished items of ``total``, if the vendor reports it.
    :param reason: why it failed and the vendor's hint, for people.
    :param eta: epoch seconds at which the vendor expects to end, if it says so.
    :param submitted_at: epoch seconds of the submission; deadlines count from here.
    :param details: data of the vendor that is needed later (``archive_id``, failed ids).
    """

    vendor: str
    job_id: str
    state: JobState = JobState.RUNNING
    vendor_status: str = ""
    progress: float | None = None
    done: int | None = None
    total: int | None = None
    reason: str = ""
    code: str | None = None
    eta: float | None = None
    submitted_at: float | None = None
    details: Mapping[str, JSON] = field(default_factory=dict)

    @property
    def failed(self) -> dict[str, str]:
        """Id -> the vendor's status, of the items that it could not archive: ``details["failed"]``."""
        failed = self.details.get("failed")
        return {i: str(why) for i, why in failed.items()} if isinstance(failed, dict) else {}

    def to_dict(self) -> Data:
        """JSON form."""
        return {
            "version": VERSION,
            "vendor": self.vendor,
            "job_id": self.job_id,
            "state": self.state.value,
            "vendor_status": self.vendor_status,
            "progress": self.progress,
            "done": self.done,
            "total": self.total,
            "reason": self.reason,
            "code": self.code,
            "eta": self.eta,
            "submitted_at": self.submitted_at,
            "details": dict(self.details),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, JSON], *, is_part: bool = False) -> ArchiveJob:
        """The job that :meth:`to_dict` described.

        :param is_part: as in :func:`~.versioned.read_versioned`.
        :raises InvalidRequestError: if it is not one, or of a newer version.
        """
        known = read_versioned(data, "an archive job", _JOB, is_part=is_part)
        try:
            job = cls(**known)  # type: ignore[arg-type]  # they have been checked
            return replace(job, state=JobState(job.state))
        except (TypeError, ValueError) as error:
            raise InvalidRequestError(f"not an archive job: {cut(str(error))}") from error


# The vendor's answer on one job: the job as it is now, or why that is not known.
Answer = ArchiveJob | AssetsError


def describe(job: ArchiveJob) -> str:
    """One line on how far a job is, for the log."""
    text = f"{job.vendor} job {job.job_id}: {job.vendor_status or job.state.value}"
    if job.done is not None and job.total is not None:
        return f"{text}, {job.done}/{job.total}"
    return text if job.progress is None else f"{text}, {job.progress:.0%}"


@dataclass(frozen=True, slots=True)
class ArchiveReference:
    """A batch, its job and its connection. The archive operator returns one reference per batch."""

    conn_id: str
    request: ArchiveRequest
    job: ArchiveJob

    def to_dict(self) -> Data:
        """JSON form, fit for XCom."""
        return {
            "version": VERSION,
            "conn_id": self.conn_id,
            "request": self.request.to_dict(),
            "job": self.job.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, JSON]) -> ArchiveReference:
        """The reference that :meth:`to_dict` described.

        :raises InvalidRequestError: if it is not one, or of a newer version.
        """
        known: Any = read_versioned(data, "an archive reference", _REFERENCE)
        try:
            return cls(
                conn_id=known["conn_id"],
                request=ArchiveRequest.from_dict(known["request"], is_part=True),
                job=ArchiveJob.from_dict(known["job"], is_part=True),
            )
        except KeyError as error:
            raise InvalidRequestError(f"not an archive reference: {error!r}") from error
