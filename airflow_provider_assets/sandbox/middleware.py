"""Every request passes here: counted, hit by a fault if one is armed, then handled."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING

from aiohttp import web

from .storage import archive_key, hang_up

if TYPE_CHECKING:
    from .faults import Fault
    from .world import Handler, Json, Route, Vendor, World

_HTML = "<html><body><h1>{status} Bad Gateway</h1><hr>nginx</body></html>"
_FOREVER = 3600.0


@dataclass(frozen=True, slots=True)
class Gate:
    """The guard of one vendor's routes."""

    world: World
    vendor: Vendor

    def guard(self, route: Route) -> Handler:
        """Wrap the route's handler."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            names = (route.name, route.group)
            stats = self.world.stats
            self.world.catch_up()
            stats.asked(self.vendor.name, route.name, route.group)
            request["route"] = route.name
            if route.group == "download":
                stats.archive(archive_key(request), "gets")
            fault = self.world.faults.take(*names, path=request.path)
            request["fault"] = fault
            response = await self._perform(request, route, fault)
            status = None if request.get("cut") else response.status
            stats.answered(self.vendor.name, route.name, status)
            return response

        return guarded

    async def _perform(
        self, request: web.Request, route: Route, fault: Fault | None
    ) -> web.StreamResponse:
        if fault is None:
            return await route.handler(request)
        if fault.afterwards:
            answer = await route.handler(request)
            spoilt = await self._answer(request, fault.afterwards, route)
            return spoilt or answer
        return await self._answer(request, fault, route) or await route.handler(request)

    async def _answer(
        self, request: web.Request, fault: Fault, route: Route
    ) -> web.StreamResponse | None:
        """What the fault answers in the vendor's place; None when it only bends the answer."""
        # On a download "reset" happens within the body, where the handler sends it.
        if fault.kind == "drop" or (fault.kind == "reset" and route.group != "download"):
            hang_up(request, rudely=True)
            return web.Response()
        if fault.kind == "hang":
            await asyncio.sleep(_FOREVER)
        if fault.kind == "delay":
            await asyncio.sleep(float(fault.value or 1))
        if fault.kind == "plan-limit":
            return self.vendor.refuse(429, extra=_plan_limit(fault))
        if fault.kind == "redirect":
            return web.Response(status=302, headers={"Location": fault.param("to", "/elsewhere")})
        if fault.kind == "empty":
            return web.Response(status=200)
        if fault.status is None:
            return None
        return self._refuse(fault, fault.status, route)

    def _refuse(self, fault: Fault, status: int, route: Route) -> web.Response:
        if fault.body == "html":
            text = _HTML.format(status=status)
            response = web.Response(status=status, text=text, content_type="text/html")
        elif fault.body == "empty":
            response = web.Response(status=status)
        elif fault.words:
            response = self.vendor.refuse(status, extra=fault.words)
        else:
            response = (route.refuse or self.vendor.refuse)(status)
        if wait := fault.param("retry_after"):
            response.headers["Retry-After"] = wait
        if wait := fault.param("retry_at"):
            moment = self.world.clock.now() + float(wait)
            response.headers["Retry-After"] = formatdate(moment, usegmt=True)
        if wait := fault.param("retry_after_ms"):
            response.headers["Retry-After-Ms"] = wait
        return response


def _plan_limit(fault: Fault) -> Json:
    return {
        "reason": "Limit reached",
        "details": {"actionName": "download-assets", "actionLimit": 10},
        "remainingSeconds": int(fault.param("remaining", "17")),
    }


def bent(request: web.Request, kind: str) -> str:
    """The value (or just the name) of the fault of this kind that hit the request, else ''."""
    fault: Fault | None = request.get("fault")
    return (fault.value or kind) if fault and fault.kind == kind else ""
