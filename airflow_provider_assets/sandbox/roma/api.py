"""The emulated ROMA Connect, with its IAM, as the server and the admin routes see it."""

from __future__ import annotations

import asyncio
import datetime as dt

from aiohttp import web

from airflow_provider_assets.sandbox.clock import iso_ms
from airflow_provider_assets.sandbox.roma.access import Access
from airflow_provider_assets.sandbox.roma.accounts import ACCOUNT, INSTANCE, PROJECT, REGION, USERS
from airflow_provider_assets.sandbox.roma.dialects import DIALECTS, state_of
from airflow_provider_assets.sandbox.roma.handlers import Handlers
from airflow_provider_assets.sandbox.roma.iam import Iam, iam_error
from airflow_provider_assets.sandbox.roma.state import Exports, Inventory
from airflow_provider_assets.sandbox.roma.views import error
from airflow_provider_assets.sandbox.vendor import Json, Late, Route
from airflow_provider_assets.sandbox.world import World


class RomaApi:
    """Applications, tasks and exports of one instance."""

    name = "roma"

    def __init__(self, world: World) -> None:
        self._world = world
        self._inventory = Inventory(world.options)
        self._exports = Exports(world, self._inventory)

    def routes(self) -> list[Route]:
        """Every endpoint; the names are those of the counters and of ``--fault``."""
        access = Access(self._world)
        call = Handlers(self._world, self._inventory, self._exports)
        iam = Iam(self._world, access)
        base = "/v2/{project}/instances/{instance}"
        fdi = "/v2/{project}/fdi/instances/{instance}"
        archive = f"{base}/assets/archives/{{archive}}"
        table = [
            ("POST", f"{base}/assets/export", "submit", "submit", call.submit),
            ("GET", f"{base}/assets/jobs/{{job}}", "poll", "poll", call.poll),
            ("GET", archive, "download", "download", call.download),
            ("HEAD", archive, "head", "download", call.download),
            ("GET", f"{base}/apps", "apps", "list", call.apps),
            ("GET", f"{fdi}/tasks", "tasks", "list", call.tasks),
            ("GET", "/v2/{project}/instances", "instances", "metadata", call.instances),
        ]
        return [
            Route("POST", "/v3/auth/tokens", "iam.token", "auth", iam.token, iam_error),
            Route("GET", "/v3/projects", "iam.projects", "auth", iam.projects, iam_error),
            *(
                Route(method, path, f"roma.{name}", group, access.checked(handler))
                for method, path, name, group, handler in table
            ),
        ]

    def describe(self, origin: str) -> Json:
        """URLs, an AK/SK connection, a token connection, and the items that can be exported."""
        user = USERS[0]
        extra = {
            "auth_type": "aksk", "base_url": origin, "iam_url": origin, "region": REGION,
            "project_id": PROJECT, "instance_id": INSTANCE,
        }  # fmt: skip
        token_extra = extra | {"auth_type": "token", "account": ACCOUNT}
        kind = "huawei_roma"
        return {
            "base_url": origin,
            "iam_url": origin,
            "connection": {
                "conn_type": kind, "login": user.access_key, "password": user.secret_key,
                "extra": extra,
            },
            "token_connection": {
                "conn_type": kind, "login": user.name, "password": user.password,
                "extra": token_extra,
            },
            "apps": list(self._inventory.apps),
            "tasks": list(self._inventory.tasks),
        }  # fmt: skip

    def error(self, status: int, *, extra: Json | None = None) -> web.Response:
        """An error response in ROMA Connect's shape."""
        return error(status, extra=extra)

    def jobs(self) -> list[Json]:
        """Every export."""
        dialect = DIALECTS[self._world.options.roma_dialect]
        for export in self._exports.by_id.values():
            self._exports.catch_up(export)
        return [
            {"id": one.id, "status": state_of(one, dialect), "progress": one.life.progress,
             "archive_id": one.archive_id, "consumed": one.consumed, "user": one.user,
             "created": iso_ms(one.life.begun)}
            for one in self._exports.by_id.values()
        ]  # fmt: skip

    async def truth(self, job_id: str) -> Json | None:
        """Name, bytes, sha256 and entries of a package, also after it was downloaded."""
        for export in self._exports.by_id.values():
            if job_id in (export.id, export.archive_id) and export.building is not None:
                await asyncio.wait({export.building})
                return None if export.archive is None else export.archive.report()
        return None

    async def act(self, job_id: str, action: str, detail: str) -> bool:
        """``finish``, ``fail``, ``stick``, or ``expire`` (the end of the validity period)."""
        export = self._exports.by_id.get(job_id)
        if export is None:
            return False
        if action == "finish":
            await self._exports.finish(export)
        elif action in ("fail", "cancel"):
            self._exports.fail(export, detail or "resource is locked")
        elif action == "stick":
            export.life.held = True
        elif action == "expire":
            export.gone = True
        return True

    def items(self) -> list[Json]:
        """Every application and task; ``created`` is its last change, as windows select by it."""
        return [
            {"id": one.id, "kind": one.kind, "name": one.name, "created": iso_ms(one.updated)}
            for one in self._inventory.all()
        ]

    def add_items(self, day: dt.date, count: int) -> list[str]:
        """Create more items that were changed within a day, apps and tasks in turn."""
        return self._inventory.add_day(day, count)

    def add_late(self, late: Late) -> str:
        """Create an application that was changed at a moment and is hidden until it is listed."""
        if late.finish_after:
            raise ValueError("applications and tasks are never unfinished; use list_after alone")
        item = self._inventory.app_at(late.at, late.number)
        self._world.later(late.at + late.list_after, lambda: self._inventory.add(item))
        return item.id

    def remove_item(self, item_id: str) -> bool:
        """Delete an application or a task."""
        both = (self._inventory.apps, self._inventory.tasks)
        return any(one.pop(item_id, None) is not None for one in both)
