"""ROMA Connect's contract: limits, tables and the connection form, each with its source beside it.

Sources, by the titles that the comments use: the ROMA Connect API reference,

* "Exporting Assets in Batches": https://support.huaweicloud.com/intl/en-us/api-roma/ExportAsset.html
* "Obtaining Job Progress": https://support.huaweicloud.com/intl/en-us/api-roma/CheckAssetJobStatus.html
* "Downloading an Asset Package":
  https://support.huaweicloud.com/intl/en-us/api-roma/DownloadAssetArchive.html
* "Instance list" and the queries of apps and data integration tasks, in the same reference;
* "2022": its edition of that year, https://support.huaweicloud.com/intl/en-us/ae-ad-1-api-roma/

and the vendor's Python SDK 3.1.219 ("SDK").
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_assets.sansio.jobs import JobState
from airflow_provider_assets.vendors.connection import ConnectionForm

# "Exporting Assets in Batches": at most 100 applications and tasks; we take it as their sum.
MAX_BATCH = 100
# "Downloading an Asset Package": instance_id, project_id and archive_id have 0 to 64 characters.
MAX_ID = 64
# "Instance list": limit up to 100. Tasks take 999; apps state no bound.
PAGE = 100
# SDK, RomaRegion. Other regions exist: they need an explicit base_url.
REGIONS = (
    "ap-southeast-1",
    "ap-southeast-3",
    "cn-east-2",
    "cn-east-3",
    "cn-north-1",
    "cn-north-4",
    "cn-south-1",
    "ru-northwest-2",
)
# SDK, table of IAM endpoints: this region of ROMA has none of its own.
GLOBAL_IAM = frozenset({"", "ru-northwest-2"})

# "Obtaining Job Progress", all editions, in lower case. 2022: "Finished" means that the package was
# downloaded within its validity period; its archive_id is no longer returned.
STATUSES: Mapping[str, JobState] = {
    "created": JobState.RUNNING,
    "pending": JobState.RUNNING,
    "waiting": JobState.RUNNING,
    "processing": JobState.RUNNING,
    "running": JobState.RUNNING,
    "succeeded": JobState.SUCCEEDED,
    "success": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
    "failure": JobState.FAILED,
    "error": JobState.FAILED,
    "finished": JobState.EXPIRED,
}
# Our own status for a job that the vendor answers with 404.
UNKNOWN_JOB = "unknown to the vendor"

# SDK: query parameters of the two listings, without paging and sorting.
LISTINGS: Mapping[str, frozenset[str]] = {
    "apps": frozenset({"name", "owner", "favorite", "auth_role", "user_name"}),
    "tasks": frozenset({"task_id", "name", "status", "task_type", "execute_status", "task_tag"})
    | {"source_datasource_id", "target_datasource_id", "source_app_id", "target_app_id"},
}
# SDK: listing -> the part of its path before /instances, and the key of its entries.
PLACES = {"apps": ("", "apps"), "tasks": ("/fdi", "entities")}
# How often a listing that changes while it is read is read.
LISTING_TRIES = 5
CHANGED = ("update_time", "last_modified_time", "create_time", "created_date")
# "Downloading an Asset Package" documents 403 for whatever is refused; 404 and 410 are taken likewise.
UNCLEAR = frozenset({403, 404, 410})

# The section of the form whose fields a connection needs beside its keys.
NEEDED = "Region and instance"

FORM = ConnectionForm(
    hidden=("schema", "port", "extra"),
    relabeling={
        "login": "Access key (AK) or IAM user",
        "password": "Secret key (SK) or password",
        "host": "Base URL",
    },
    placeholders={"host": "Default: https://roma.<region>.myhuaweicloud.com"},
    fields={
        "region": {
            "label": "Region",
            "description": "Such as ap-southeast-1. Determines the base URL, the IAM URL and the project id.",
            "schema": {"type": ["string", "null"], "section": NEEDED},
        },
        "instance_id": {
            "label": "Instance id",
            "description": "The ROMA Connect instance whose assets are exported.",
            "schema": {"type": "string", "default": "", "section": NEEDED},
        },
        "project_id": {
            "label": "Project id",
            "description": "Default: looked up through IAM by the region's name.",
            "schema": {"type": ["string", "null"], "section": NEEDED},
        },
        "auth_type": {
            "label": "Authentication",
            "description": "aksk: requests are signed. token: IAM issues one for a user's password.",
            "schema": {"type": ["string", "null"], "enum": ["aksk", "token"], "default": "aksk"},
        },
        "account": {
            "label": "Account name",
            "description": "The IAM user's account (domain); for token authentication only.",
            "schema": {"type": ["string", "null"]},
        },
        "security_token": {
            "label": "Security token",
            "description": "Belongs to a temporary access key; for aksk only.",
            "schema": {"type": ["string", "null"], "format": "password"},
        },
        "iam_url": {
            "label": "IAM URL",
            "description": "Default: https://iam.<region>.myhuaweicloud.com.",
            "schema": {"type": ["string", "null"]},
        },
        "old_export_body": {
            "label": "Old export request",
            "description": "As documented in 2022: one application per batch, by name; tasks by task_id.",
            "schema": {"type": ["boolean", "null"], "default": False},
        },
    },
)
