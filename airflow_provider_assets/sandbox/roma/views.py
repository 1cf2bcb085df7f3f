"""The JSON of ROMA Connect: errors, pages, applications, tasks and instances.

Source: ROMA Connect's API reference and the models of its Python SDK; the error codes APIG.1002
(bad token) and APIG.1005 (missing permission) are those that Huawei's API gateway was seen to
answer. The JSON of an export differs between generations of the API: see ``dialects``.
"""

from __future__ import annotations

import datetime as dt
import secrets

from aiohttp import web

from airflow_provider_assets.sandbox.roma.accounts import INSTANCE, PROJECT
from airflow_provider_assets.sandbox.roma.items import Item
from airflow_provider_assets.sandbox.vendor import Json

_ERRORS = {
    400: ("ROMA.00000102", "Invalid parameter"),
    401: ("APIG.1002", "token rejected"),
    403: ("APIG.1005", "no permission"),
    404: ("APIG.3030", "instance not found"),
    429: ("APIGW.0308", "throttled"),
    500: ("APIG.9999", "system error"),
}


def error(
    status: int, *, code: str = "", message: str = "", details: str = "", extra: Json | None = None
) -> web.Response:
    """An error response."""
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


def page_json(name: str, shown: list[Json], *, total: int) -> Json:
    """One page of a listing."""
    return {"total": total, "size": len(shown), name: shown}


def item_json(one: Item) -> Json:
    """An application or a task as its listing shows it."""
    return _app_json(one) if one.kind == "app" else _task_json(one)


def instance_json() -> Json:
    """The only instance as ``GET /v2/{project_id}/instances`` shows it."""
    return {
        "id": INSTANCE, "project_id": PROJECT, "instance_name": "sandbox", "status": "RUNNING",
        "instance_status": 6, "type": "roma", "spec": "00300-30101-0--0", "create_time": 0,
        "charging_mode": 0, "enterprise_project_id": "0",
    }  # fmt: skip


def iso_seconds(epoch: float) -> str:
    """ISO 8601 in UTC with seconds and ``Z``."""
    return dt.datetime.fromtimestamp(epoch, tz=dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _app_json(one: Item) -> Json:
    return {
        "id": one.id, "name": one.name, "remark": "", "roles": ["read"],
        "create_time": iso_seconds(one.created), "update_time": iso_seconds(one.updated),
        "created_user": {"user_id": one.owner, "user_name": one.owner},
        "last_updated_user": {"user_id": one.owner, "user_name": one.owner},
        "owner": True, "key": f"app-key-{one.seed}", "favorite": one.favourite,
    }  # fmt: skip


def _task_json(one: Item) -> Json:
    return {
        "task_id": one.id, "task_name": one.name, "task_type": one.task_type,
        "status": one.running, "execute_status": one.execution, "version": "1",
        "created_date": iso_seconds(one.created), "last_modified_time": int(one.updated * 1000),
        "source_app_id": one.app, "target_app_id": one.app,
    }  # fmt: skip
