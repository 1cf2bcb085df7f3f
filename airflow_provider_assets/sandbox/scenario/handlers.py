"""The endpoints of Scenario, a method each.

Source: Scenario's API reference; ``/assets/archive`` exists in its archive guide only. Nothing is
converted: the link of an asset serves its own PNG, whatever ``targetFormat`` asks for.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from airflow_provider_assets.sandbox.bodies import Body
from airflow_provider_assets.sandbox.faults import reply_fault
from airflow_provider_assets.sandbox.scenario.assets import COLLECTIONS, PROJECT, Asset
from airflow_provider_assets.sandbox.scenario.paging import fingerprint, paginate
from airflow_provider_assets.sandbox.scenario.queries import select_assets, select_jobs
from airflow_provider_assets.sandbox.scenario.state import ARCHIVE, Catalog, Jobs, ScenarioJob
from airflow_provider_assets.sandbox.scenario.views import (
    FORMATS,
    LIMITS,
    asset_json,
    collection_json,
    error,
    hit_json,
    job_json,
    page_json,
)
from airflow_provider_assets.sandbox.vendor import Json, Refused
from airflow_provider_assets.sandbox.world import World

_ARCHIVE_LIMIT = 1000
_BULK_LIMIT = 200
_DRY_RUN = 269
_ID_LISTS = ("assetIds", "inferenceIds", "modelIds")
_RECENT = 16


@dataclass(frozen=True, slots=True)
class Handlers:
    """The handlers; a job is brought up to date whenever it is shown."""

    world: World
    catalog: Catalog
    jobs: Jobs
    _recent: dict[tuple[str, bool], tuple[list[Asset], Sequence[Asset]]] = field(
        default_factory=dict
    )

    def file(self, name: str) -> Body | None:
        """The file of an asset, by its name on the download host."""
        asset = self.catalog.find(name.removesuffix(".png"))
        if asset is None:
            return None
        return Body(blob=asset.image, content_type="image/png", vendor="scenario")

    async def submit(self, request: web.Request) -> web.Response:
        """``POST /assets/download``."""
        job = await self._accept(request, strict=True)
        if job is None:
            return web.json_response({"creativeUnitsCost": 0}, status=_DRY_RUN)
        return web.json_response({} if reply_fault(request, "no-id") else {"jobId": job.id})

    async def submit_archive(self, request: web.Request) -> web.Response:
        """``POST /assets/archive``."""
        job = await self._accept(request, strict=False)
        if job is None:
            return web.json_response({"creativeUnitsCost": 0}, status=_DRY_RUN)
        return web.json_response({"job": job_json(job, url=None)})

    async def poll_download(self, request: web.Request) -> web.Response:
        """``GET /assets/download/{jobId}``."""
        job = await self._polled(request)
        if job is None or job.type != ARCHIVE:
            raise Refused(error(404, "Job not found"))
        status = reply_fault(request, "status") or job.life.status
        answer: Json = {"jobId": job.id, "jobStatus": status}
        url = self._archive_link(job)
        if url and status == "success" and not reply_fault(request, "no-url"):
            answer["downloadUrl"] = url
        return web.json_response(answer)

    async def poll_job(self, request: web.Request) -> web.Response:
        """``GET /jobs/{jobId}``."""
        job = await self._polled(request)
        if job is None:
            raise Refused(error(404, "Job not found"))
        url = None if reply_fault(request, "no-url") else self._archive_link(job)
        return web.json_response({"job": _with_fault(request, job_json(job, url=url))})

    async def jobs_page(self, request: web.Request) -> web.Response:
        """``GET /jobs``."""
        for job in list(self.jobs.by_id.values()):
            await self.jobs.look(job, polled=False)
        now = self.world.clock.now()
        page = paginate(
            select_jobs(self.jobs.by_id.values(), request.query, now=now),
            request.query,
            empty_every=self.world.options.empty_pages,
            empty_now=bool(reply_fault(request, "empty-page")),
        )
        shown = []
        for job in page.items:
            self.world.stats.job(job.id, "bulk_poll")
            await self.jobs.look(job, polled=True)
            shown.append(_with_fault(request, job_json(job, url=self._archive_link(job))))
        return web.json_response(page_json("jobs", shown, page.token))

    async def act_on_job(self, request: web.Request) -> web.Response:
        """``POST /jobs/{jobId}/action``: archive jobs cannot be cancelled."""
        job = self.jobs.by_id.get(request.match_info["job"])
        if job is None:
            raise Refused(error(404, "Job not found"))
        if (await _body_of(request)).get("action") != "cancel":
            raise Refused(error(400, "action must be cancel"))
        self.world.stats.job(job.id, "cancel")
        if job.type == ARCHIVE or job.life.over:
            raise Refused(error(400, "Cannot cancel this type of job", code="BAD_REQUEST"))
        job.life.end("canceled", self.world.clock.now())
        return web.json_response({"job": job_json(job, url=None)})

    async def assets_page(self, request: web.Request) -> web.Response:
        """``GET /assets``."""
        page = paginate(
            self._selected(request),
            request.query,
            empty_every=self.world.options.empty_pages,
            empty_now=bool(reply_fault(request, "empty-page")),
        )
        shown = [self._shown(one) for one in page.items]
        return web.json_response(page_json("assets", shown, page.token))

    async def assets_in_bulk(self, request: web.Request) -> web.Response:
        """``POST /assets/get-bulk``."""
        wanted = _strings(await _body_of(request), "assetIds", required=True)
        if not 1 <= len(wanted) <= _BULK_LIMIT:
            raise Refused(error(400, f"assetIds must have 1 to {_BULK_LIMIT} elements"))
        found = [self._visible(one) for one in wanted]
        return web.json_response({"assets": [self._shown(one) for one in found if one]})

    async def asset(self, request: web.Request) -> web.Response:
        """``GET /assets/{assetId}``."""
        return web.json_response({"asset": self._shown(self._asked(request))})

    async def asset_link(self, request: web.Request) -> web.Response:
        """``POST /assets/{assetId}/download``."""
        asset = self._asked(request)
        target = (await _body_of(request)).get("targetFormat", "png")
        if not isinstance(target, str) or target not in FORMATS:
            raise Refused(error(400, "Invalid target format"))
        return web.json_response({"url": self._file_link(asset), "mimeType": FORMATS[target]})

    async def search(self, request: web.Request) -> web.Response:
        """``POST /search/assets``."""
        body = await _body_of(request)
        words = str(body.get("query", "")).lower().split()
        found = [one for one in reversed(list(self.catalog)) if one.exportable]
        found = [one for one in found if all(word in one.prompt.lower() for word in words)]
        limit, offset = _number(body, "limit", 20), _number(body, "offset", 0)
        hits = [hit_json(one, self._file_link(one)) for one in found[offset : offset + limit]]
        answer = {"hits": hits, "offset": offset, "estimatedTotalHits": len(found)}
        return web.json_response(answer)

    async def collections_page(self, request: web.Request) -> web.Response:
        """``GET /collections``."""
        counts = Counter(name for one in self.catalog for name in one.collections)
        shown = [collection_json(name, counts[name]) for name in COLLECTIONS]
        page = paginate(shown, request.query, empty_every=0, default=10)
        return web.json_response(page_json("collections", list(page.items), page.token))

    async def limits(self, _request: web.Request) -> web.Response:
        """``GET /teams/{teamId}/limits``."""
        return web.json_response(LIMITS)

    async def _accept(self, request: web.Request, *, strict: bool) -> ScenarioJob | None:
        """A job for a submission, None for a dry run.

        :param strict: demand all that the reference calls required; the guide's path does not.
        """
        body = await _body_of(request)
        assets, missing = self._chosen(body, strict=strict)
        if request.query.get("dryRun"):
            return None
        job = self.jobs.submit(assets, missing, body)
        self.world.stats.job(job.id, "submit")
        return job

    def _chosen(self, body: Json, *, strict: bool) -> tuple[list[Asset], list[str]]:
        """The assets that an archive is to hold, and the ids that it cannot have."""
        query, options = body.get("query"), body.get("options")
        if not isinstance(query, dict):
            raise Refused(error(400, "query is required"))
        if strict and not (isinstance(options, dict) and options.get("fileNameTemplate")):
            raise Refused(error(400, "options.fileNameTemplate is required"))
        asked, inferences, models = (
            _strings(query, name, required=strict or name == "assetIds") for name in _ID_LISTS
        )
        expanded = self.catalog.of_inferences(set(inferences))
        expanded += self.catalog.of_models(set(models))
        wanted = list(dict.fromkeys([*asked, *(one.id for one in expanded if one.exportable)]))
        if not 1 <= len(wanted) <= _ARCHIVE_LIMIT:
            text = f"an archive holds 1 to {_ARCHIVE_LIMIT} assets, not {len(wanted)}"
            raise Refused(error(400, text))
        found = [self.catalog.find(one) for one in wanted]
        good = [one for one in found if one is not None and one.exportable]
        have = {one.id for one in good}
        return good, [one for one in wanted if one not in have]

    async def _polled(self, request: web.Request) -> ScenarioJob | None:
        job = self.jobs.by_id.get(request.match_info["job"])
        if job is not None:
            self.world.stats.job(job.id, "poll")
            await self.jobs.look(job, polled=True)
        return job

    def _selected(self, request: web.Request) -> Sequence[Asset]:
        """The assets that a query selects; kept for its next page while the catalog is the same."""
        key = (fingerprint(request.query), request["public"])
        kept = self._recent.get(key)
        if kept is not None and kept[0] is self.catalog.by_creation:
            return kept[1]
        now = self.world.clock.now()
        found = select_assets(self.catalog, request.query, now=now, public=request["public"])
        while len(self._recent) >= _RECENT:
            del self._recent[next(iter(self._recent))]
        self._recent[key] = (self.catalog.by_creation, found)
        return found

    def _asked(self, request: web.Request) -> Asset:
        asset = self._visible(request.match_info["asset"])
        if asset is None:
            raise Refused(error(404, "Asset not found"))
        return asset

    def _visible(self, asset_id: str) -> Asset | None:
        asset = self.catalog.find(asset_id)
        seen = asset is not None and (asset.owner == PROJECT or asset.privacy == "public")
        return asset if seen else None

    def _shown(self, asset: Asset) -> Json:
        return asset_json(asset, self._file_link(asset))

    def _file_link(self, asset: Asset) -> str:
        return self.world.storage.link(asset.path, seconds=self.world.options.url_seconds)

    def _archive_link(self, job: ScenarioJob) -> str | None:
        """A fresh link to the archive, None until there is one."""
        if job.life.status != "success" or job.archive is None:
            return None
        return self.world.storage.link(job.path, seconds=self.world.options.url_seconds)


def _with_fault(request: web.Request, job: Json) -> Json:
    return job | {"status": reply_fault(request, "status") or job["status"]}


async def _body_of(request: web.Request) -> Json:
    """The JSON object of a request; an empty body counts as an empty object."""
    text = await request.text()
    try:
        body = json.loads(text or "{}")
    except ValueError as problem:
        raise Refused(error(400, "the body is not JSON")) from problem
    if not isinstance(body, dict):
        raise Refused(error(400, "the body is not an object"))
    return body


def _strings(body: Mapping[str, object], name: str, *, required: bool) -> list[str]:
    value = body.get(name)
    if value is None and not required:
        return []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Refused(error(400, f"{name} must be an array of strings"))
    return value


def _number(body: Json, name: str, default: int) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or value < 0:
        raise Refused(error(400, f"{name} must be a number"))
    return value
