"""Lets a request in by token or by signature, and says who is calling.

Source: ROMA Connect's API reference for ``X-Auth-Token``; the codes are those that Huawei's API
gateway was seen to answer (APIG.1002 for a bad token, APIG.1005 for a missing permission).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from .accounts import INSTANCE, PROJECT
from .signing import BadSignatureError, signer_of

if TYPE_CHECKING:
    from airflow_provider_assets.sandbox.world import Json, World

_ERRORS = {
    400: ("ROMA.00000102", "Invalid parameter"),
    401: ("APIG.1002", "token rejected"),
    403: ("APIG.1005", "no permission"),
    404: ("APIG.3030", "instance not found"),
    429: ("APIGW.0308", "throttled"),
    500: ("APIG.9999", "system error"),
}


def refuse(
    status: int, *, code: str = "", message: str = "", details: str = "", extra: Json | None = None
) -> web.Response:
    """ROMA Connect's error shape."""
    usual = _ERRORS.get(status, ("ROMA.00000001", f"error {status}"))
    request_id = secrets.token_hex(16)
    body: Json = {
        "error_code": code or usual[0],
        "error_msg": message or usual[1],
        "error_details": details,
        "request_id": request_id,
    }
    headers = {"X-Request-Id": request_id}
    return web.json_response(body | (extra or {}), status=status, headers=headers)


class Refused(Exception):
    """The request is not let in; `response` says why."""

    def __init__(self, response: web.Response) -> None:
        super().__init__(response.status)
        self.response = response


@dataclass(frozen=True, slots=True)
class Gatekeeper:
    """The API gateway in front of ROMA Connect and of IAM's own calls."""

    world: World

    async def caller(self, request: web.Request) -> str:
        """The name of the calling user; raises Refused. A token counts before a signature."""
        given = request.headers.get("X-Auth-Token")
        if given is None:
            try:
                return (await signer_of(request)).name
            except BadSignatureError as error:
                message = f"Incorrect IAM authentication information: {error}"
                raise Refused(refuse(401, code="APIGW.0301", message=message)) from error
        token = self.world.tokens.get(given)
        if token is None or token.expires <= self.world.clock.now():
            raise Refused(refuse(401))
        if token.project not in ("", request.match_info.get("project", token.project)):
            raise Refused(refuse(403))
        return token.user

    async def admit(self, request: web.Request) -> str:
        """`caller`, who must also name the right project and an instance that exists."""
        user = await self.caller(request)
        if request.match_info["project"] != PROJECT:
            raise Refused(refuse(403))
        if request.match_info.get("instance", INSTANCE) != INSTANCE:
            raise Refused(refuse(404))
        return user
