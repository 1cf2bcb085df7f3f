"""Topaz's contract: limits, tables and the connection form, each with its source beside it.

Sources, by the titles that the comments use: the Image API's OpenAPI document 1.2.0,

* "Status": https://developer.topazlabs.com/reference/image/status
* "Download": https://developer.topazlabs.com/reference/getdownloadoutput
* "Cancel": https://developer.topazlabs.com/api-reference/image-api/cancel

and the developer guide's pages on errors and rate limits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

from airflow_provider_assets.sansio.jobs import JobState
from airflow_provider_assets.vendors.connection import ConnectionForm

# "Status", "Download", "Cancel": process_id is a UUID.
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# "Status", list: limit 1..100. One page of statuses answers for a batch.
PAGE = 100
MAX_BATCH = PAGE
# "Download": outputs are stored for 7 days after processing, inputs for 7 days after the upload.
# "Status", list: statuses of the last 7 days.
RETENTION = timedelta(days=7)
# "Status": the closed list of Status.status; the spelling with one l is tolerated.
STATUSES: Mapping[str, JobState] = {
    "pending": JobState.RUNNING,
    "processing": JobState.RUNNING,
    "completed": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
    "canceled": JobState.CANCELLED,
}
# Our own statuses for an image past its 7 days and for an id that Topaz answers with 404.
EXPIRED, UNKNOWN = "Expired", "Unknown"
# Seconds before each try of a link, while a process is both completed and not ready.
NOT_READY_PAUSES = (0.0, 1.0, 2.0, 4.0)
# What is collected of a process; `kind` among the options.
OUTPUT, INPUT = "output", "input"
# "Download Output" and "Download Input".
DOWNLOADS = {OUTPUT: "/download/{}", INPUT: "/download/input/{}"}
TIMES = ("modification_time", "creation_time")
FIELDS = ("model", "category", "output_format")
# A filter of our own, which allows a window to begin before what the vendor still lists.
ALLOWING = frozenset({"allow_truncated"})
FILTERS = ALLOWING | {*FIELDS, "status", "filename", "by"}

# "Status": where it says what the columns of metadata hold.
COLUMNS: Mapping[str, str] = {
    "created_at": "creation_time",
    "updated_at": "modification_time",
    "name": "filename",
    "type": "category",
    "model": "model",
    "width": "output_width",
    "height": "output_height",
    "format": "output_format",
}

FORM = ConnectionForm(
    hidden=("schema", "port", "login", "extra"),
    relabeling={"password": "API key", "host": "Base URL"},
    placeholders={"host": "https://api.topazlabs.com/image/v1"},
    fields={},
)
