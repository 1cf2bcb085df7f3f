"""The callers that are let in: by a token, or by a signature with an access key.

Source: ROMA Connect's API reference for ``X-Auth-Token``; the codes are those that Huawei's API
gateway was seen to answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from airflow_provider_assets.sandbox.roma.accounts import INSTANCE, PROJECT
from airflow_provider_assets.sandbox.roma.signing import BadSignatureError, signer_of
from airflow_provider_assets.sandbox.roma.views import error
from airflow_provider_assets.sandbox.vendor import Handler, Refused
from airflow_provider_assets.sandbox.world import World


@dataclass(frozen=True, slots=True)
class Access:
    """The API gateway in front of ROMA Connect and of IAM's own endpoints."""

    world: World

    def checked(self, handler: Handler) -> Handler:
        """The handler behind a check of the caller, the project and the instance.

        It finds the name of the caller under ``request["user"]``.
        """

        async def with_checks(request: web.Request) -> web.StreamResponse:
            request["user"] = await self.caller(request)
            if request.match_info["project"] != PROJECT:
                raise Refused(error(403))
            if request.match_info.get("instance", INSTANCE) != INSTANCE:
                raise Refused(error(404))
            return await handler(request)

        return with_checks

    async def caller(self, request: web.Request) -> str:
        """The name of the calling user; a token takes precedence over a signature.

        :raises Refused: if there is neither, or it is not valid.
        """
        given = request.headers.get("X-Auth-Token")
        if given is None:
            try:
                return (await signer_of(request)).name
            except BadSignatureError as problem:
                message = f"Incorrect IAM authentication information: {problem}"
                raise Refused(error(401, code="APIGW.0301", message=message)) from problem
        token = self.world.tokens.get(given)
        if token is None or token.expires <= self.world.clock.now():
            raise Refused(error(401))
        if token.project not in ("", request.match_info.get("project", token.project)):
            raise Refused(error(403))
        return token.user
