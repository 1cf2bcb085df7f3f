"""Builds Scenario's requests, and reads and judges its replies."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone

from airflow_provider_assets.sansio.arguments import require_string, shown
from airflow_provider_assets.sansio.errors import InvalidRequestError, ProtocolError
from airflow_provider_assets.sansio.fingerprints import fingerprint
from airflow_provider_assets.sansio.jobs import LINKS, ArchiveJob, ArchiveRequest, JobState
from airflow_provider_assets.sansio.messages import without_queries
from airflow_provider_assets.sansio.moments import iso_ms, parse_moment, whole_ms
from airflow_provider_assets.sansio.records import Facts
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors.connection import VendorConnection
from airflow_provider_assets.vendors.parsing import MAX_REASON, brief, is_address, strings, text
from airflow_provider_assets.vendors.scenario_contract import (
    CLOCK_SKEW,
    EXTENSIONS,
    ID_TOKEN,
    JOB_TYPE,
    MAX_NAME,
    OWN_FILTERS,
    PAGE,
    PRIVACY,
    PUBLIC,
    SEVERAL,
    TOKENS,
)

FLAGS = ("deleted", "originalAssets")


def authorization(conn: VendorConnection) -> str:
    """Basic with key and secret, or a bearer token.

    :raises InvalidRequestError: if the connection lacks them, or asks for another kind.
    """
    kind = conn.text("auth_type").lower()
    if kind not in {"", "basic", "bearer"}:
        raise InvalidRequestError(
            f"connection {conn.conn_id!r}: auth_type must be basic or bearer, not {shown(kind)}"
        )
    if kind == "bearer" or (conn.password and not conn.login):
        if not conn.password:
            raise InvalidRequestError(
                f"connection {conn.conn_id!r}: a bearer token is needed in the password"
            )
        return f"Bearer {conn.password}"
    if not conn.login or not conn.password:
        raise InvalidRequestError(
            f"connection {conn.conn_id!r}: login (API key) and password (API secret) are needed"
        )
    return "Basic " + base64.b64encode(f"{conn.login}:{conn.password}".encode()).decode()


def listing(query: Mapping[str, JSON], by: str, window: Window | None) -> list[tuple[str, str]]:
    """The query of a listing.

    :raises InvalidRequestError: for filters that the vendor refuses together, or that could list what
        belongs to others.
    """
    _check_filters(query, by)
    params = [("pageSize", str(PAGE))]
    if query.get("deleted"):
        # SDK: the trash takes no other filter and no sorting.
        if others := sorted(set(query) - OWN_FILTERS - {"deleted", "originalAssets"}):
            raise InvalidRequestError(f"select.deleted cannot be combined with {', '.join(others)}")
    else:
        params += [("sortBy", by), ("sortDirection", "asc")]
        if window:
            # Both bounds are exclusive, in milliseconds: one millisecond earlier makes the start inclusive.
            field = by.removesuffix("At")
            if window.has_beginning:
                after = iso_ms(window.start - timedelta(milliseconds=1))
                params.append((f"{field}After", after))
            params.append((f"{field}Before", iso_ms(window.end)))
    given = {n: value for n, value in query.items() if n not in OWN_FILTERS and value is not None}
    return params + [(name, param(given[name], f"select.{name}")) for name in sorted(given)]


def _check_filters(query: Mapping[str, JSON], by: str) -> None:
    for name, value in query.items():
        if isinstance(value, bool) and name not in FLAGS:
            raise InvalidRequestError(
                f"select.{name} must be a string or a list, not {shown(value)}"
            )
        if isinstance(value, list) and len(value) > 1 and name not in SEVERAL | OWN_FILTERS:
            raise InvalidRequestError(
                f"select.{name}: the vendor takes one value, not {len(value)}; map the export over a "
                "selection for each"
            )
    if by not in {"createdAt", "updatedAt"}:
        raise InvalidRequestError(f"select.by must be createdAt or updatedAt, not {shown(by)}")
    if "type" in query and "types" in query:
        raise InvalidRequestError("select: type and types are mutually exclusive; use types")
    if query.get("privacy") not in (*PRIVACY, None):
        raise InvalidRequestError(
            f"select.privacy must be one of {', '.join(PRIVACY)}, not {shown(query['privacy'])}"
        )
    if query.get("privacy") == PUBLIC and owners(query) is None:
        raise InvalidRequestError(
            "select.privacy: public lists the public assets of all organisations; set select.ownerId to the "
            "owner whose assets to export, as the records of assets name it"
        )
    for name in FLAGS:
        if not isinstance(query.get(name), (bool, type(None))):
            raise InvalidRequestError(
                f"select.{name} must be true or false, not {shown(query[name])}"
            )


def complete(options: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """The archive options with our defaults; ``<id>`` is put into a template that lacks it.

    :raises InvalidRequestError: naming the option and the remedy.
    """
    done: dict[str, JSON] = {"file_name_template": ID_TOKEN, "flat": True, **options}
    for name in ("file_name_template", "archive_name"):
        require_string(done.get(name, ""), f"options.{name}")
    if "/" in str(done.get("archive_name", "")):
        raise InvalidRequestError("options.archive_name is a name, not a path; leave out '/'")
    for name in ("flat", "prefer_original"):
        if not isinstance(done.get(name, False), bool):
            raise InvalidRequestError(
                f"options.{name} must be true or false, not {shown(done[name])}"
            )
    template = str(done["file_name_template"])
    if ID_TOKEN not in template:
        # Entry names may collide without it, and the vendor does not say what happens then.
        done["file_name_template"] = f"{template}-{ID_TOKEN}" if template else ID_TOKEN
    for name in ("file_name_template", "archive_name"):
        if (length := len(str(done.get(name, "")))) > MAX_NAME:
            raise InvalidRequestError(
                f"options.{name}: {length} characters; the limit is {MAX_NAME}"
            )
    return done


def remarks(options: Mapping[str, JSON]) -> list[str]:
    """Remarks on archive options that the vendor may not read as they were meant."""
    tokens = re.findall(r"<([^<>]*)>", str(options.get("file_name_template", "")))
    unknown = sorted({f"<{token}>" for token in tokens} - {f"<{token}>" for token in TOKENS})
    if not unknown:
        return []
    known = ", ".join(f"<{token}>" for token in sorted(TOKENS))
    return [
        f"options.file_name_template: {', '.join(unknown)} is not among the tokens of Scenario ({known})"
    ]


def archive_name(request: ArchiveRequest) -> str:
    """The vendor's name for the zip, without ``.zip``: the user's or ours, with our tag at the end."""
    name = str(request.options.get("archive_name") or request.stem)
    ending = f"-{request.tag}" if request.tag else ""
    return name[: MAX_NAME - len(ending)] + ending


def submission(request: ArchiveRequest) -> JSON:
    """All three id lists are always there: the guide and the reference differ on what is required.

    :raises InvalidRequestError: if *request* names no asset, or an option is wrong.
    """
    given = complete(request.options)
    options: dict[str, JSON] = {
        "fileNameTemplate": given["file_name_template"],
        "flat": given["flat"],
        "archiveName": archive_name(request),
    }
    if "prefer_original" in given:
        options["preferOriginal"] = given["prefer_original"]
    ids = request.items.get("asset_ids")
    if not ids:
        raise InvalidRequestError("items.asset_ids: a batch has to name assets")
    query: dict[str, JSON] = {
        "assetIds": list(ids),
        "inferenceIds": [],
        "modelIds": [],
    }
    return {"query": query, "options": options}


def owners(query: Mapping[str, JSON]) -> frozenset[str] | None:
    """The owners that *query* names, one or a list; None if it names none, and any owner's assets match."""
    given = query.get("ownerId")
    if given is None:
        return None
    names = strings([given] if isinstance(given, str) else given, "select.ownerId")
    if not names:
        raise InvalidRequestError("select.ownerId: [] names no owner; name one, or leave it out")
    return frozenset(names)


