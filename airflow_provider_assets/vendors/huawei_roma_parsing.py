"""Builds ROMA Connect's requests, and reads and judges its replies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone

from airflow_provider_assets.sansio.arguments import require_text
from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AssetsError,
    AuthenticationError,
    InvalidRequestError,
    ProtocolError,
)
from airflow_provider_assets.sansio.jobs import ArchiveJob, ArchiveRequest, JobState
from airflow_provider_assets.sansio.messages import without_queries
from airflow_provider_assets.sansio.moments import parse_moment
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors.huawei_roma_contract import CHANGED, LISTINGS
from airflow_provider_assets.vendors.parsing import MAX_REASON, MAX_TEXT, brief, check_names

# A number of at least this many is in milliseconds; seconds reach it in the year 5138.
MILLISECONDS = 1e11
MAX_REASONS = 5

# "Exporting Assets in Batches" allows one export of a user at a time, but documents neither status nor
# code of the refusal (its only error is 403): only the words distinguish it from a missing permission.
REFUSALS = frozenset({400, 403, 409})
_BUSY = re.compile(
    r"\b(another|other|existing|previous|concurrent)\b.*\b(job|task|export)"
    r"|\b(job|task|export)\w*\b.*(?<!not )\b(running|in progress|under way|unfinished|exists?)\b"
    r"|\bbeing exported\b|\bis exporting\b",
    re.IGNORECASE | re.DOTALL,
)
_DENIED = re.compile(r"permission|authori[sz]|denied|forbidden|policy", re.IGNORECASE)
_GONE = re.compile(
    r"\balready\b.{0,40}\b(downloaded|consumed|deleted|removed|expired)\b"
    r"|\b(archive|package|file|asset)\b.{0,80}\b("
    r"not exist|not found|expired|downloaded|consumed|deleted|removed)\b"
    r"|\bno such (archive|package|file|asset)\b",
    re.IGNORECASE | re.DOTALL,
)
_CREDENTIAL = re.compile(r"\btoken|signature|credential|access key|authenticat", re.IGNORECASE)


def is_busy(status: int, data: JSON) -> bool:
    """Whether a refusal says that an export is under way."""
    if status not in REFUSALS or not isinstance(data, dict):
        return False
    words = f"{data.get('error_msg')} {data.get('error_details')}"
    return _BUSY.search(words) is not None and _DENIED.search(words) is None


def is_of_gateway(body: Mapping[str, JSON]) -> bool:
    """Whether the cloud's API gateway in front of the service answered, as for authentication and routing.

    Its codes begin with ``APIG.`` or ``APIGW.``, those of the service with ``ROMA.``.
    """
    return str(body.get("error_code")).startswith("APIG")


def refusal(data: JSON) -> tuple[type[AssetsError], str]:
    """The error that the words of a refused download mean, and a hint to add to them."""
    body = data if isinstance(data, dict) else {}
    words = f"{body.get('error_msg')} {body.get('error_details')}"
    is_gone = _GONE.search(words) is not None
    is_denied = (
        _DENIED.search(words) is not None
        or _CREDENTIAL.search(words) is not None
        or is_of_gateway(body)
    )
    if is_gone and not is_denied:
        return ArchiveExpiredError, "; a package can be downloaded once, so export it again"
    if is_denied and not is_gone:
        return AuthenticationError, ""
    return ProtocolError, "; this does not say whether the package is still there"


def submission(request: ArchiveRequest, *, old: bool) -> JSON:
    """Both keys are always there: editions differ on which are mandatory.

    :param old: 2022: ``apps`` is the name of one application, and tasks are named by ``task_id``.
    :raises InvalidRequestError: if the old dialect cannot express the request.
    """
    apps, tasks = request.items.get("apps", ()), request.items.get("tasks", ())
    if not old:
        return {"apps": [{"id": i} for i in apps], "tasks": [{"id": i} for i in tasks]}
    if len(apps) != 1:
        raise InvalidRequestError(
            f"old_export_body takes exactly one application, by its name, and this batch has "
            f"{len(apps)}; select an application beside the tasks"
        )
    return {"apps": apps[0], "tasks": [{"task_id": i} for i in tasks]}


def listings(query: Mapping[str, JSON]) -> dict[str, tuple[tuple[str, str], ...]]:
    """``apps`` and ``tasks`` -> their query; both, unfiltered, if *query* names neither.

    None counts as not given.

    :raises InvalidRequestError: for a filter that the vendor does not know.
    """
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    query = {kind: given for kind, given in query.items() if given is not None}
    for kind, known in LISTINGS.items():
        given = query.get(kind, not query)
        if given is False:
            continue
        filters = {} if given is True else given
        if not isinstance(filters, dict):
            raise InvalidRequestError(f"select.{kind}: expected true or filters, got {given!r}")
        check_names(filters, known, f"select.{kind}")
        found[kind] = tuple(
            (name, _param(filters[name], f"select.{kind}.{name}"))
            for name in sorted(filters)
            if filters[name] is not None
        )
    return found


def key_of(kind: str, *, old: bool) -> str:
    """The field of a listing's entry by which it is exported."""
    return "task_id" if kind == "tasks" else "name" if old else "id"


