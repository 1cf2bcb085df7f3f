"""The admin routes for tests, under ``/_sandbox``, which docs/testing.md lists, and the page at ``/``."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from aiohttp import web

from airflow_provider_assets.sandbox import page
from airflow_provider_assets.sandbox.clock import parse_iso
from airflow_provider_assets.sandbox.faults import parse_fault
from airflow_provider_assets.sandbox.options import changed
from airflow_provider_assets.sandbox.vendor import Json, Late, Vendor
from airflow_provider_assets.sandbox.world import World

_ACTIONS = ("finish", "fail", "stick", "cancel", "expire")


@dataclass(frozen=True, slots=True)
class Admin:
    """Access to counters, faults, time, jobs and items for tests."""

    world: World
    vendors: list[Vendor]

    def mount(self, app: web.Application) -> None:
        """Add the routes; none of them is counted."""
        add, base = app.router.add_route, "/_sandbox"
        add("GET", "/", self._page)
        add("GET", f"{base}/page/{{file}}", self._page)
        add("GET", f"{base}/snapshot", self._snapshot)
        add("GET", f"{base}/stats", self._stats)
        add("DELETE", f"{base}/stats", self._reset_stats)
        add("GET", f"{base}/faults", self._faults)
        add("POST", f"{base}/faults", self._arm)
        add("DELETE", f"{base}/faults", self._disarm)
        add("POST", f"{base}/options", self._configure)
        add("DELETE", f"{base}/options", self._reset_options)
        add("GET", f"{base}/clock", self._clock)
        add("POST", f"{base}/clock", self._clock)
        add("DELETE", f"{base}/clock", self._reset_clock)
        add("DELETE", f"{base}/tokens", self._forget_tokens)
        add("GET", f"{base}/jobs", self._jobs)
        add("GET", f"{base}/jobs/{{job}}", self._truth)
        add("POST", f"{base}/jobs/{{job}}", self._act)
        add("GET", f"{base}/items/{{vendor}}", self._items)
        add("POST", f"{base}/items/{{vendor}}", self._add_items)
        add("DELETE", f"{base}/items/{{vendor}}/{{item}}", self._remove_item)

    async def _page(self, request: web.Request) -> web.Response:
        name = request.match_info.get("file", "index.html")
        if name not in page.FILES:
            raise web.HTTPNotFound(text="the page has no such file")
        headers = {"Content-Security-Policy": page.POLICY}
        kind = page.FILES[name]
        return web.Response(text=page.read(name), content_type=kind, headers=headers)

    async def _snapshot(self, request: web.Request) -> web.Response:
        self.world.catch_up()
        origin = str(request.url.origin())
        return web.json_response(page.snapshot(self.world, self.vendors, origin))

    async def _stats(self, _request: web.Request) -> web.Response:
        report = self.world.stats.report() | {"faults": self.world.faults.report()}
        return web.json_response(report)

    async def _reset_stats(self, _request: web.Request) -> web.Response:
        self.world.stats.reset()
        return web.Response(status=204)

    async def _faults(self, _request: web.Request) -> web.Response:
        return web.json_response(self.world.faults.report())

    async def _arm(self, request: web.Request) -> web.Response:
        try:
            fault = parse_fault(str((await request.json())["spec"]))
        except (ValueError, KeyError, TypeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        self.world.faults.arm(fault)
        return web.json_response(self.world.faults.report(), status=201)

    async def _disarm(self, request: web.Request) -> web.Response:
        self.world.faults.clear(request.query.get("spec", ""))
        return web.Response(status=204)

    async def _configure(self, request: web.Request) -> web.Response:
        try:
            self.world.options = changed(self.world.options, await request.json())
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.Response(status=204)

    async def _reset_options(self, _request: web.Request) -> web.Response:
        self.world.options = self.world.launched
        return web.Response(status=204)

    async def _clock(self, request: web.Request) -> web.Response:
        clock = self.world.clock
        if request.method == "POST":
            body = await request.json()
            if "set" in body:
                clock.set(parse_iso(body["set"]))
            clock.offset += float(body.get("advance", 0))
        return web.json_response({"now": clock.now(), "offset": clock.offset})

    async def _reset_clock(self, _request: web.Request) -> web.Response:
        self.world.clock.offset = 0.0
        return web.Response(status=204)

    async def _forget_tokens(self, _request: web.Request) -> web.Response:
        self.world.tokens.clear()
        return web.Response(status=204)

    async def _jobs(self, _request: web.Request) -> web.Response:
        return web.json_response(self._all_jobs())

    async def _truth(self, request: web.Request) -> web.Response:
        for vendor in self.vendors:
            truth = await vendor.truth(request.match_info["job"])
            if truth is not None:
                return web.json_response(truth)
        return web.json_response({"error": "no such job, or it has no archive"}, status=404)

    async def _act(self, request: web.Request) -> web.Response:
        body = await request.json()
        action, detail = str(body.get("action", "")), str(body.get("error", ""))
        if action not in _ACTIONS:
            return web.json_response(
                {"error": f"unknown action; use one of {_ACTIONS}"}, status=400
            )
        for vendor in self.vendors:
            if await vendor.act(request.match_info["job"], action, detail):
                return web.Response(status=204)
        return web.json_response({"error": "no such job"}, status=404)

    async def _items(self, request: web.Request) -> web.Response:
        vendor = self._vendor(request)
        self.world.catch_up()
        start, end = request.query.get("start", ""), request.query.get("end", "~")
        found = [one for one in vendor.items() if start <= str(one["created"]) < end]
        return web.json_response(found)

    async def _add_items(self, request: web.Request) -> web.Response:
        body = await request.json()
        if "at" in body:
            return self._add_late(self._vendor(request), body)
        day, count = dt.date.fromisoformat(body["day"]), int(body["count"])
        return web.json_response(self._vendor(request).add_items(day, count), status=201)

    def _add_late(self, vendor: Vendor, body: Json) -> web.Response:
        given = {name: value for name, value in body.items() if name != "at"}
        try:
            late = Late(at=parse_iso(str(body["at"])), **given)  # type: ignore[arg-type]  # a wrong one raises
            return web.json_response(vendor.add_late(late), status=201)
        except (ValueError, TypeError) as error:
            return web.json_response({"error": str(error)}, status=400)

    async def _remove_item(self, request: web.Request) -> web.Response:
        if not self._vendor(request).remove_item(request.match_info["item"]):
            raise web.HTTPNotFound(text="no such item")
        return web.Response(status=204)

    def _vendor(self, request: web.Request) -> Vendor:
        for vendor in self.vendors:
            if vendor.name == request.match_info["vendor"]:
                return vendor
        raise web.HTTPNotFound(text="this vendor is not served; see --vendor")

    def _all_jobs(self) -> list[Json]:
        return [{"vendor": one.name, **job} for one in self.vendors for job in one.jobs()]
