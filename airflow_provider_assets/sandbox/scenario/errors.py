"""Scenario's two error bodies.

Source: the API reference for ``{status, code, message}``; the vendor's own plugin, which reads
``reason`` and ``traceId`` first, for the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from airflow_provider_assets.sandbox.world import Json

_CODES = {
    400: ("INVALID_PARAMETER", "Invalid request"),
    401: ("AUTHENTICATION_FAILED", "Invalid API key or secret"),
    404: ("NOT_FOUND", "Not found"),
    429: ("TOO_MANY_REQUESTS", "Slow down"),
    500: ("INTERNAL_ERROR", "Something went wrong"),
}


class Invalid(Exception):
    """A request is answered with 400 and this message."""


def refuse(status: int, message: str = "", *, extra: Json | None = None) -> web.Response:
    """An error answer; 403 and plan limits have the ``reason`` shape."""
    if extra:
        return web.json_response(extra, status=status)
    if status == web.HTTPForbidden.status_code:
        return web.json_response({"reason": message or "Forbidden", "traceId": "1-abc"}, status=403)
    code, text = _CODES.get(status, ("ERROR", f"Status {status}"))
    body = {"status": "error", "code": code, "message": message or text}
    return web.json_response(body, status=status)
