"""ROMA Connect's wire, as the tests write it."""

from __future__ import annotations

from vendor_script import NOW, Clock, reply

from airflow_provider_assets.sansio.jobs import ArchiveJob, ArchiveReference, ArchiveRequest
from airflow_provider_assets.vendors.connection import VendorConnection
from airflow_provider_assets.vendors.huawei_roma import HuaweiRoma

BASE = "https://roma.ap-southeast-1.myhuaweicloud.com"
IAM = "https://iam.ap-southeast-1.myhuaweicloud.com"
APP = "b1e0c0de-0000-4000-8000-000000000001"
TASK = "15366328208d4d77b76532fe9f4006a6"
JOB = "ff80808199aa00010199aa0001020304"
STATUS = f"GET /v2/p0/instances/i1/assets/jobs/{JOB}"
EXPORT = "POST /v2/p0/instances/i1/assets/export"
SUCCESS = {"id": JOB, "type": "exportAsset", "status": "SUCCEEDED", "archive_id": "arch-77aa"}
FULL = {"region": "ap-southeast-1", "instance_id": "i1", "project_id": "p0"}
TOKEN = {"token": {"expires_at": "2026-01-11T08:00:00.000000Z", "project": {"id": "p0"}}}
GRANT = f"POST {IAM}/v3/auth/tokens?nocatalog=true"


def error(status, message, code="ROMA.00000199", details=""):
    body = {"error_code": code, "error_msg": message, "error_details": details, "request_id": "r"}
    return reply(body, status)


def roma(**changes):
    extra = {**FULL, **changes}
    return HuaweiRoma(
        VendorConnection("r", "huawei_roma", login="AK", password="SK-secret", extra=extra),
        clock=Clock(),
    )


def granted(value):
    return reply(TOKEN, 201, x_subject_token=value)


def job(**changes):
    return ArchiveJob("huawei_roma", JOB, submitted_at=NOW, **changes)


def reference(known, **items):
    return ArchiveReference("r", ArchiveRequest("huawei_roma", items), known)


def page(key, *entries, total=None):
    return reply(
        {"total": len(entries) if total is None else total, "size": len(entries), key: entries}
    )


APPS = "GET /v2/p0/instances/i1/apps?offset={}&limit=100"
TASKS = "GET /v2/p0/fdi/instances/i1/tasks?offset={}&limit=100"
