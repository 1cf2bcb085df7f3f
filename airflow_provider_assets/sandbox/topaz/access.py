"""The callers that are let in: those with the API key.

Source: the Image API's OpenAPI document 1.2.0.
"""

from __future__ import annotations

import hmac

from aiohttp import web

from airflow_provider_assets.sandbox.vendor import Handler, Refused

KEY = "sandbox-topaz-key"


def checked(handler: Handler) -> Handler:
    """The handler behind a check of the key."""

    async def with_checks(request: web.Request) -> web.StreamResponse:
        given = request.headers.get("X-API-Key", "")
        if not hmac.compare_digest(given.encode(), KEY.encode()):
            # Unlike all other errors, this one has no code.
            raise Refused(web.json_response({"message": "Unauthorized"}, status=401))
        return await handler(request)

    return with_checks
