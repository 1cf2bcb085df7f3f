"""The emulated Topaz Image API as the server and the admin routes see it."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import PurePosixPath

from aiohttp import web

from airflow_provider_assets.sandbox.blobs import sha256_of
from airflow_provider_assets.sandbox.clock import iso_ms
from airflow_provider_assets.sandbox.topaz.access import KEY, checked
from airflow_provider_assets.sandbox.topaz.handlers import Handlers
from airflow_provider_assets.sandbox.topaz.state import CANCELLED, COMPLETED, FAILED, Processes
from airflow_provider_assets.sandbox.topaz.views import error
from airflow_provider_assets.sandbox.vendor import Json, Late, Route
from airflow_provider_assets.sandbox.world import World

_OPERATIONS = (
    "enhance", "enhance-gen", "sharpen", "sharpen-gen", "denoise", "restore-gen", "lighting",
    "matting", "tool",
)  # fmt: skip
_ENDS = {"finish": COMPLETED, "fail": FAILED, "cancel": CANCELLED}


class TopazApi:
    """Processes of one account."""

    name = "topaz"

    def __init__(self, world: World) -> None:
        self._world = world
        self._processes = Processes(world)

    def routes(self) -> list[Route]:
        """Every endpoint; the names are those of the counters and of ``--fault``."""
        call, image = Handlers(self._world, self._processes), "/image/v1"
        operation = f"{{operation:{'|'.join(_OPERATIONS)}}}"
        table = [
            ("POST", f"{image}/{operation}/async", "submit", "submit", call.submit),
            ("GET", f"{image}/status/{{process}}", "poll", "poll", call.status),
            ("GET", f"{image}/status", "statuses", "bulk_poll", call.statuses),
            ("GET", f"{image}/download/{{process}}", "link", "link", call.output_link),
            ("GET", f"{image}/download/input/{{process}}", "link_input", "link", call.input_link),
            ("DELETE", f"{image}/cancel/{{process}}", "cancel", "cancel", call.cancel),
            ("DELETE", f"{image}/status/{{process}}", "delete", "cancel", call.delete),
            ("DELETE", f"{image}/status", "delete_all", "cancel", call.delete_all),
            ("GET", "/account/v1/credits/balance", "balance", "metadata", call.balance),
        ]
        return [
            Route(method, path, f"topaz.{name}", group, checked(handler))
            for method, path, name, group, handler in table
        ]

    def describe(self, origin: str) -> Json:
        """The base URL and an Airflow connection that works."""
        base = f"{origin}/image/v1"
        connection = {"conn_type": "topaz", "password": KEY, "extra": {"base_url": base}}
        return {"base_url": base, "connection": connection}

    def error(self, status: int, *, extra: Json | None = None) -> web.Response:
        """An error response in Topaz's shape."""
        return error(status, extra=extra)

    def jobs(self) -> list[Json]:
        """Every process that is kept."""
        return [
            {"id": one.id, "status": one.life.status, "progress": one.life.progress,
             "filename": one.filename, "created": iso_ms(one.life.begun)}
            for one in self._processes.kept()
        ]  # fmt: skip

    async def truth(self, job_id: str) -> Json | None:
        """Name, bytes and sha256 of the output, and of the input under ``input``."""
        process = self._processes.by_id.get(job_id)
        if process is None:
            return None
        name = f"{PurePosixPath(process.filename).stem}.{process.output_format}"
        files = []
        for file, blob in ((name, process.output), (process.filename, process.source)):
            digest = await asyncio.to_thread(sha256_of, blob)
            files.append({"name": file, "item_id": job_id, "bytes": blob.size, "sha256": digest})
        return {**files[0], "entries": files[:1], "input": files[1]}

    async def act(self, job_id: str, action: str, detail: str) -> bool:
        """``finish``, ``fail``, ``stick``, ``cancel`` or ``expire`` (the end of its retention)."""
        process = self._processes.by_id.get(job_id)
        if process is None:
            return False
        if action in _ENDS:
            process.life.end(_ENDS[action], self._world.clock.now())
        elif action == "stick":
            process.life.held = True
        elif action == "expire":
            del self._processes.by_id[job_id]
        return True

    def items(self) -> list[Json]:
        """Every process, also those beyond retention (``kept`` is false), oldest first."""
        kept = {one.id for one in self._processes.kept()}
        return [
            {"id": one.id, "created": iso_ms(one.life.begun), "updated": iso_ms(one.life.updated),
             "status": one.life.status, "kept": one.id in kept, "filename": one.filename,
             "output_format": one.output_format, "bytes": one.output.size}
            for one in sorted(self._processes.by_id.values(), key=lambda one: one.life.begun)
        ]  # fmt: skip

    def add_items(self, day: dt.date, count: int) -> list[str]:
        """Create more completed processes within a day; returns their ids."""
        return self._processes.add_day(day, count)

    def add_late(self, late: Late) -> str:
        """Create a process that runs until it is finished and is hidden until it is listed."""
        if not late.touched:
            raise ValueError("finishing a process always moves its modification time")
        return self._processes.add_late(late)

    def remove_item(self, item_id: str) -> bool:
        """Delete a process."""
        return self._processes.by_id.pop(item_id, None) is not None
