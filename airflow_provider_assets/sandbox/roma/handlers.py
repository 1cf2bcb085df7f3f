"""The handlers of ROMA Connect.

Source: ROMA Connect's API reference and its Python SDK.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from airflow_provider_assets.sandbox.middleware import bent
from airflow_provider_assets.sandbox.storage import Stored

from .access import Gatekeeper, Refused, refuse
from .accounts import INSTANCE, PROJECT
from .delivery import deliver
from .dialects import DIALECTS, BadBody, Dialect, job_json, wanted_ids
from .items import APP_FILTERS, TASK_FILTERS, Inventory, Item, listed

if TYPE_CHECKING:
    from airflow_provider_assets.sandbox.faults import Fault
    from airflow_provider_assets.sandbox.world import Handler, Json, World

    from .state import Exports

Admitted = Callable[[web.Request, str], Awaitable[web.StreamResponse]]

_BUSY = "ROMA.00000199"  # not documented: no document says how a second export is refused
_GONE = "ROMA.00000101"
_MAX_APPS, _MAX_TASKS = 500, 999


@dataclass(frozen=True, slots=True)
class RomaCalls:
    """The handlers; each is called with the name of the user who was let in."""

    world: World
    keeper: Gatekeeper
    inventory: Inventory
    exports: Exports

    def table(self) -> list[tuple[str, str, str, str, Handler]]:
        """Method, path, name, group and handler of each call."""
        base = "/v2/{project}/instances/{instance}"
        fdi = "/v2/{project}/fdi/instances/{instance}"
        download = self._admitted(self._download)
        return [
            ("POST", f"{base}/assets/export", "submit", "submit", self._admitted(self._submit)),
            ("GET", f"{base}/assets/jobs/{{job}}", "poll", "poll", self._admitted(self._poll)),
            ("GET", f"{base}/assets/archives/{{archive}}", "download", "download", download),
            ("HEAD", f"{base}/assets/archives/{{archive}}", "head", "download", download),
            ("GET", f"{base}/apps", "apps", "list", self._admitted(self._apps)),
            ("GET", f"{fdi}/tasks", "tasks", "list", self._admitted(self._tasks)),
            ("GET", "/v2/{project}/instances", "instances", "metadata",
             self._admitted(self._instances)),
        ]  # fmt: skip

    @property
    def _dialect(self) -> Dialect:
        return DIALECTS[self.world.options.roma_dialect]

    def _admitted(self, call: Admitted) -> Handler:
        async def admitted(request: web.Request) -> web.StreamResponse:
            try:
                user = await self.keeper.admit(request)
                return await call(request, user)
            except Refused as refused:
                return refused.response
            except BadBody as error:
                return refuse(400, details=str(error))

        return admitted

    async def _submit(self, request: web.Request, user: str) -> web.Response:
        try:
            body = await request.json()
        except ValueError as error:
            raise BadBody("the body is not JSON") from error
        ids = wanted_ids(body, self._dialect, self.inventory)
        if bent(request, "busy") or await self.exports.busy(user):
            return refuse(403, code=_BUSY, message="another export job is running")
        export = self.exports.submit(ids, user)
        self.world.stats.job(export.id, "submit")
        return web.json_response({} if bent(request, "no-id") else {"job_id": export.id})

    async def _poll(self, request: web.Request, user: str) -> web.Response:
        export = self.exports.by_id.get(request.match_info["job"])
        if export is None or export.user != user:
            return refuse(404, code="ROMA.00000404", message="job not found")
        self.world.stats.job(export.id, "poll")
        await self.exports.look(export, polled=True)
        answer = job_json(export, self._dialect)
        answer["status"] = bent(request, "status") or answer["status"]
        if bent(request, "no-url"):
            answer.pop("archive_id", None)
            answer.pop("entities", None)
        return web.json_response(answer)

    async def _download(self, request: web.Request, user: str) -> web.StreamResponse:
        export = self.exports.take(request.match_info["archive"], user)
        if export is None or export.archive is None:
            return refuse(
                403, code=_GONE, message="archive not available", details="already downloaded"
            )
        self.world.stats.job(export.id, "download")
        fault: Fault | None = request["fault"]
        blob = export.archive.blob
        stored = Stored(blob=blob, content_type="", vendor="roma", job_id=export.id)
        framing = self.world.options.roma_framing
        try:
            if request.method == "HEAD" or (fault and fault.afterwards):
                return web.Response()
            return await deliver(request, stored, self.world, framing=framing)
        finally:
            blob.path.unlink(missing_ok=True)

    async def _apps(self, request: web.Request, user: str) -> web.Response:
        found = listed(
            list(self.inventory.apps.values()), request.query, user=user, filters=APP_FILTERS
        )
        return _page("apps", [one.json() for one in found], request.query, most=_MAX_APPS)

    async def _tasks(self, request: web.Request, user: str) -> web.Response:
        items, query = list(self.inventory.tasks.values()), request.query
        found = listed(items, query, user=user, filters=TASK_FILTERS)
        if (order := _ORDERS.get(query.get("sort_field", ""))) is not None:
            found.sort(key=order, reverse=query.get("sort_type", "ASC").upper() == "DESC")
        return _page("entities", [one.json() for one in found], query, most=_MAX_TASKS)

    async def _instances(self, request: web.Request, _user: str) -> web.Response:
        known: Json = {
            "id": INSTANCE, "project_id": PROJECT, "instance_name": "sandbox", "status": "RUNNING",
            "instance_status": 6, "type": "roma", "spec": "00300-30101-0--0", "create_time": 0,
            "charging_mode": 0, "enterprise_project_id": "0",
        }  # fmt: skip
        wanted = request.query.get("status", "RUNNING") == "RUNNING"
        return _page("instances", [known] if wanted else [], request.query, most=_MAX_APPS)


_ORDERS: dict[str, Callable[[Item], tuple[str | float, str]]] = {
    "task_name": lambda one: (one.name, one.id),
    "created_date": lambda one: (one.created, one.id),
    "last_modified_time": lambda one: (one.updated, one.id),
}


def _page(name: str, shown: list[Json], query: Mapping[str, str], *, most: int) -> web.Response:
    offset, limit = query.get("offset", "0"), query.get("limit", "20")
    if not (offset.isdecimal() and limit.isdecimal() and 1 <= int(limit) <= most):
        raise BadBody(f"offset must be 0 or more and limit between 1 and {most}")
    page = shown[int(offset) : int(offset) + int(limit)]
    return web.json_response({"total": len(shown), "size": len(page), name: page})
