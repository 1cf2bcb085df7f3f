"""Scenario: generated images, video and 3D, archived in batches of up to 1000 assets.

The flows; what they rely on stands, with its sources, in ``scenario_wire``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from http import HTTPStatus
from typing import ClassVar
from urllib.parse import quote

from airflow_provider_assets.sansio.errors import (
    AssetsError,
    InvalidRequestError,
    ProtocolError,
    QuotaExceededError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.flow import Flow, pause
from airflow_provider_assets.sansio.jobs import (
    ArchiveFile,
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    Link,
)
from airflow_provider_assets.sansio.messages import JSON, HttpRequest, json_body
from airflow_provider_assets.sansio.plan import Item
from airflow_provider_assets.sansio.waiter import PollPolicy, ensure_succeeded
from airflow_provider_assets.sansio.window import Window, iso_ms
from airflow_provider_assets.vendors import scenario_wire as wire
from airflow_provider_assets.vendors.base import Vendor, VendorSpec, strings
from airflow_provider_assets.vendors.replies import objects, text


class Scenario(Vendor):
    """The Scenario API. Basic authentication with key and secret, or a bearer token."""

    spec: ClassVar[VendorSpec] = VendorSpec(
        name="scenario",
        title="Scenario",
        hook="airflow_provider_assets.hooks.scenario.ScenarioHook",
        docs_url="https://docs.scenario.com/reference",
        base_url="https://api.cloud.scenario.com/v1",
        max_batch=wire.MAX_BATCH,
        kinds=("asset_ids", "inference_ids", "model_ids"),
        filters=wire.FILTERS,
        options=wire.OPTIONS,
        statuses=wire.STATUSES,
        # The guide polls every 3 s; large archives take long, so the interval grows.
        poll=PollPolicy(initial=3.0, maximum=30.0, bulk=wire.PAGE),
        form=wire.FORM,
        carries_tag=True,
    )

    # --- talking -----------------------------------------------------------------------------

    def authorize(self, request: HttpRequest) -> Flow[HttpRequest]:
        """Basic or bearer, and the project where one is set."""
        yield from ()
        headers = [("Authorization", self._authorization()), ("Accept", "application/json")]
        if request.body is not None:
            headers.append(("Content-Type", "application/json"))
        params = request.params
        if project := self.connection.text("project_id"):
            params += (("projectId", project),)
        return replace(request, headers=(*request.headers, *headers), params=params)

    def _authorization(self) -> str:
        conn = self.connection
        if conn.text("auth_type") == "bearer" or (conn.password and not conn.login):
            token = conn.password or conn.text("token")
            if not token:
                raise InvalidRequestError(
                    f"connection {conn.conn_id!r}: a bearer token is needed in the password"
                )
            return f"Bearer {token}"
        if not conn.login or not conn.password:
            raise InvalidRequestError(
                f"connection {conn.conn_id!r}: login (API key) and password (API secret) are needed"
            )
        return "Basic " + base64.b64encode(f"{conn.login}:{conn.password}".encode()).decode()

    def error_class(self, status: int, data: JSON) -> type[AssetsError]:
        """As everywhere, but a 429 of a plan's ceiling is a quota, not a rate."""
        if status == HTTPStatus.TOO_MANY_REQUESTS and wire.is_ceiling(data):
            return QuotaExceededError
        return super().error_class(status, data)

    def _get(self, path: str, *params: tuple[str, str], missing: bool = False) -> HttpRequest:
        accept = frozenset({HTTPStatus.NOT_FOUND} if missing else ())
        return HttpRequest("GET", self.base_url + path, params, accept=accept)

    def _post(
        self, path: str, data: JSON, *, idempotent: bool = True, accept: Iterable[int] = ()
    ) -> HttpRequest:
        return HttpRequest(
            "POST",
            self.base_url + path,
            body=json_body(data),
            idempotent=idempotent,
            accept=frozenset(accept),
        )

    # --- what to export ----------------------------------------------------------------------

    def check(self) -> Flow[str]:
        """List one asset: nothing is billed, and key and project are proved."""
        yield from self.send(self._get("/assets", ("pageSize", "1")))
        return "Scenario accepts the credentials"

    def validate(self, *, options: Mapping[str, JSON]) -> Mapping[str, JSON]:
        """Complete the archive options; ``<id>`` is put into a template that lacks it."""
        return wire.complete(options)

    def expand(self, items: Mapping[str, Sequence[str]]) -> Flow[list[Item]]:
        """Assets as they are; inferences and models by listing their assets.

        The vendor would expand them too, but does not say whether 1000 counts before or after it.
        """
        found = [
            Item("asset_ids", i) for i in strings(items.get("asset_ids", []), "items.asset_ids")
        ]
        for kind, name in (("inference_ids", "inferenceId"), ("model_ids", "modelId")):
            for value in strings(items.get(kind, []), f"items.{kind}"):
                found += yield from self.select({name: value}, None)
        return found

    def select(self, query: Mapping[str, JSON], window: Window | None) -> Flow[list[Item]]:
        """Successful assets of the listing; ``by`` is ``createdAt`` (default) or ``updatedAt``."""
        by = query.get("by", "createdAt")
        if by not in {"createdAt", "updatedAt"}:
            raise InvalidRequestError(f"select.by: {by!r} is neither createdAt nor updatedAt")
        params = wire.listing(query, str(by), window)
        found: list[Item] = []
        page: tuple[tuple[str, str], ...] = ()
        while True:
            data = (yield from self.send(self._get("/assets", *params, *page))).json_object()
            found += [
                Item("asset_ids", text(asset, "id"))
                for asset in objects(data, "assets")
                if wire.wanted(asset, str(by), window)
            ]
            # A page may be empty and still have a successor (SDK, nextPaginationToken).
            if not data.get("nextPaginationToken"):
                return found
            page = (("paginationToken", str(data["nextPaginationToken"])),)

    def metadata(self, asset_ids: Sequence[str]) -> Flow[dict[str, dict[str, JSON]]]:
        """Id -> the vendor's record; ids that the vendor does not know are left out."""
        ids = strings(asset_ids, "asset_ids")
        found: dict[str, dict[str, JSON]] = {}
        for first in range(0, len(ids), wire.MAX_BULK):
            batch: list[JSON] = list(ids[first : first + wire.MAX_BULK])
            reply = yield from self.send(self._post("/assets/get-bulk", {"assetIds": batch}))
            found |= {text(a, "id"): a for a in objects(reply.json_object(), "assets")}
        return found

    # --- jobs --------------------------------------------------------------------------------

    def submit(self, request: ArchiveRequest) -> Flow[ArchiveJob]:
        """``POST /assets/download``; a reply without a job id (a dry run's 269) is no submission."""
        body = wire.submission(request)
        reply = yield from self.send(self._post("/assets/download", body, idempotent=False))
        data = reply.json_object()
        job = data.get("job")
        job_id = data.get("jobId") or (job.get("jobId") if isinstance(job, dict) else None)
        if reply.status != HTTPStatus.OK or not job_id:
            raise ProtocolError(
                f"Scenario answered the submission with HTTP {reply.status} and no job id",
                vendor=self.spec.name,
                status=reply.status,
            )
        return ArchiveJob("scenario", str(job_id), submitted_at=self.clock())

    def find(self, request: ArchiveRequest, since: float) -> Flow[ArchiveJob | None]:
        """A recent job whose metadata carries our tag; adopted only on an exact match."""
        name = wire.archive_name(request)
        for data in (yield from self._jobs(since, lambda _: False)).values():
            if request.tag and name in wire.all_strings(data.get("metadata")):
                return replace(self._job(data), submitted_at=since)
        return None

    def poll(self, jobs: Sequence[ArchiveJob]) -> Flow[list[ArchiveJob]]:
        """``GET /jobs`` for many; ``GET /jobs/{jobId}`` for one, or one that the list lacks."""
        listed: dict[str, dict[str, JSON]] = {}
        if len(jobs) > 1:
            wanted = {job.job_id for job in jobs}
            since = min(job.submitted_at or 0.0 for job in jobs)
            listed = yield from self._jobs(since, lambda seen: wanted <= seen.keys())
        result = []
        for job in jobs:
            data = listed.get(job.job_id) or (yield from self._one(job))
            result.append(replace(self._job(data), submitted_at=job.submitted_at))
        return result

    def _jobs(
        self, since: float, enough: Callable[[Mapping[str, object]], bool]
    ) -> Flow[dict[str, dict[str, JSON]]]:
        # SDK: updatedAfter is allowed only together with a type or a status.
        after = datetime.fromtimestamp(max(since - wire.CLOCK_SKEW, 0.0), timezone.utc)
        params = (
            ("types", wire.JOB_TYPE),
            ("updatedAfter", iso_ms(after)),
            ("pageSize", str(wire.PAGE)),
        )
        seen: dict[str, dict[str, JSON]] = {}
        page: tuple[tuple[str, str], ...] = ()
        while True:
            data = (yield from self.send(self._get("/jobs", *params, *page))).json_object()
            seen |= {text(job, "jobId"): job for job in objects(data, "jobs")}
            if enough(seen) or not data.get("nextPaginationToken"):
                return seen
            page = (("paginationToken", str(data["nextPaginationToken"])),)

    def _one(self, job: ArchiveJob) -> Flow[dict[str, JSON]]:
        path = quote(job.job_id, safe="")
        reply = yield from self.send(self._get(f"/jobs/{path}", missing=True))
        if reply.status != HTTPStatus.NOT_FOUND:
            data = reply.json_object().get("job")
            if not isinstance(data, dict):
                raise ProtocolError(f"Scenario job {job.job_id}: the reply lacks a job")
            return data
        reply = yield from self.send(self._get(f"/assets/download/{path}", missing=True))
        if reply.status == HTTPStatus.NOT_FOUND:
            return {"jobId": job.job_id, "status": wire.UNKNOWN_JOB}
        data = reply.json_object()
        return {"jobId": job.job_id, "status": data.get("jobStatus")}

    def _job(self, data: Mapping[str, JSON]) -> ArchiveJob:
        return wire.job(data, self.state_of(data.get("status")))

    def cancel(self, job: ArchiveJob) -> Flow[bool]:
        """Best effort: the vendor cancels inference jobs only, and refuses an archive with a 400."""
        path = f"/jobs/{quote(job.job_id, safe='')}/action"
        refusals = (400, 403, 404, 409)
        # Not repeated: whoever cancels has seconds to live.
        request = self._post(path, {"action": "cancel"}, idempotent=False, accept=refusals)
        reply = yield from self.send(request)
        return reply.status not in refusals

    # --- bytes -------------------------------------------------------------------------------

    def files(
        self, reference: ArchiveReference, *, target_format: str | None = None
    ) -> Flow[list[ArchiveFile]]:
        """One zip; with a target format, one converted file an asset instead."""
        yield from ()
        request = reference.request
        if target_format is None:
            return [ArchiveFile(reference.job.job_id, f"{request.stem}.zip")]
        if not target_format.isalnum():
            raise InvalidRequestError(
                f"target_format: {target_format!r} is not a format such as webp"
            )
        return [ArchiveFile(i, f"{i}.{target_format}") for i in request.items["asset_ids"]]

    def link(
        self, reference: ArchiveReference, file: ArchiveFile, *, target_format: str | None = None
    ) -> Flow[Link]:
        """The signed URL. It may be asked for again; the vendor states no lifetime for archives."""
        if target_format is not None:
            path = f"/assets/{quote(file.key, safe='')}/download"
            reply = yield from self.send(self._post(path, {"targetFormat": target_format}))
            return Link(text(reply.json_object(), "url"))
        job = reference.job
        for attempt in range(wire.LINK_TRIES):
            yield from pause(wire.LINK_PAUSE if attempt else 0.0)
            url = yield from self._archive_url(job)
            if url:
                return Link(url)
        raise VendorUnavailableError(
            f"Scenario job {job.job_id} succeeded but offers no download URL yet; retry later",
            vendor=self.spec.name,
        )

    def _archive_url(self, job: ArchiveJob) -> Flow[str | None]:
        """``downloadUrl``, else the places that the guide and other revisions name."""
        path = quote(job.job_id, safe="")
        reply = yield from self.send(self._get(f"/assets/download/{path}", missing=True))
        if reply.status != HTTPStatus.NOT_FOUND:
            data = reply.json_object()
            status = {"jobId": job.job_id, "status": data.get("jobStatus", "")}
            ensure_succeeded(self._job(status))
            if data.get("downloadUrl"):
                return text(data, "downloadUrl")
        data = yield from self._one(job)
        ensure_succeeded(self._job(data))
        return wire.archive_url(data.get("metadata"))
