"""The endpoints of the Topaz Image API, a method each.

Source: the Image API's OpenAPI document 1.2.0.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from aiohttp import web

from airflow_provider_assets.sandbox.blobs import Blob
from airflow_provider_assets.sandbox.bodies import Body
from airflow_provider_assets.sandbox.faults import reply_fault
from airflow_provider_assets.sandbox.topaz.state import CANCELLED, COMPLETED, Process, Processes
from airflow_provider_assets.sandbox.topaz.uploads import process_of
from airflow_provider_assets.sandbox.topaz.views import (
    BALANCE,
    error,
    page_json,
    status_json,
    submitted_json,
)
from airflow_provider_assets.sandbox.vendor import Json, Refused
from airflow_provider_assets.sandbox.world import World

_MAX_PAGE = 100


@dataclass(frozen=True, slots=True)
class Handlers:
    """The handlers; a process is brought up to date whenever it is shown."""

    world: World
    processes: Processes

    async def submit(self, request: web.Request) -> web.Response:
        """``POST /enhance/async`` and its siblings."""
        folder = self.world.folder / "topaz"
        folder.mkdir(exist_ok=True)
        process = process_of(await request.post(), self.processes, folder)
        self.processes.accept(process)
        self.world.stats.job(process.id, "submit")
        if reply_fault(request, "no-id"):
            return web.json_response({})
        headers = {
            "X-Process-ID": process.id, "X-Source-ID": process.source_id,
            "X-ETA": str(process.eta),
        }  # fmt: skip
        return web.json_response(submitted_json(process), headers=headers)

    async def status(self, request: web.Request) -> web.Response:
        """``GET /status/{process_id}``."""
        process = self._asked(request, polled=True)
        self.world.stats.job(process.id, "poll")
        return web.json_response(_with_fault(request, status_json(process)))

    async def statuses(self, request: web.Request) -> web.Response:
        """``GET /status``: all processes, or a page of them."""
        kept = list(self.processes.kept())
        if request.query.get("paginated", "false") != "true":
            return web.json_response([self._listed(one, request) for one in kept])
        size = request.query.get("limit", "50")
        if not (size.isdecimal() and 1 <= int(size) <= _MAX_PAGE):
            raise Refused(error(400, "limit must be between 1 and 100"))
        after = _after(request.query.get("cursor", ""))
        left = [one for one in kept if one.id > after]
        page = [] if reply_fault(request, "empty-page") else left[: int(size)]
        last = page[-1].id if page else after
        following = _cursor(last) if len(page) < len(left) else None
        shown = [self._listed(one, request) for one in page]
        return web.json_response(page_json(shown, following=following))

    async def output_link(self, request: web.Request) -> web.Response:
        """``GET /download/{process_id}``."""
        process = self._asked(request)
        if process.life.status != COMPLETED:
            raise Refused(error(409))
        return self._links(process, "output", process.output, process.output_format)

    async def input_link(self, request: web.Request) -> web.Response:
        """``GET /download/input/{process_id}``."""
        process = self._asked(request)
        if not self.processes.keeps_input(process):
            raise Refused(error(404))
        return self._links(process, "input", process.source, process.input_format)

    async def cancel(self, request: web.Request) -> web.Response:
        """``DELETE /cancel/{process_id}``."""
        process = self._asked(request)
        self.world.stats.job(process.id, "cancel")
        if process.life.over:
            raise Refused(error(409, "Job is not cancellable"))
        process.life.end(CANCELLED, self.world.clock.now())
        return web.Response(status=204)

    async def delete(self, request: web.Request) -> web.Response:
        """``DELETE /status/{process_id}``."""
        process = self._asked(request)
        if not process.life.over:
            raise Refused(error(409, "Job is running"))
        del self.processes.by_id[process.id]
        return web.Response(status=204)

    async def delete_all(self, _request: web.Request) -> web.Response:
        """``DELETE /status``: all processes that have ended."""
        over = [one.id for one in self.processes.kept() if one.life.over]
        for process_id in over:
            del self.processes.by_id[process_id]
        return web.json_response({"deleted_count": len(over)})

    async def balance(self, _request: web.Request) -> web.Response:
        """``GET /account/v1/credits/balance``."""
        return web.json_response(BALANCE)

    def _asked(self, request: web.Request, *, polled: bool = False) -> Process:
        process = self.processes.find(request.match_info["process"], polled=polled)
        if process is None:
            raise Refused(error(404))
        return process

    def _listed(self, process: Process, request: web.Request) -> Json:
        self.world.stats.job(process.id, "bulk_poll")
        process.life.look(self.world.clock.now(), polled=True)
        return _with_fault(request, status_json(process))

    def _links(self, process: Process, kind: str, blob: Blob, form: str) -> web.Response:
        """One link for GET and another for HEAD, which expire together."""
        self.world.stats.job(process.id, "link")
        now = self.world.clock.now()
        expiry = int(now + self.world.options.url_seconds)
        path = f"/topaz/{kind}/{process.id}.{form}"
        body = Body(blob=blob, content_type=f"image/{form}", vendor="topaz", job_id=process.id)
        storage = self.world.storage
        storage.put(path, body)
        answer = {
            "download_url": storage.link(path, seconds=expiry - now),
            "head_url": storage.link(path, method="HEAD", seconds=expiry - now),
            "expiry": expiry,
        }
        return web.json_response(answer)


def _with_fault(request: web.Request, status: Json) -> Json:
    return status | {"status": reply_fault(request, "status") or status["status"]}


def _cursor(after: str) -> str:
    return base64.b64encode(f"after/{after}".encode()).decode()


def _after(cursor: str) -> str:
    """The id after which a page begins, "" for the first page."""
    if not cursor:
        return ""
    try:
        head, _, after = base64.b64decode(cursor, validate=True).decode().partition("/")
    except (binascii.Error, UnicodeDecodeError):
        head, after = "", ""
    if head != "after":
        raise Refused(error(400, "cursor is not valid"))
    return after
