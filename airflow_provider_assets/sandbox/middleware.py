"""The middleware of every route: counts the request, applies a fault if one is armed, handles it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from email.utils import formatdate

from aiohttp import web

from airflow_provider_assets.sandbox.bodies import archive_key, hang_up
from airflow_provider_assets.sandbox.faults import Fault
from airflow_provider_assets.sandbox.requestlog import Entry
from airflow_provider_assets.sandbox.vendor import Handler, Json, Refused, Route, Vendor
from airflow_provider_assets.sandbox.world import World

_HTML = "<html><body><h1>{status} Bad Gateway</h1><hr>nginx</body></html>"
_FOREVER = 3600.0


@dataclass(frozen=True, slots=True)
class Middleware:
    """Wraps the handlers of one vendor.

    It notes on the request: ``route`` (its name), ``fault`` (or None), and ``cut`` if the
    connection was closed before the answer was complete.
    """

    world: World
    vendor: Vendor

    def wrap(self, route: Route) -> Handler:
        """The route's handler with everything that happens before and after it."""

        async def wrapped(request: web.Request) -> web.StreamResponse:
            stats = self.world.stats
            self.world.catch_up()
            stats.asked(self.vendor.name, route.name, route.group)
            request["route"] = route.name
            if route.group == "download":
                stats.archive(archive_key(request), "gets")
            names = (route.name, route.group, f"{self.vendor.name}.{route.group}")
            fault = self.world.faults.take(*names, path=request.path)
            request["fault"] = fault
            entry = self._noted(request, route, fault)
            response = await self._answer(request, route, fault)
            status = None if request.get("cut") else response.status
            entry.status = status or 0
            stats.answered(self.vendor.name, route.name, status)
            return response

        return wrapped

    def _noted(self, request: web.Request, route: Route, fault: Fault | None) -> Entry:
        entry = Entry(
            at=time.time(),
            vendor=self.vendor.name,
            route=route.name,
            method=request.method,
            path=request.path,
            fault=fault.spec if fault else "",
        )
        self.world.requests.begin(entry)
        return entry

    async def _answer(
        self, request: web.Request, route: Route, fault: Fault | None
    ) -> web.StreamResponse:
        if fault is None:
            return await _handle(request, route)
        if fault.afterwards:
            response = await _handle(request, route)
            return await self._fail(request, fault.afterwards, route) or response
        return await self._fail(request, fault, route) or await _handle(request, route)

    async def _fail(
        self, request: web.Request, fault: Fault, route: Route
    ) -> web.StreamResponse | None:
        """The fault's answer in place of the vendor's; None if it only changes the vendor's."""
        # On a download "reset" happens within the body, where the handler sends it.
        if fault.kind == "drop" or (fault.kind == "reset" and route.group != "download"):
            hang_up(request, reset=True)
            return web.Response()
        if fault.kind == "hang":
            await asyncio.sleep(_FOREVER)
        if fault.kind == "delay":
            await asyncio.sleep(float(fault.value or 1))
        if fault.kind == "plan-limit":
            return self.vendor.error(429, extra=_plan_limit(fault))
        if fault.kind == "redirect":
            return web.Response(status=302, headers={"Location": fault.param("to", "/elsewhere")})
        if fault.kind == "empty":
            return web.Response(status=200)
        if fault.status is None:
            return None
        return self._error(fault, fault.status, route)

    def _error(self, fault: Fault, status: int, route: Route) -> web.Response:
        if fault.body == "html":
            text = _HTML.format(status=status)
            response = web.Response(status=status, text=text, content_type="text/html")
        elif fault.body == "empty":
            response = web.Response(status=status)
        elif fault.words:
            response = self.vendor.error(status, extra=fault.words)
        else:
            response = (route.error or self.vendor.error)(status)
        if wait := fault.param("retry_after"):
            response.headers["Retry-After"] = wait
        if wait := fault.param("retry_at"):
            moment = self.world.clock.now() + float(wait)
            response.headers["Retry-After"] = formatdate(moment, usegmt=True)
        if wait := fault.param("retry_after_ms"):
            response.headers["Retry-After-Ms"] = wait
        return response


async def _handle(request: web.Request, route: Route) -> web.StreamResponse:
    try:
        return await route.handler(request)
    except Refused as refused:
        return refused.response


def _plan_limit(fault: Fault) -> Json:
    return {
        "reason": "Limit reached",
        "details": {"actionName": "download-assets", "actionLimit": 10},
        "remainingSeconds": int(fault.param("remaining", "17")),
    }
