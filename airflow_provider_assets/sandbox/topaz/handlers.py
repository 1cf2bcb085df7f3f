"""The handlers of the Topaz Image API.

Source: the Image API's OpenAPI document 1.2.0.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from airflow_provider_assets.sandbox.middleware import bent
from airflow_provider_assets.sandbox.storage import Stored

from .state import RETENTION, STAGES, Process, Processes
from .uploads import BadForm, process_of

if TYPE_CHECKING:
    from airflow_provider_assets.sandbox.images import Blob
    from airflow_provider_assets.sandbox.world import Handler, Json, World

_MESSAGES = {
    400: "Bad request",
    401: "Unauthorized",
    402: "Not enough credits",
    404: "No image with this process ID",
    409: "The image is not ready",
    412: "No valid API subscription",
    413: "The image is too large",
    425: "Credit order in progress",
    429: "Too Many Requests",
    500: "Internal server error",
}
_OPERATIONS = (
    "enhance", "enhance-gen", "sharpen", "sharpen-gen", "denoise", "restore-gen", "lighting",
    "matting", "tool",
)  # fmt: skip
_MAX_PAGE = 100


def refuse(status: int, message: str = "", *, extra: Json | None = None) -> web.Response:
    """The one error shape: ``message``, and ``code`` that repeats the status."""
    text = message or _MESSAGES.get(status, "Error")
    return web.json_response({"code": status, "message": text} | (extra or {}), status=status)


@dataclass(frozen=True, slots=True)
class TopazCalls:
    """The handlers; a process is brought up to date whenever it is shown."""

    world: World
    book: Processes

    def table(self) -> list[tuple[str, str, str, str, Handler]]:
        """Method, path below ``/image/v1``, name, group and handler of each call."""
        operations = "|".join(_OPERATIONS)
        return [
            ("POST", f"/{{operation:{operations}}}/async", "submit", "submit", self._submit),
            ("GET", "/status/{process}", "poll", "poll", self._status),
            ("GET", "/status", "statuses", "bulk_poll", self._statuses),
            ("GET", "/download/{process}", "link", "link", self._link),
            ("GET", "/download/input/{process}", "link_input", "link", self._link_input),
            ("DELETE", "/cancel/{process}", "cancel", "cancel", self._cancel),
            ("DELETE", "/status/{process}", "delete", "cancel", self._delete),
            ("DELETE", "/status", "delete_all", "cancel", self._delete_all),
        ]

    async def _submit(self, request: web.Request) -> web.Response:
        folder = self.world.folder / "topaz"
        folder.mkdir(exist_ok=True)
        try:
            process = process_of(await request.post(), self.book, folder)
        except BadForm as error:
            return refuse(error.status, str(error))
        self.book.accept(process)
        self.world.stats.job(process.id, "submit")
        eta = _eta(process)
        answer = {"process_id": process.id, "source_id": process.source_id, "eta": eta}
        headers = {
            "X-Process-ID": process.id, "X-Source-ID": process.source_id, "X-ETA": str(eta),
        }  # fmt: skip
        if bent(request, "no-id"):
            return web.json_response({})
        return web.json_response(answer, headers=headers)

    async def _status(self, request: web.Request) -> web.Response:
        process = self.book.find(request.match_info["process"], polled=True)
        if process is None:
            return refuse(404)
        self.world.stats.job(process.id, "poll")
        answer = status_json(process)
        answer["status"] = bent(request, "status") or answer["status"]
        return web.json_response(answer)

    async def _statuses(self, request: web.Request) -> web.Response:
        kept = list(self.book.kept())
        if request.query.get("paginated", "false") != "true":
            return web.json_response([self._listed(one, request) for one in kept])
        size = request.query.get("limit", "50")
        if not (size.isdecimal() and 1 <= int(size) <= _MAX_PAGE):
            return refuse(400, "limit must be between 1 and 100")
        after = _opened(request.query.get("cursor", ""))
        if after is None:
            return refuse(400, "cursor is not valid")
        left = [one for one in kept if one.id > after]
        page = [] if bent(request, "empty-page") else left[: int(size)]
        more = len(page) < len(left)
        pagination: Json = {"has_next_page": more}
        if more:
            pagination["next_cursor"] = _cursor(page[-1].id if page else after)
        data = [self._listed(one, request) for one in page]
        return web.json_response({"data": data, "pagination": pagination})

    def _listed(self, process: Process, request: web.Request) -> Json:
        self.world.stats.job(process.id, "bulk_poll")
        process.life.look(self.world.clock.now(), polled=True)
        answer = status_json(process)
        answer["status"] = bent(request, "status") or answer["status"]
        return answer

    async def _link(self, request: web.Request) -> web.Response:
        process = self.book.find(request.match_info["process"])
        if process is None:
            return refuse(404)
        if process.life.status != STAGES[-1]:
            return refuse(409)
        return self._links(process, "output", process.output, process.output_format)

    async def _link_input(self, request: web.Request) -> web.Response:
        process = self.book.find(request.match_info["process"])
        if process is None or process.life.begun <= self.world.clock.now() - RETENTION:
            return refuse(404)
        return self._links(process, "input", process.source, process.input_format)

    def _links(self, process: Process, kind: str, blob: Blob, form: str) -> web.Response:
        """One link for GET and another for HEAD, both good for the same hour."""
        self.world.stats.job(process.id, "link")
        now = self.world.clock.now()
        expiry = int(now + self.world.options.url_seconds)
        path = f"/topaz/{kind}/{process.id}.{form}"
        stored = Stored(blob=blob, content_type=f"image/{form}", vendor="topaz", job_id=process.id)
        storage = self.world.storage
        storage.put(path, stored)
        answer = {
            "download_url": storage.link(path, seconds=expiry - now),
            "head_url": storage.link(path, method="HEAD", seconds=expiry - now),
            "expiry": expiry,
        }
        return web.json_response(answer)

    async def _cancel(self, request: web.Request) -> web.Response:
        process = self.book.find(request.match_info["process"])
        if process is None:
            return refuse(404)
        self.world.stats.job(process.id, "cancel")
        if process.life.over:
            return refuse(409, "Job is not cancellable")
        process.life.end("Cancelled", self.world.clock.now())
        return web.Response(status=204)

    async def _delete(self, request: web.Request) -> web.Response:
        process = self.book.find(request.match_info["process"])
        if process is None:
            return refuse(404)
        if not process.life.over:
            return refuse(409, "Job is running")
        del self.book.by_id[process.id]
        return web.Response(status=204)

    async def _delete_all(self, _request: web.Request) -> web.Response:
        over = [one.id for one in self.book.kept() if one.life.over]
        for process_id in over:
            del self.book.by_id[process_id]
        return web.json_response({"deleted_count": len(over)})


def status_json(process: Process) -> Json:
    """One process as ``GET /status`` shows it: no error text and no link are in it."""
    category, model_type, model = process.model
    life = process.life
    answer: Json = {
        "process_id": process.id,
        "source_id": process.source_id,
        "filename": process.filename,
        "input_format": process.input_format,
        "input_width": process.size[0],
        "input_height": process.size[1],
        "output_format": process.output_format,
        "output_width": process.wanted[0],
        "output_height": process.wanted[1],
        "category": category,
        "model_type": model_type,
        "model": model,
        "crop_to_fill": process.crop,
        "status": life.status,
        "progress": round(100 * life.progress),
        "eta": _eta(process),
        "creation_time": int(life.begun),
        "modification_time": int(life.updated),
        "credits": process.credits,
    }
    return answer


def _eta(process: Process) -> int:
    return int(process.life.begun + process.life.seconds)


def _cursor(after: str) -> str:
    return base64.b64encode(f"after/{after}".encode()).decode()


def _opened(cursor: str) -> str | None:
    """The id a page begins after; None for a cursor that is none of ours."""
    if not cursor:
        return ""
    try:
        head, _, after = base64.b64decode(cursor, validate=True).decode().partition("/")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return after if head == "after" else None
