"""IAM, with its own error shape: tokens for a password, and projects by name.

Source: Huawei Cloud IAM's API reference. A token is in the ``X-Subject-Token`` header and lives
24 hours. The password grant needs no signature; one that is sent is ignored.
"""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass

from aiohttp import web

from airflow_provider_assets.sandbox.roma.access import Access
from airflow_provider_assets.sandbox.roma.accounts import ACCOUNT, USERS, projects
from airflow_provider_assets.sandbox.vendor import Json, Refused
from airflow_provider_assets.sandbox.world import Token, World

_DAY = 86_400
_TITLES = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests"}


def iam_error(status: int, message: str = "") -> web.Response:
    """An error response: one object under ``error``."""
    title = _TITLES.get(status, "Error")
    error = {"code": status, "message": message or title, "title": title}
    return web.json_response({"error": error}, status=status)


@dataclass(frozen=True, slots=True)
class Iam:
    """The handlers of the two endpoints that an exporter needs."""

    world: World
    access: Access

    async def token(self, request: web.Request) -> web.Response:
        """``POST /v3/auth/tokens``."""
        try:
            auth = (await request.json())["auth"]
            user = auth["identity"]["password"]["user"]
            credentials = (user["name"], user["password"], user["domain"]["name"])
            methods, scope = auth["identity"]["methods"], auth.get("scope", {}).get("project")
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise Refused(iam_error(400, "The request body is invalid")) from problem
        if methods != ["password"] or credentials not in _ACCEPTED:
            raise Refused(iam_error(401, "Wrong user name or password"))
        project = _scoped(scope)
        if scope and project is None:
            raise Refused(iam_error(401, "The project does not exist"))
        return self._issue(user["name"], project)

    async def projects(self, request: web.Request) -> web.Response:
        """``GET /v3/projects``."""
        try:
            await self.access.caller(request)
        except Refused as refused:
            text = "The request you have made requires authentication."
            raise Refused(iam_error(401, text)) from refused
        self_link = f"http://{request.host}/v3/projects"
        shown = [
            {
                "id": one, "name": name, "domain_id": "d1", "parent_id": "d1", "is_domain": False,
                "enabled": True, "description": "", "links": {"self": f"{self_link}/{one}"},
            }
            for one, name in projects(request.query.get("name"))
        ]  # fmt: skip
        links = {"self": self_link, "next": None, "previous": None}
        return web.json_response({"projects": shown, "links": links})

    def _issue(self, name: str, project: tuple[str, str] | None) -> web.Response:
        text = "MII" + secrets.token_urlsafe(1200)
        now = self.world.clock.now()
        token = Token(user=name, project=project[0] if project else "", expires=now + _DAY)
        self.world.tokens[text] = token
        domain = {"id": "d1", "name": ACCOUNT}
        body: Json = {
            "expires_at": _micros(token.expires),
            "issued_at": _micros(now),
            "methods": ["password"],
            "user": {"id": f"id-of-{name}", "name": name, "domain": domain},
            "roles": [{"id": "0", "name": "te_admin"}],
        }
        if project:
            body["project"] = {"id": project[0], "name": project[1], "domain": domain}
        headers = {"X-Subject-Token": text}
        return web.json_response({"token": body}, status=201, headers=headers)


_ACCEPTED = {(one.name, one.password, ACCOUNT) for one in USERS}


def _scoped(scope: dict[str, str] | None) -> tuple[str, str] | None:
    if not scope:
        return None
    wanted = {scope.get("id"), scope.get("name")} - {None}
    return next((one for one in projects(None) if wanted & set(one)), None)


def _micros(epoch: float) -> str:
    moment = dt.datetime.fromtimestamp(epoch, tz=dt.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
