"""The emulated Scenario API as the server and the admin routes see it."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace

from aiohttp import web

from airflow_provider_assets.sandbox.clock import iso_ms
from airflow_provider_assets.sandbox.scenario.access import KEY, SECRET, checked
from airflow_provider_assets.sandbox.scenario.assets import PROJECT, asset_at, day_of_assets
from airflow_provider_assets.sandbox.scenario.handlers import Handlers
from airflow_provider_assets.sandbox.scenario.state import ARCHIVE, Catalog, Jobs
from airflow_provider_assets.sandbox.scenario.views import error
from airflow_provider_assets.sandbox.vendor import Json, Late, Route
from airflow_provider_assets.sandbox.world import World


class ScenarioApi:
    """Assets and archive jobs of one account with one project."""

    name = "scenario"

    def __init__(self, world: World) -> None:
        self._world = world
        self._catalog = Catalog.of(world.options)
        self._jobs = Jobs(world)

    def routes(self) -> list[Route]:
        """Every endpoint; the names are those of the counters and of ``--fault``."""
        call = Handlers(self._world, self._catalog, self._jobs)
        self._world.storage.make("/scenario/assets/", call.file)
        table = [
            ("POST", "/assets/download", "submit", "submit", call.submit),
            ("POST", "/assets/archive", "submit_archive", "submit", call.submit_archive),
            ("GET", "/assets/download/{job}", "poll_download", "poll", call.poll_download),
            ("GET", "/jobs/{job}", "poll_job", "poll", call.poll_job),
            ("GET", "/jobs", "jobs", "bulk_poll", call.jobs_page),
            ("POST", "/jobs/{job}/action", "cancel", "cancel", call.act_on_job),
            ("GET", "/assets", "assets", "list", call.assets_page),
            ("POST", "/assets/get-bulk", "get_bulk", "metadata", call.assets_in_bulk),
            ("GET", "/assets/{asset}", "asset", "metadata", call.asset),
            ("POST", "/assets/{asset}/download", "link", "link", call.asset_link),
            ("POST", "/search/assets", "search", "list", call.search),
            ("GET", "/collections", "collections", "list", call.collections_page),
            ("GET", "/teams/{team}/limits", "limits", "metadata", call.limits),
        ]
        return [
            Route(method, f"/v1{path}", f"scenario.{name}", group, checked(handler))
            for method, path, name, group, handler in table
        ]

    def describe(self, origin: str) -> Json:
        """The base URL and an Airflow connection that works."""
        base = f"{origin}/v1"
        extra = {"project_id": PROJECT, "base_url": base}
        return {
            "base_url": base,
            "connection": {
                "conn_type": "scenario", "login": KEY, "password": SECRET, "extra": extra,
            },
        }  # fmt: skip

    def error(self, status: int, *, extra: Json | None = None) -> web.Response:
        """An error response in Scenario's shape."""
        return error(status, extra=extra)

    def jobs(self) -> list[Json]:
        """Every archive job."""
        jobs = [job for job in self._jobs.by_id.values() if job.type == ARCHIVE]
        for job in jobs:
            self._jobs.catch_up(job)
        return [
            {"id": job.id, "status": job.life.status, "progress": job.life.progress,
             "archive_name": job.archive_name, "created": iso_ms(job.life.begun),
             "missing": list(job.missing)}
            for job in jobs
        ]  # fmt: skip

    async def truth(self, job_id: str) -> Json | None:
        """Name, bytes, sha256 and entries of a job's archive, once it is built."""
        job = self._jobs.by_id.get(job_id)
        if job is None or job.building is None:
            return None
        await asyncio.wait({job.building})
        return None if job.archive is None else job.archive.report()

    async def act(self, job_id: str, action: str, detail: str) -> bool:
        """``finish``, ``fail``, ``stick``, ``cancel`` or ``expire`` (the archive is deleted)."""
        job = self._jobs.by_id.get(job_id)
        if job is None:
            return False
        if action == "finish":
            await self._jobs.finish(job)
        elif action == "fail":
            self._jobs.fail(job, detail or "Asset could not be read")
        elif action == "cancel":
            self._jobs.fail(job, "Canceled", status="canceled")
        elif action == "stick":
            job.life.held = True
        elif action == "expire":
            self._world.storage.drop(job.path)
        return True

    def items(self) -> list[Json]:
        """Every asset in order of creation; those of the history come last."""
        return [
            {"id": one.id, "created": iso_ms(one.created / 1000),
             "updated": iso_ms(one.updated / 1000), "type": one.type, "status": one.status,
             "exportable": one.exportable, "bytes": one.image.size}
            for one in self._catalog
        ]  # fmt: skip

    def add_items(self, day: dt.date, count: int) -> list[str]:
        """Create more assets within a day; returns their ids."""
        salt = str(len(self._catalog.assets))
        assets = day_of_assets(self._world.options, day, count, salt=salt)
        self._catalog.add(assets)
        return [one.id for one in assets]

    def add_late(self, late: Late) -> str:
        """Create an asset that is ``pending`` until it is finished and hidden until it is listed."""
        asset = asset_at(self._world.options, late.at, salt=f"late {late.number}")
        if late.finish_after:
            asset = replace(asset, status="pending")
        self._world.later(late.at + late.list_after, lambda: self._catalog.add([asset]))
        if late.finish_after:
            finished = late.at + max(late.finish_after, late.list_after)
            touched = int((late.at + late.finish_after) * 1000) if late.touched else None
            self._world.later(finished, lambda: self._catalog.finish(asset.id, touched))
        return asset.id

    def remove_item(self, item_id: str) -> bool:
        """Move an asset to the trash."""
        return self._catalog.delete(item_id, self._world.clock.now())