def is_owned(asset: Mapping[str, JSON], wanted: frozenset[str] | None) -> bool:
    """Whether *asset* belongs to one of the owners that are *wanted*.

    :raises ProtocolError: if it names no owner: it may be another organisation's.
    """
    if wanted is None:
        return True
    owner = asset.get("ownerId")
    if not isinstance(owner, str) or not owner:
        raise ProtocolError(
            f"Scenario: asset {text(asset, 'id')} names no ownerId, so it may belong to another "
            "organisation; leave out select.ownerId and privacy"
        )
    return owner in wanted


def is_inside(asset: Mapping[str, JSON], by: str, window: Window | None) -> bool:
    """Whether *asset* lies in the window; checked here because the trash is listed without bounds."""
    if window is None or by not in asset:
        return True
    return window.holds(_moment(asset[by], by))


def _moment(value: JSON, name: str) -> datetime:
    try:
        return parse_moment(value, name)
    except InvalidRequestError as error:
        raise ProtocolError(f"Scenario: an asset's {error.message}") from None


def divided(
    assets: list[dict[str, JSON]], window: Window | None
) -> tuple[list[dict[str, JSON]], Window | None]:
    """A page up to the time of its last asset, and what is left of *window* from that time on.

    The whole page and None where it cannot be divided: a page of one time only (the next page may hold
    more of that time), or one that is not in ascending order.
    """
    times = [str(asset.get("createdAt") or "") for asset in assets]
    if window is None or not times or times[0] == times[-1] or times != sorted(times):
        return assets, None
    start = whole_ms(_moment(times[-1], "createdAt"))
    if not window.start < start < window.end:
        return assets, None
    before = [one for one, at in zip(assets, times, strict=True) if at != times[-1]]
    return before, Window(start, window.end)


