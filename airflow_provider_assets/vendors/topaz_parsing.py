"""Builds Topaz's requests, and reads and judges its replies."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from fnmatch import fnmatchcase

from airflow_provider_assets.sansio.arguments import require_text, shown
from airflow_provider_assets.sansio.downloads import Link
from airflow_provider_assets.sansio.errors import InvalidRequestError, ProtocolError
from airflow_provider_assets.sansio.jobs import ArchiveJob, JobState
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors.parsing import address, brief, is_address, number, strings
from airflow_provider_assets.vendors.topaz_contract import (
    EXPIRED,
    FIELDS,
    INPUT,
    OUTPUT,
    RETENTION,
    STATUSES,
    UNKNOWN,
)

Status = Mapping[str, JSON]
# A stem is cut to this many bytes: with id and extension the name stays below a file system's 255.
MAX_STEM = 150
SHOWN = 5


def complete(options: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """``kind``: outputs unless inputs are asked for.

    :raises InvalidRequestError: for any other kind.
    """
    kind = OUTPUT if options.get("kind") is None else options["kind"]
    if kind not in (OUTPUT, INPUT):
        raise InvalidRequestError(
            f"options.kind must be {OUTPUT!r} or {INPUT!r}, not {shown(kind)}"
        )
    return {"kind": kind}


def utc(seconds: float) -> datetime:
    """Unix seconds as a zoned datetime.

    :raises ProtocolError: if no year has that many seconds.
    """
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        raise ProtocolError(f"Topaz: {seconds!r} is not a time in seconds") from None


def matcher(query: Mapping[str, JSON]) -> Mapping[str, frozenset[str]]:
    """Field -> accepted values in lower case."""
    given = [name for name in FIELDS if query.get(name) is not None]
    return {name: _words(query[name], f"select.{name}") for name in given}


def glob_of(query: Mapping[str, JSON]) -> str:
    """The glob that file names have to match.

    :raises InvalidRequestError: if it is not a string, or is empty.
    """
    glob = query.get("filename")
    return "*" if glob is None else require_text(glob, "select.filename")


def wanted_status(query: Mapping[str, JSON]) -> frozenset[str]:
    """The accepted statuses in lower case; completed processes by default."""
    given = query.get("status")
    return _words("completed" if given is None else given, "select.status")


def word_of(status: Status, name: str) -> str:
    """Field *name* of a status in lower case, as the vendor's spelling of words varies."""
    return str(status.get(name)).lower()


def matches(
    status: Status, wanted: Mapping[str, frozenset[str]], glob: str, by: str, window: Window | None
) -> bool:
    """Whether a status passes all filters but that of the status itself."""
    return (
        all(word_of(status, name) in values for name, values in wanted.items())
        and fnmatchcase(str(status.get("filename")), glob)
        and (window is None or window.holds(utc(number(status, by))))
    )


def refuse_early(window: Window, now: float) -> None:
    """:raises InvalidRequestError: if *window* starts before what the vendor still lists."""
    first = utc(now) - RETENTION
    if window.start < first:
        raise InvalidRequestError(
            f"the window starts at {window.start.isoformat()}, but Topaz lists only the last 7 days "
            f"(since {first.isoformat(timespec='seconds')}); export more often than weekly, or set "
            "select={'allow_truncated': True} to take what is left"
        )


def ids_of(job: ArchiveJob) -> list[str]:
    """The processes of a job; a job that was made elsewhere is itself the id of one process."""
    return strings(job.details.get("process_ids", [job.job_id]), "process_ids of the job")


def open_of(job: ArchiveJob) -> list[str]:
    """The processes that had not ended at the last poll."""
    return strings(job.details.get("open", ids_of(job)), "open processes of the job")


def failed_of(job: ArchiveJob) -> dict[str, str]:
    """Process id -> the status because of which it has no image."""
    return job.failed


def kind_of(job: ArchiveJob) -> str:
    """The kind of image that a job collects."""
    return str(complete(job.details)["kind"])


