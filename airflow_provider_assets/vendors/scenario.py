"""Scenario: generated images, video and 3D, archived in batches of up to 1000 assets.

The flows; what the vendor documents is in ``scenario_contract``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from itertools import count

from airflow_provider_assets.sansio.downloads import ArchiveFile, Link
from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AssetsError,
    InvalidRequestError,
    PermanentError,
    ProtocolError,
    QuotaExceededError,
    VendorUnavailableError,
    is_about_the_connection,
)
from airflow_provider_assets.sansio.flow import Flow, pause
from airflow_provider_assets.sansio.jobs import (
    ARCHIVE,
    LINKS,
    Answer,
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    Item,
    JobState,
    Selected,
)
from airflow_provider_assets.sansio.messages import HttpRequest, json_body, url_path
from airflow_provider_assets.sansio.records import Facts, OnRecord, Record, ignore, public
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.waiter import PollPolicy, ensure_succeeded
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors import scenario_contract as contract
from airflow_provider_assets.vendors import scenario_parsing as parsing
from airflow_provider_assets.vendors.base import Vendor, VendorSpec, each
from airflow_provider_assets.vendors.paging import read_pages
from airflow_provider_assets.vendors.parsing import address, objects, strings, text


class Scenario(Vendor):
    """The Scenario API. Basic authentication with key and secret, or a bearer token."""

    spec: VendorSpec = VendorSpec(
        name="scenario",
        title="Scenario",
        hook="airflow_provider_assets.hooks.scenario.ScenarioHook",
        docs_url="https://docs.scenario.com/reference",
        base_url="https://api.cloud.scenario.com/v1",
        max_batch=contract.MAX_BATCH,
        kinds=("asset_ids", "inference_ids", "model_ids"),
        filters=contract.FILTERS,
        options=contract.OPTIONS,
        naming=contract.NAMING,
        modes=(ARCHIVE, LINKS),
        statuses=contract.STATUSES,
        # The guide polls every 3 s; large archives take long, so the interval grows.
        poll=PollPolicy(initial=3.0, maximum=30.0, bulk=contract.PAGE),
        form=contract.FORM,
        columns=contract.COLUMNS,
    )

    # --- talking -----------------------------------------------------------------------------

    def authorize(self, request: HttpRequest) -> Flow[HttpRequest]:
        """Basic or bearer, and the project where one is set."""
        yield from ()
        headers = [
            ("Authorization", parsing.authorization(self.connection)),
            ("Accept", "application/json"),
        ]
        if request.body is not None:
            headers.append(("Content-Type", "application/json"))
        params = request.params
        if project := self.connection.text("project_id"):
            params += (("projectId", project),)
        return replace(request, headers=(*request.headers, *headers), params=params)

    def secrets(self) -> tuple[str, ...]:
        """The API key is a secret of its own, and the other half of a basic header."""
        return *super().secrets(), self.connection.login

    def error_class(self, status: int, data: JSON) -> type[AssetsError]:
        """The common classes, but a 429 for a plan's ceiling is a quota, not a rate limit."""
        if status == HTTPStatus.TOO_MANY_REQUESTS and parsing.is_ceiling(data):
            return QuotaExceededError
        return super().error_class(status, data)

    def _get(self, path: str, *params: tuple[str, str], missing: bool = False) -> HttpRequest:
        accept = frozenset({HTTPStatus.NOT_FOUND} if missing else ())
        return HttpRequest("GET", self.base_url + path, params, accept=accept)

    def _post(self, path: str, data: JSON, *, idempotent: bool = True) -> HttpRequest:
        url, body = self.base_url + path, json_body(data)
        return HttpRequest("POST", url, body=body, idempotent=idempotent)

    def _pages(
        self,
        path: str,
        params: Iterable[tuple[str, str]],
        key: str,
        take: Callable[[list[dict[str, JSON]]], bool],
    ) -> Flow[None]:
        """Hand every page of a listing to *take*, until it returns true."""

        def fetch(token: str) -> Flow[tuple[list[dict[str, JSON]], str]]:
            page = [("paginationToken", token)] if token else []
            data = (yield from self.send(self._get(path, *params, *page))).json_object()
            # A page may be empty and still have a successor (SDK, nextPaginationToken).
            return objects(data, key), str(data.get("nextPaginationToken") or "")

        yield from read_pages(fetch, take, listing=f"Scenario {path}")

    # --- what to export ----------------------------------------------------------------------

    def check(self) -> Flow[str]:
        """List one asset: free of charge, and it verifies key and project."""
        reply = yield from self.send(self._get("/assets", ("pageSize", "1")))
        objects(reply.json_object(), "assets")  # a page of some other site proves nothing
        return "Scenario accepts the credentials"

    def validate(self, *, options: Mapping[str, JSON]) -> Mapping[str, JSON]:
        """Complete the archive options; ``<id>`` is put into a template that lacks it."""
        return parsing.complete(options)

    def remarks(self, options: Mapping[str, JSON]) -> list[str]:
        """Tokens of the file name template that the vendor does not document."""
        return parsing.remarks(options)

    def expand(
        self, items: Mapping[str, Sequence[str]], *, on_record: OnRecord = ignore
    ) -> Flow[Selected]:
        """Assets as they are; inferences and models by listing their assets.

        The vendor would expand them too, but does not say whether 1000 counts before or after it.
        """
        named = {kind: strings(items.get(kind, []), f"items.{kind}") for kind in self.spec.kinds}
        found = [Item("asset_ids", one) for one in named["asset_ids"]]
        pending: dict[str, None] = {}
        for kind, name in (("inference_ids", "inferenceId"), ("model_ids", "modelId")):
            for value in named[kind]:
                listed = yield from self.select({name: value}, None, on_record=on_record)
                found += listed.items
                pending |= dict.fromkeys(listed.pending)
        finished = {item.id for item in found}
        return Selected(found, [one for one in pending if one not in finished])

    def select(
        self, query: Mapping[str, JSON], window: Window | None, *, on_record: OnRecord = ignore
    ) -> Flow[Selected]:
        """Successful assets of the listing; ``by`` is ``createdAt`` (default) or ``updatedAt``.

        A listing also holds assets that are not finished: Asset.status is ``pending``, ``success`` or
        ``error`` (SDK). Whether finishing an asset moves its ``updatedAt`` is not documented, so
        neither choice of ``by`` alone proves that a pending asset will be listed again.
        """
        whole, _ = yield from self.select_part(query, window, on_record=on_record)
        return whole

    def select_part(
        self,
        query: Mapping[str, JSON],
        window: Window | None,
        *,
        pages: int | None = None,
        on_record: OnRecord = ignore,
    ) -> Flow[tuple[Selected, Window | None]]:
        """Like :meth:`select`; what is listed by creation, oldest first, can be left after *pages* pages.

        A listing by last change cannot be left early: an asset that is changed meanwhile moves to its end,
        which has to be read last.
        """
        by = str("createdAt" if query.get("by") is None else query["by"])
        params, owners = parsing.listing(query, by, window), parsing.owners(query)
        found: list[Item] = []
        pending: dict[str, None] = {}  # in the listing's order, each once
        rest: Window | None = None
        read = count(1)

        def take(assets: list[dict[str, JSON]]) -> bool:
            nonlocal rest
            is_enough = pages is not None and next(read) >= pages
            if is_enough and ("sortBy", "createdAt") in params:
                assets, rest = parsing.divided(assets, window)
            for asset in assets:
                if parsing.is_inside(asset, by, window) and parsing.is_owned(asset, owners):
                    asset_id, status = text(asset, "id"), asset.get("status", contract.FINISHED)
                    if status == contract.FINISHED:
                        found.append(Item("asset_ids", asset_id))
                        on_record(found[-1], public(asset))
                    elif status != contract.BROKEN:
                        pending[asset_id] = None
            return rest is not None

        yield from self._pages("/assets", params, "assets", take)
        if pending:  # some may have been finished since the page that showed them
            finished = {item.id for item in found}
            pending = {one: None for one in pending if one not in finished}
        return Selected(found, list(pending)), rest

    def facts(self, query: Mapping[str, JSON], record: Record) -> Facts:
        """The asset's size and, where assets are selected by their last change, its time."""
        return parsing.facts(record, is_by_change=query.get("by") == "updatedAt")

    def metadata(self, asset_ids: Sequence[str]) -> Flow[dict[str, dict[str, JSON]]]:
        """Id -> the vendor's record; ids that the vendor does not know are left out."""
        ids = strings(asset_ids, "asset_ids")
        found: dict[str, dict[str, JSON]] = {}
        for first in range(0, len(ids), contract.MAX_BULK):
            batch: list[JSON] = list(ids[first : first + contract.MAX_BULK])
            reply = yield from self.send(self._post("/assets/get-bulk", {"assetIds": batch}))
            found |= {text(a, "id"): a for a in objects(reply.json_object(), "assets")}
        return found

    # --- jobs --------------------------------------------------------------------------------

    def submit(self, request: ArchiveRequest) -> Flow[ArchiveJob]:
        """``POST /assets/download``; a reply without a job id (a dry run's 269) is not a submission.

        Nothing is sent for mode ``links``.
        """
        if request.mode == LINKS:
            return parsing.job_of_links(request, self.clock())
        body = parsing.submission(request)
        reply = yield from self.send(self._post("/assets/download", body, idempotent=False))
        data = reply.json_object()
        job = data.get("job")
        holder = data if data.get("jobId") or not isinstance(job, dict) else job
        if reply.status == contract.DRY_RUN or not holder.get("jobId"):
            raise ProtocolError(
                f"Scenario answered the submission with HTTP {reply.status} and no job id",
                vendor=self.spec.name,
                status=reply.status,
            )
        return ArchiveJob("scenario", text(holder, "jobId"), submitted_at=self.clock())

    def find(self, request: ArchiveRequest, since: float) -> Flow[ArchiveJob | None]:
        """A recent job with our tag in its metadata, an exact match, that has not failed."""
        name = parsing.archive_name(request)
        found: list[ArchiveJob] = []

        def take(page: list[dict[str, JSON]]) -> bool:
            tagged = [d for d in page if name in parsing.all_strings(d.get("metadata"))]
            jobs = [
                self._job(data, parsing.created_at(data, since)) for data in tagged if request.tag
            ]
            found.extend(job for job in jobs if job.state in (JobState.RUNNING, JobState.SUCCEEDED))
            return bool(found)

        yield from self._pages("/jobs", parsing.jobs_since(since), "jobs", take)
        return found[0] if found else None

    def poll(self, jobs: Sequence[ArchiveJob]) -> Flow[list[Answer]]:
        """``GET /jobs`` for many; ``GET /jobs/{jobId}`` for one, or one that the list lacks."""
        found: dict[str, ArchiveJob] = {}
        # A job of unknown age would have us list all that ever ran.
        ages = {
            job.job_id: job.submitted_at
            for job in jobs
            if job.submitted_at is not None and not parsing.is_of_links(job)
        }
        pages = count(1)

        def take(page: list[dict[str, JSON]]) -> bool:
            for data in page:  # page by page: thousands at once would hold up an event loop
                if (job_id := text(data, "jobId")) in ages:
                    found[job_id] = self._job(data, ages[job_id])
            # Once as many pages have been read as jobs are missing, asking singly is cheaper.
            return next(pages) >= len(ages) - len(found)

        def ask(job: ArchiveJob) -> Flow[ArchiveJob]:
            if parsing.is_of_links(job):
                return job
            if job.job_id in found:
                return found[job.job_id]
            return self._job((yield from self._one(job)), job.submitted_at)

        if len(ages) > 1:
            since = parsing.jobs_since(min(ages.values()))
            try:
                yield from self._pages("/jobs", since, "jobs", take)
            except PermanentError as error:
                if is_about_the_connection(error):
                    raise
                # One job may have spoiled the list for all: it is asked for alone, like the others.
        return (yield from each(jobs, ask))

    def _one(self, job: ArchiveJob) -> Flow[dict[str, JSON]]:
        asked = self._get(url_path("/jobs/{}", job.job_id), missing=True)
        reply = yield from self.send(asked)
        if reply.status != HTTPStatus.NOT_FOUND:
            data = reply.json_object().get("job")
            if not isinstance(data, dict):
                raise ProtocolError(f"Scenario job {job.job_id}: the reply lacks a job")
            return data
        asked_too = self._get(url_path("/assets/download/{}", job.job_id), missing=True)
        other = yield from self.send(asked_too)
        if other.status != HTTPStatus.NOT_FOUND:
            return {"jobId": job.job_id, "status": other.json_object().get("jobStatus")}
        self.ensure_unknown(asked, reply, job.submitted_at)
        self.ensure_unknown(asked_too, other, job.submitted_at)
        return {"jobId": job.job_id, "status": contract.UNKNOWN_JOB}

    def _job(self, data: Mapping[str, JSON], submitted_at: float | None = None) -> ArchiveJob:
        return parsing.job(data, self.state_of(data.get("status")), submitted_at)

    def job_url(self, job: ArchiveJob) -> Flow[str]:
        """The job in the API; a browser asks for key and secret. Empty for mode ``links``, without a job."""
        yield from ()
        if parsing.is_of_links(job):
            return ""
        return self.base_url + url_path("/jobs/{}", job.job_id)

    # --- bytes -------------------------------------------------------------------------------

    def check_target_format(self, target_format: str) -> None:
        """Refuse what cannot be a format; those that the vendor has depend on the kind of asset."""
        if not re.fullmatch("[0-9A-Za-z]{1,16}", target_format):
            raise InvalidRequestError(
                f"target_format: {target_format!r} is not a format such as webp"
            )

    def files(
        self, reference: ArchiveReference, *, target_format: str | None = None
    ) -> Flow[list[ArchiveFile]]:
        """One zip, or one file per asset: of mode ``links``, or converted to a target format.

        Assets that the vendor no longer knows are left out in mode ``links``.

        :raises ArchiveExpiredError: if it knows none of them.
        """
        request = reference.request
        if target_format is not None:
            self.check_target_format(target_format)
        if request.mode == LINKS:
            return (
                yield from self._single_files(request.items.get("asset_ids", ()), target_format)
            )
        if target_format is None:
            return [ArchiveFile(reference.job.job_id, f"{request.stem}.zip")]
        if not request.count:
            raise InvalidRequestError(
                "target_format: the assets of a job that was started elsewhere are unknown here; name them "
                "as items of an export"
            )
        return [ArchiveFile(i, f"{i}.{target_format}") for i in request.items.get("asset_ids", ())]

    def _single_files(
        self, ids: Sequence[str], target_format: str | None
    ) -> Flow[list[ArchiveFile]]:
        """One file for each of *ids* that the vendor knows."""
        records = yield from self.metadata(ids)
        files = []
        for asset_id in [i for i in ids if i in records]:
            name = f"{asset_id}.{target_format}"
            if target_format is None:
                mime_type = parsing.type_of_original(records[asset_id])
                if mime_type is None:
                    data = yield from self._download(asset_id, None)
                    mime_type = str(data.get("mimeType") or "")
                name = parsing.file_name(asset_id, mime_type)
            files.append(ArchiveFile(asset_id, name))
        if not files:
            raise ArchiveExpiredError(
                f"Scenario no longer knows any of the {len(ids)} assets of this batch; export what is "
                "left in another run",
                vendor=self.spec.name,
            )
        return files

    def _download(self, asset_id: str, target_format: str | None) -> Flow[dict[str, JSON]]:
        """``POST /assets/{assetId}/download``: without a format, of the original file ("Request")."""
        body: JSON = {} if target_format is None else {"targetFormat": target_format}
        path = url_path("/assets/{}/download", asset_id)
        return (yield from self.send(self._post(path, body))).json_object()

    def link(
        self, reference: ArchiveReference, file: ArchiveFile, *, target_format: str | None = None
    ) -> Flow[Link]:
        """The signed URL. It can be requested again; the vendor documents no lifetime of archives."""
        if target_format is not None or reference.request.mode == LINKS:
            return Link(address((yield from self._download(file.key, target_format)), "url"))
        job = reference.job
        for attempt in range(contract.LINK_TRIES):
            yield from pause(contract.LINK_PAUSE if attempt else 0.0)
            url = yield from self._archive_url(job)
            if url:
                return Link(url)
        raise VendorUnavailableError(
            f"Scenario job {job.job_id} succeeded but offers no download URL yet; retry later",
            vendor=self.spec.name,
        )

    def _archive_url(self, job: ArchiveJob) -> Flow[str | None]:
        """``downloadUrl``, else the places that the guide and other revisions name.

        A job that has succeeded may be running in one of the two answers, which then is late.

        :raises AssetsError: if the job has not succeeded.
        """

        def check(data: Mapping[str, JSON]) -> None:
            now = self._job({"jobId": job.job_id, **data})
            if job.state is not JobState.SUCCEEDED or now.state is not JobState.RUNNING:
                ensure_succeeded(now)

        reply = yield from self.send(
            self._get(url_path("/assets/download/{}", job.job_id), missing=True)
        )
        if reply.status != HTTPStatus.NOT_FOUND:
            data = reply.json_object()
            check({"status": data.get("jobStatus", "")})
            if data.get("downloadUrl"):
                return address(data, "downloadUrl")
        data = yield from self._one(job)
        check(data)
        return parsing.archive_url(data.get("metadata"))
