"""What every Scenario call does with a request: credentials, project, body, and pages."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from aiohttp import web

from .assets import PROJECT
from .errors import Invalid, refuse

if TYPE_CHECKING:
    from airflow_provider_assets.sandbox.world import Handler, Json

KEY, SECRET, JWT = "sandbox-key", "sandbox-secret", "sandbox-jwt"
_PUBLIC_TOKEN = "public-auth-token"
_PUBLIC_PATH = "/v1/assets"


def checked(handler: Handler) -> Handler:
    """Credentials first, then the project, then the call; what is invalid becomes 400."""

    async def with_checks(request: web.Request) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        request["public"] = given == _PUBLIC_TOKEN and request.path == _PUBLIC_PATH
        if not request["public"] and not _authorised(given):
            return refuse(401)
        if request.query.get("projectId", PROJECT) != PROJECT:
            return refuse(403)
        try:
            return await handler(request)
        except Invalid as error:
            return refuse(400, str(error))

    return with_checks


async def body_of(request: web.Request) -> Json:
    """The JSON object of a request; nothing at all counts as an empty one."""
    text = await request.text()
    try:
        body = json.loads(text or "{}")
    except ValueError as error:
        raise Invalid("the body is not JSON") from error
    if not isinstance(body, dict):
        raise Invalid("the body is not an object")
    return body


def strings(body: Mapping[str, object], name: str, *, required: bool) -> list[str]:
    """A list of strings out of a body."""
    value = body.get(name)
    if value is None and not required:
        return []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Invalid(f"{name} must be an array of strings")
    return value


def page_json(name: str, items: list[Json], token: str | None) -> web.Response:
    """One page; the token is absent on the last."""
    answer: Json = {name: items}
    if token:
        answer["nextPaginationToken"] = token
    return web.json_response(answer)


def _authorised(given: str) -> bool:
    scheme, _, credentials = given.partition(" ")
    if scheme == "Bearer":
        return credentials == JWT
    try:
        pair = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    return scheme == "Basic" and pair == f"{KEY}:{SECRET}"
