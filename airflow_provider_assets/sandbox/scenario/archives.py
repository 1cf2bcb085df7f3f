"""The calls that submit, watch and cancel archive jobs.

Source: Scenario's API reference; ``/assets/archive`` exists in its archive guide only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from airflow_provider_assets.sandbox.middleware import bent

from . import joblist
from .access import body_of, page_json, strings
from .errors import Invalid, refuse
from .paging import paginate
from .state import ARCHIVE, Jobs, ScenarioJob
from .views import job_json

if TYPE_CHECKING:
    from airflow_provider_assets.sandbox.world import Handler, Json, World

    from .assets import Asset, Catalog

BATCH_LIMIT = 1000
_DRY_RUN = 269
_ID_LISTS = ("assetIds", "inferenceIds", "modelIds")


@dataclass(frozen=True, slots=True)
class ArchiveCalls:
    """The handlers; a job's state is brought up to date whenever it is shown."""

    world: World
    catalog: Catalog
    jobs: Jobs

    def table(self) -> list[tuple[str, str, str, str, Handler]]:
        """Method, path, name, group and handler of each call."""
        return [
            ("POST", "/assets/download", "submit", "submit", self._submit),
            ("POST", "/assets/archive", "submit_archive", "submit", self._submit_archive),
            ("GET", "/assets/download/{job}", "poll_download", "poll", self._poll_download),
            ("GET", "/jobs/{job}", "poll_job", "poll", self._poll_job),
            ("GET", "/jobs", "jobs", "bulk_poll", self._list),
            ("POST", "/jobs/{job}/action", "cancel", "cancel", self._act),
        ]

    async def _submit(self, request: web.Request) -> web.Response:
        job = await self._accept(request, strict=True)
        if job is None:
            return web.json_response({"creativeUnitsCost": 0}, status=_DRY_RUN)
        return web.json_response({} if bent(request, "no-id") else {"jobId": job.id})

    async def _submit_archive(self, request: web.Request) -> web.Response:
        job = await self._accept(request, strict=False)
        if job is None:
            return web.json_response({"creativeUnitsCost": 0}, status=_DRY_RUN)
        return web.json_response({"job": job_json(job, url=None)})

    async def _accept(self, request: web.Request, *, strict: bool) -> ScenarioJob | None:
        body = await body_of(request)
        assets, missing = self._chosen(body, strict=strict)
        if request.query.get("dryRun"):
            return None
        job = self.jobs.submit(assets, missing, body)
        self.world.stats.job(job.id, "submit")
        return job

    def _chosen(self, body: Json, *, strict: bool) -> tuple[list[Asset], list[str]]:
        """The assets an archive is asked of, and the ids it cannot have."""
        query, options = body.get("query"), body.get("options")
        if not isinstance(query, dict):
            raise Invalid("query is required")
        if strict and not (isinstance(options, dict) and options.get("fileNameTemplate")):
            raise Invalid("options.fileNameTemplate is required")
        asked, inferences, models = (
            strings(query, name, required=strict or name == "assetIds") for name in _ID_LISTS
        )
        expanded = self.catalog.of_inferences(set(inferences))
        expanded += self.catalog.of_models(set(models))
        wanted = list(dict.fromkeys([*asked, *(one.id for one in expanded if one.exportable)]))
        if not 1 <= len(wanted) <= BATCH_LIMIT:
            raise Invalid(f"an archive holds 1 to {BATCH_LIMIT} assets, not {len(wanted)}")
        found = [self.catalog.assets.get(one) for one in wanted]
        good = [one for one in found if one is not None and one.exportable]
        have = {one.id for one in good}
        return good, [one for one in wanted if one not in have]

    async def _poll_download(self, request: web.Request) -> web.Response:
        job = await self._polled(request)
        if job is None or job.type != ARCHIVE:
            return refuse(404, "Job not found")
        answer: Json = {"jobId": job.id, "jobStatus": bent(request, "status") or job.life.status}
        url = self.jobs.url(job)
        if url and answer["jobStatus"] == "success" and not bent(request, "no-url"):
            answer["downloadUrl"] = url
        return web.json_response(answer)

    async def _poll_job(self, request: web.Request) -> web.Response:
        job = await self._polled(request)
        if job is None:
            return refuse(404, "Job not found")
        answer = job_json(job, url=None if bent(request, "no-url") else self.jobs.url(job))
        answer["status"] = bent(request, "status") or answer["status"]
        return web.json_response({"job": answer})

    async def _polled(self, request: web.Request) -> ScenarioJob | None:
        job = self.jobs.by_id.get(request.match_info["job"])
        if job is not None:
            self.world.stats.job(job.id, "poll")
            await self.jobs.look(job, polled=True)
        return job

    async def _list(self, request: web.Request) -> web.Response:
        for job in list(self.jobs.by_id.values()):
            await self.jobs.look(job, polled=False)
        now = self.world.clock.now()
        page = paginate(
            joblist.select(self.jobs.by_id.values(), request.query, now=now),
            request.query,
            empty_every=self.world.options.empty_pages,
            empty_now=bool(bent(request, "empty-page")),
        )
        shown = []
        for job in page.items:
            self.world.stats.job(job.id, "bulk_poll")
            await self.jobs.look(job, polled=True)
            answer = job_json(job, url=self.jobs.url(job))
            answer["status"] = bent(request, "status") or answer["status"]
            shown.append(answer)
        return page_json("jobs", shown, page.token)

    async def _act(self, request: web.Request) -> web.Response:
        job = self.jobs.by_id.get(request.match_info["job"])
        if job is None:
            return refuse(404, "Job not found")
        if (await body_of(request)).get("action") != "cancel":
            raise Invalid("action must be cancel")
        self.world.stats.job(job.id, "cancel")
        if job.type == ARCHIVE or job.life.over:
            text = "Cannot cancel this type of job"
            answer = {"status": "error", "code": "BAD_REQUEST", "message": text}
            return web.json_response(answer, status=400)
        job.life.end("canceled", self.world.clock.now())
        return web.json_response({"job": job_json(job, url=None)})