def judge(job: ArchiveJob, statuses: Mapping[str, Status], now: float) -> ArchiveJob:
    """*job* with the present *statuses* of its open processes."""
    ids, failed, kind = ids_of(job), failed_of(job), kind_of(job)
    running: dict[str, Status] = {}
    for process_id in open_of(job):
        status = statuses.get(process_id)
        word, state = (UNKNOWN, JobState.FAILED) if status is None else verdict(status, kind, now)
        if status is not None and state is JobState.RUNNING:
            running[process_id] = status
        elif state is not JobState.SUCCEEDED:
            failed[process_id] = word
    details: dict[str, JSON] = {"kind": kind, "process_ids": [*ids]}
    if failed:
        details["failed"] = {**failed}
    if running:
        details["open"] = [*running]
    etas = [eta for s in running.values() if isinstance(eta := s.get("eta"), (int, float))]
    words = {brief(s.get("status")) for s in running.values()} or set(failed.values())
    ended = len(ids) - len(running)
    return replace(
        job,
        state=JobState.RUNNING if running else _end(ids, failed),
        vendor_status=brief(", ".join(sorted(words)) or "Completed"),
        progress=ended / max(len(ids), 1),
        done=ended,
        total=len(ids),
        eta=float(max(etas)) if etas else None,
        reason=_story(ids, failed),
        details=details,
    )


def verdict(status: Status, kind: str, now: float) -> tuple[str, JobState]:
    """The vendor's status, or ours for an expired image, and what it means for a download."""
    word = brief(status.get("status"))
    # "Download Input" knows no 409: an input is there however its process ends.
    state = JobState.SUCCEEDED if kind == INPUT else STATUSES.get(word.lower(), JobState.RUNNING)
    if state is JobState.SUCCEEDED and is_old(status, kind, now):
        return EXPIRED, JobState.EXPIRED
    return word, state


def is_old(status: Status, kind: str, now: float) -> bool:
    """Whether the image's 7 days are over."""
    return kept_since(status, kind) + RETENTION.total_seconds() < now


def kept_since(status: Status, kind: str) -> float:
    """Epoch seconds since which Topaz keeps the image."""
    return number(status, "creation_time" if kind == INPUT else "modification_time")


def file_name(process_id: str, status: Status | None, kind: str) -> str:
    """``<stem>-<process_id>.<format>``; the vendor's file names are not unique.

    An image may outlive the status of its process; it is then named by the id alone.
    """
    if status is None:
        return process_id
    base = re.split(r"[\\/]", str(status.get("filename") or ""))[-1]
    stem = re.sub(r"[^\w. -]", "_", base.rpartition(".")[0] or base).strip(". ")
    stem = stem.encode()[:MAX_STEM].decode(errors="ignore")
    ending = str(status.get("input_format" if kind == INPUT else "output_format") or "").lower()
    name = f"{stem}-{process_id}" if stem else process_id
    return f"{name}.{ending}" if ending.isalnum() else name


def link(data: Mapping[str, JSON]) -> Link:
    """DownloadResponse: both URLs are signed for one method and die at ``expiry``, an hour later."""
    head_url = data.get("head_url")
    expiry = data.get("expiry")
    return Link(
        address(data, "download_url"),
        head_url=str(head_url) if is_address(head_url) else None,
        expires_at=float(expiry) if isinstance(expiry, (int, float)) else None,
    )


def seconds_left(status: Status, now: float) -> float | None:
    """Seconds until the vendor's estimate, if that is in the future."""
    eta = status.get("eta")
    return float(eta) - now if isinstance(eta, (int, float)) and eta > now else None


def _words(value: JSON, name: str) -> frozenset[str]:
    """One string or a list of them, in lower case."""
    words = strings([value] if isinstance(value, str) else value, name)
    if not words:
        raise InvalidRequestError(
            f"{name}: {shown(value)} names nothing; leave it out for the default"
        )
    return frozenset(word.lower() for word in words)


def _end(ids: Sequence[str], failed: Mapping[str, str]) -> JobState:
    """One image is enough to land; what the rest means is for the operator's on_partial to say."""
    if len(failed) < len(ids):
        return JobState.SUCCEEDED
    states = {STATUSES.get(word.lower(), JobState.FAILED) for word in failed.values()}
    if set(failed.values()) == {EXPIRED}:
        return JobState.EXPIRED
    return JobState.CANCELLED if states == {JobState.CANCELLED} else JobState.FAILED


def _story(ids: Sequence[str], failed: Mapping[str, str]) -> str:
    if not failed:
        return ""
    named = [f"{process_id} {word}" for process_id, word in failed.items()]
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    kept = "; Topaz keeps images for 7 days" if {EXPIRED, UNKNOWN} & set(failed.values()) else ""
    return f"{len(named)} of {len(ids)} not available: {', '.join(named[:SHOWN])}{more}{kept}"
