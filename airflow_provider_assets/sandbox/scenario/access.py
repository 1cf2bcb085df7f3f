"""The callers that are let in: an API key with its secret, a JWT, or the public token.

Source: Scenario's API reference. The public token lists public assets and nothing else.
"""

from __future__ import annotations

import base64
import binascii

from aiohttp import web

from airflow_provider_assets.sandbox.scenario.assets import PROJECT
from airflow_provider_assets.sandbox.scenario.views import error
from airflow_provider_assets.sandbox.vendor import Handler, Refused

KEY, SECRET = "sandbox-key", "sandbox-secret"
_JWT = "sandbox-jwt"
_PUBLIC_TOKEN = "public-auth-token"
_PUBLIC_PATH = "/v1/assets"


def checked(handler: Handler) -> Handler:
    """The handler behind a check of the credentials, then of the project."""

    async def with_checks(request: web.Request) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        request["public"] = given == _PUBLIC_TOKEN and request.path == _PUBLIC_PATH
        if not request["public"] and not _is_authorised(given):
            raise Refused(error(401))
        if request.query.get("projectId", PROJECT) != PROJECT:
            raise Refused(error(403))
        return await handler(request)

    return with_checks


def _is_authorised(given: str) -> bool:
    scheme, _, credentials = given.partition(" ")
    if scheme == "Bearer":
        return credentials == _JWT
    try:
        pair = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    return scheme == "Basic" and pair == f"{KEY}:{SECRET}"
