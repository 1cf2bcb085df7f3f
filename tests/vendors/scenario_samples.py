"""Scenario's wire, as the tests write it."""

from __future__ import annotations

from vendor_script import NOW, Clock, Script, reply

from airflow_provider_assets.sansio.jobs import ArchiveJob, ArchiveReference, ArchiveRequest
from airflow_provider_assets.vendors.connection import VendorConnection
from airflow_provider_assets.vendors.scenario import Scenario

OPTIONS = {"file_name_template": "<id>", "flat": True}
JOB = ArchiveJob("scenario", "job_1", submitted_at=NOW)
LIST = "GET /assets?pageSize=100&sortBy=createdAt&sortDirection=asc"
JOBS = "GET /jobs?types=assets-download&updatedAfter={}&pageSize=100"
BATCH = "GET /assets/download/job_1"
STATUS = "GET /jobs/job_1"


def scenario(**connection):
    given = {"login": "k", "password": "s", **connection}
    return Script(Scenario(VendorConnection("s", "scenario", **given), clock=Clock()))


def assets(*ids, token=None, **changes):
    more = {"nextPaginationToken": token} if token else {}
    return reply({"assets": [{"id": i, "status": "success", **changes} for i in ids], **more})


def request(**options):
    return ArchiveRequest(
        "scenario", {"asset_ids": ("a", "b")}, {**OPTIONS, **options}, tag="tag-1"
    )


def reference(job=JOB, **options):
    return ArchiveReference("s", request(**options), job)