def facts(asset: Mapping[str, JSON], *, is_by_change: bool) -> Facts:
    """Size and time of change in a record; what cannot be read is left out."""
    holders = [asset.get("properties"), asset.get("metadata")]
    sizes = [one.get("size") for one in holders if isinstance(one, dict)]
    size = next((one for one in sizes if isinstance(one, (int, float))), None)
    changed = _seconds_of(asset.get("updatedAt")) if is_by_change else None
    return Facts(changed, None if size is None else int(size))


def _seconds_of(value: JSON) -> float | None:
    """Epoch seconds of a vendor's time; None if it cannot be read."""
    try:
        return parse_moment(value, "a time").timestamp()
    except InvalidRequestError:
        return None


def is_ceiling(data: JSON) -> bool:
    """API reference, "Rate limits": a plan's ceiling names its action or the time of its reset."""
    if not isinstance(data, dict):
        return False
    details = data.get("details")
    return "remainingSeconds" in data or (isinstance(details, dict) and "actionLimit" in details)


def jobs_since(since: float) -> tuple[tuple[str, str], ...]:
    """Archive jobs updated after *since*, epoch seconds, and a little before."""
    after = datetime.fromtimestamp(max(since - CLOCK_SKEW, 0.0), timezone.utc)
    # SDK: updatedAfter is allowed only together with a type or a status.
    return (("types", JOB_TYPE), ("updatedAfter", iso_ms(after)), ("pageSize", str(PAGE)))


def job(data: Mapping[str, JSON], state: JobState, submitted_at: float | None) -> ArchiveJob:
    """A job record, as ``GET /jobs`` and ``GET /jobs/{jobId}`` give it."""
    metadata = data.get("metadata")
    notes = metadata if isinstance(metadata, dict) else {}
    progress = data.get("progress")
    return ArchiveJob(
        "scenario",
        text(data, "jobId"),
        state=state,
        vendor_status=brief(data.get("status") or ""),
        progress=min(max(progress, 0.0), 1.0) if isinstance(progress, (int, float)) else None,
        reason=brief(
            without_queries(
                "; ".join(str(notes[key]) for key in ("error", "hint") if notes.get(key))
            ),
            MAX_REASON,
        ),
        submitted_at=submitted_at,
    )


def created_at(data: Mapping[str, JSON], default: float) -> float:
    """Epoch seconds at which a job was created; *default* if its record does not say."""
    created = _seconds_of(data.get("createdAt"))
    return default if created is None else created


def job_of_links(request: ArchiveRequest, now: float) -> ArchiveJob:
    """The job of a batch that needs none: it has succeeded, and has the same id in every retry."""
    return ArchiveJob(
        "scenario",
        f"{LINKS}-{fingerprint([request.fingerprint, request.tag])[:16]}",
        state=JobState.SUCCEEDED,
        submitted_at=now,
        details={"mode": LINKS},
    )


def is_of_links(job: ArchiveJob) -> bool:
    """Whether :func:`job_of_links` made *job*, of which the vendor knows nothing."""
    return job.details.get("mode") == LINKS


def type_of_original(asset: Mapping[str, JSON]) -> str | None:
    """The MIME type of the asset's only file; None if there are two, of which either may be the original."""
    stored, original = asset.get("mimeType"), asset.get("originalMimeType")
    return str(stored) if stored and original in (None, "", stored) else None


def file_name(asset_id: str, mime_type: str) -> str:
    """The id, with the extension of the type that the vendor names; without one for an unknown type."""
    extension = EXTENSIONS.get(mime_type.partition(";")[0].strip().lower())
    return f"{asset_id}.{extension}" if extension else asset_id


def archive_url(metadata: JSON) -> str | None:
    """The URL of the archive, from any of the places that revisions of the guide name."""
    if not isinstance(metadata, dict):
        return None
    named = [metadata.get("archiveUrl"), metadata.get("downloadUrl")]
    urls = [*named, *all_strings(metadata.get("output"))]
    return next((str(url) for url in urls if is_address(url)), None)


def param(value: JSON, name: str) -> str:
    """SDK: lists are joined by commas, booleans are lower-case words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    is_number = isinstance(value, int)
    values = strings(
        value if isinstance(value, list) else [str(value) if is_number else value], name
    )
    if not values:
        raise InvalidRequestError(f"{name}: {shown(value)} would select everything; leave it out")
    return ",".join(values)


def all_strings(data: JSON) -> list[str]:
    """Every string anywhere in *data*."""
    if isinstance(data, str):
        return [data]
    inner: Iterable[JSON] = (
        data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    )
    return [text for value in inner for text in all_strings(value)]
