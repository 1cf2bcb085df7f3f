"""The emulated Topaz Image API as the server and the admin route see it."""

from __future__ import annotations

import asyncio
import datetime as dt
import hmac
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from aiohttp import web

from airflow_provider_assets.sandbox.clock import iso_ms
from airflow_provider_assets.sandbox.images import sha256_of
from airflow_provider_assets.sandbox.world import Json, Route

from .handlers import TopazCalls, refuse
from .state import CANCELLED, FAILED, STAGES, Processes

if TYPE_CHECKING:
    from airflow_provider_assets.sandbox.world import Handler, Late, World

KEY = "sandbox-topaz-key"


class TopazApi:
    """Processes of one account."""

    name = "topaz"

    def __init__(self, world: World) -> None:
        self._world = world
        self._book = Processes(world)

    def routes(self) -> list[Route]:
        """Every call; the names are those of the counters and of ``--fault``."""
        table = TopazCalls(self._world, self._book).table()
        account = "/account/v1/credits/balance"
        return [
            *(
                Route(method, f"/image/v1{path}", f"topaz.{name}", group, _checked(handler))
                for method, path, name, group, handler in table
            ),
            Route("GET", account, "topaz.balance", "metadata", _checked(_balance)),
        ]

    def describe(self, origin: str) -> Json:
        """Base URL and an Airflow connection that works."""
        base = f"{origin}/image/v1"
        connection = {"conn_type": "topaz", "password": KEY, "extra": {"base_url": base}}
        return {"base_url": base, "connection": connection}

    def refuse(self, status: int, *, extra: Json | None = None) -> web.Response:
        """An error in Topaz's shape."""
        return refuse(status, extra=extra)

    def jobs(self) -> list[Json]:
        """Every process that is kept."""
        return [
            {"id": one.id, "status": one.life.status, "filename": one.filename,
             "created": iso_ms(one.life.begun)}
            for one in self._book.kept()
        ]  # fmt: skip

    async def truth(self, job_id: str) -> Json | None:
        """Name, bytes and sha256 of the output, and of the input under ``input``."""
        process = self._book.by_id.get(job_id)
        if process is None:
            return None
        name = f"{PurePosixPath(process.filename).stem}.{process.output_format}"
        files = []
        for kind, blob in ((name, process.output), (process.filename, process.source)):
            digest = await asyncio.to_thread(sha256_of, blob)
            files.append({"name": kind, "item_id": job_id, "bytes": blob.size, "sha256": digest})
        return {**files[0], "entries": files[:1], "input": files[1]}

    async def act(self, job_id: str, action: str, detail: str) -> bool:
        """``finish``, ``fail``, ``stick``, ``cancel`` or ``expire`` (retention is over)."""
        process = self._book.by_id.get(job_id)
        if process is None:
            return False
        ends = {"finish": STAGES[-1], "fail": FAILED, "cancel": CANCELLED}
        if action in ends:
            process.life.end(ends[action], self._world.clock.now())
        elif action == "stick":
            process.life.held = True
        elif action == "expire":
            del self._book.by_id[job_id]
        return True

    def items(self) -> list[Json]:
        """Every process, also those beyond retention (``kept`` is false), oldest first."""
        kept = {one.id for one in self._book.kept()}
        return [
            {"id": one.id, "created": iso_ms(one.life.begun), "updated": iso_ms(one.life.updated),
             "status": one.life.status, "kept": one.id in kept, "filename": one.filename,
             "output_format": one.output_format, "bytes": one.output.size}
            for one in sorted(self._book.by_id.values(), key=lambda one: one.life.begun)
        ]  # fmt: skip

    def add_items(self, day: dt.date, count: int) -> list[str]:
        """Let more completed processes come to exist within a day; returns their ids."""
        return self._book.add_day(day, count)

    def add_late(self, late: Late) -> str:
        """A process that runs until it is finished, and that nobody knows before it is listed."""
        if not late.touched:
            raise ValueError("the end of a process always moves its modification time")
        return self._book.add_late(late)

    def remove_item(self, item_id: str) -> bool:
        """Forget a process."""
        return self._book.by_id.pop(item_id, None) is not None


def _checked(handler: Handler) -> Handler:
    async def with_key(request: web.Request) -> web.StreamResponse:
        given = request.headers.get("X-API-Key", "")
        if not hmac.compare_digest(given.encode(), KEY.encode()):
            return web.json_response({"message": "Unauthorized"}, status=401)
        return await handler(request)

    return with_key


async def _balance(_request: web.Request) -> web.Response:
    balance = {"available_credits": 900, "reserved_credits": 10, "total_credits": 910}
    return web.json_response(balance)
