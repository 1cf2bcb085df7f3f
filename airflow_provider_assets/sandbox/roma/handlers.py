"""The endpoints of ROMA Connect, a method each.

Source: ROMA Connect's API reference and its Python SDK. Paging is by offset and limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from airflow_provider_assets.sandbox.bodies import Body
from airflow_provider_assets.sandbox.faults import fault_of, reply_fault
from airflow_provider_assets.sandbox.roma.delivery import deliver
from airflow_provider_assets.sandbox.roma.dialects import DIALECTS, Dialect, job_json, wanted_ids
from airflow_provider_assets.sandbox.roma.queries import select_apps, select_tasks
from airflow_provider_assets.sandbox.roma.state import Exports, Inventory
from airflow_provider_assets.sandbox.roma.views import error, instance_json, item_json, page_json
from airflow_provider_assets.sandbox.vendor import Json, Refused
from airflow_provider_assets.sandbox.world import World

_BUSY = "ROMA.00000199"  # undocumented: no document says how a second export is refused
_GONE = "ROMA.00000101"
_MAX_APPS, _MAX_TASKS = 500, 999
_PACKAGE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Handlers:
    """The handlers; ``request["user"]`` is the name of the caller."""

    world: World
    inventory: Inventory
    exports: Exports

    async def submit(self, request: web.Request) -> web.Response:
        """``POST .../assets/export``."""
        try:
            body = await request.json()
        except ValueError as problem:
            raise Refused(error(400, details="the body is not JSON")) from problem
        ids, user = wanted_ids(body, self._dialect, self.inventory), request["user"]
        if reply_fault(request, "busy") or await self.exports.busy(user):
            raise Refused(error(403, code=_BUSY, message="another export job is running"))
        export = self.exports.submit(ids, user)
        self.world.stats.job(export.id, "submit")
        return web.json_response({} if reply_fault(request, "no-id") else {"job_id": export.id})

    async def poll(self, request: web.Request) -> web.Response:
        """``GET .../assets/jobs/{job_id}``."""
        export = self.exports.by_id.get(request.match_info["job"])
        if export is None or export.user != request["user"]:
            raise Refused(error(404, code="ROMA.00000404", message="job not found"))
        self.world.stats.job(export.id, "poll")
        await self.exports.look(export, polled=True)
        answer = job_json(export, self._dialect)
        answer["status"] = reply_fault(request, "status") or answer["status"]
        if reply_fault(request, "no-url"):
            answer.pop("archive_id", None)
            answer.pop("entities", None)
        return web.json_response(answer)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """``GET .../assets/archives/{archive_id}``, and HEAD, which consumes the package as well."""
        export = self.exports.take(request.match_info["archive"], request["user"])
        if export is None or export.archive is None:
            text = "archive not available"
            raise Refused(error(403, code=_GONE, message=text, details="already downloaded"))
        self.world.stats.job(export.id, "download")
        fault, blob = fault_of(request), export.archive.blob
        body = Body(blob=blob, content_type=_PACKAGE, vendor="roma", job_id=export.id)
        framing = self.world.options.roma_framing
        try:
            if request.method == "HEAD" or (fault and fault.afterwards):
                return web.Response()
            return await deliver(request, body, framing=framing, stats=self.world.stats)
        finally:
            blob.path.unlink(missing_ok=True)

    async def apps(self, request: web.Request) -> web.Response:
        """``GET .../apps``."""
        apps, user = self.inventory.apps.values(), request["user"]
        found = select_apps(apps, request.query, user=user)
        return _page("apps", [item_json(one) for one in found], request.query, most=_MAX_APPS)

    async def tasks(self, request: web.Request) -> web.Response:
        """``GET .../tasks``."""
        tasks, user = self.inventory.tasks.values(), request["user"]
        found = select_tasks(tasks, request.query, user=user)
        return _page("entities", [item_json(one) for one in found], request.query, most=_MAX_TASKS)

    async def instances(self, request: web.Request) -> web.Response:
        """``GET .../instances``."""
        wanted = request.query.get("status", "RUNNING") == "RUNNING"
        shown = [instance_json()] if wanted else []
        return _page("instances", shown, request.query, most=_MAX_APPS)

    @property
    def _dialect(self) -> Dialect:
        return DIALECTS[self.world.options.roma_dialect]


def _page(name: str, found: list[Json], query: Mapping[str, str], *, most: int) -> web.Response:
    offset, limit = query.get("offset", "0"), query.get("limit", "20")
    if not (offset.isdecimal() and limit.isdecimal() and 1 <= int(limit) <= most):
        details = f"offset must be 0 or more and limit between 1 and {most}"
        raise Refused(error(400, details=details))
    page = found[int(offset) : int(offset) + int(limit)]
    return web.json_response(page_json(name, page, total=len(found)))