def changed(entry: Mapping[str, JSON], window: Window | None) -> bool:
    """Whether *entry* was last changed in *window*; one without a time, perhaps in any."""
    found = changed_at(entry)
    return window is None or found is None or window.holds(found)


def changed_at(entry: Mapping[str, JSON]) -> datetime | None:
    """The time of the last change of *entry*, if it has one."""
    moments = [found for key in CHANGED if (found := moment(entry.get(key))) is not None]
    return moments[0] if moments else None


def times(entry: Mapping[str, JSON]) -> dict[str, JSON]:
    """The times in *entry*, and nothing else of it."""
    return {key: entry[key] for key in CHANGED if key in entry}


def moment(value: JSON) -> datetime | None:
    """A time in any of the editions' forms: ISO text, or epoch milliseconds as number or text."""
    if isinstance(value, str) and not value.isdecimal():
        for zone in ("", "+00:00"):
            try:
                return parse_moment(value + zone, "time")
            except InvalidRequestError:
                continue
        return None
    if value is None or isinstance(value, (bool, list, dict)):
        return None
    try:
        number = float(value)
        seconds = number / 1000 if number >= MILLISECONDS else number
        return datetime.fromtimestamp(seconds, timezone.utc) if number else None
    except (ValueError, OverflowError, OSError):  # no year has that many seconds
        return None


def ended_at(data: Mapping[str, JSON]) -> float | None:
    """Epoch seconds at which a job ended, if its progress says so."""
    ended = moment(data.get("end_time"))
    return ended.timestamp() if ended else None


def job(known: ArchiveJob, data: Mapping[str, JSON], state: JobState) -> ArchiveJob:
    """A job from the reply of "Obtaining Job Progress", in any edition."""
    nested = data.get("entities")
    archive = data.get("archive_id") or (isinstance(nested, dict) and nested.get("archive_id"))
    reasons = _reasons(data)
    text = "; ".join(_sentence(reason) for reason in reasons[:MAX_REASONS])
    if state is JobState.SUCCEEDED and not archive:
        state = JobState.EXPIRED
    if state is JobState.EXPIRED:
        text = "the package can be downloaded once, and it has been, or its validity period is over"
    progress = data.get("progress_percent")
    return ArchiveJob(
        "huawei_roma",
        known.job_id,
        state=state,
        vendor_status=brief(data.get("status") or ""),
        progress=float(progress) if isinstance(progress, (int, float)) else None,
        reason=brief(without_queries(text), MAX_REASON),
        code=brief(reasons[0]["error_code"]) if reasons and reasons[0].get("error_code") else None,
        submitted_at=known.submitted_at,
        details={"archive_id": brief(archive, MAX_TEXT)} if archive else {},
    )


def _reasons(data: Mapping[str, JSON]) -> list[Mapping[str, JSON]]:
    """The failures: ``reasons``, or ``reason`` in the edition of 2025."""
    found = data.get("reasons") or data.get("reason")
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _sentence(reason: Mapping[str, JSON]) -> str:
    what = f"{reason.get('resource_type', 'resource')} {reason.get('resource_name', '')}".strip()
    return f"{what}: {reason.get('error_msg', 'no message')}"


def _param(value: JSON, name: str) -> str:
    if isinstance(value, (bool, int)):
        return str(value).lower()
    return require_text(value, name)
