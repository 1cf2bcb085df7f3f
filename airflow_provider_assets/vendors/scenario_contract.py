"""Scenario's contract: limits, tables and the connection form, each with its source beside it.

Sources, by the titles that the comments use: the Scenario API reference
(https://docs.scenario.com/reference),

* "Request" and "Request batch": https://docs.scenario.com/reference/postdownloadassets
* "List assets", "Get status", "List jobs" and "Rate limits", in the same reference;

the guide "Downloading an Archive of Assets", and the vendor's Python SDK 2.4.0 ("SDK"), which is
generated from the vendor's OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_assets.sansio.jobs import JobState
from airflow_provider_assets.vendors.connection import ConnectionForm

# API reference, "Request batch": "batch limited to 1000 assets".
MAX_BATCH = 1000
# API reference, "List assets" and "List jobs": pageSize 1..100.
PAGE = 100
# SDK, assets.get_bulk: at most 200 ids.
MAX_BULK = 200
# SDK: an archive job is of this type.
JOB_TYPE = "assets-download"
# SDK: file names inside the archive have at most 128 characters; we allow the archive as many.
MAX_NAME = 128
ID_TOKEN = "<id>"  # noqa: S105  # a token of a template
# SDK: the answer to a dry run, which is not a submission.
DRY_RUN = 269
# SDK, Asset.mimeType and "Request", mimeType: the formats that "Request" names, then others that assets may
# have (SDK, Asset.kind: 3d, audio, document, image, image-hdr, json, text, video). A file of another type
# gets no extension.
EXTENSIONS: Mapping[str, str] = {
    "image/gif": "gif",
    "image/heif": "heif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/webp": "webp",
    "image/avif": "avif",
    "image/tiff": "tif",
    "model/gltf-binary": "glb",
    "model/obj": "obj",
    "audio/mpeg": "mp3",
    "video/mp4": "mp4",
    "image/heic": "heic",
    "image/bmp": "bmp",
    "image/vnd.radiance": "hdr",
    "image/x-exr": "exr",
    "model/gltf+json": "gltf",
    "model/stl": "stl",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/mp4": "m4a",
    "video/webm": "webm",
    "video/quicktime": "mov",
    "application/json": "json",
    "application/pdf": "pdf",
    "application/zip": "zip",
    "text/plain": "txt",
}
# SDK, Asset.status: one of these two, or "pending".
FINISHED, BROKEN = "success", "error"
# Our own status for a job that the vendor answers with 404.
UNKNOWN_JOB = "unknown to the vendor"
# A finished job without a link is asked again this often, this many seconds apart.
LINK_TRIES, LINK_PAUSE = 5, 2.0
# Clocks differ; a job updated a little before we submitted it is still ours.
CLOCK_SKEW = 300.0

# Filters of our own, which are not sent: the time that a window filters, and the owner that each record
# names (SDK, Asset.ownerId, which every asset has).
OWN_FILTERS = frozenset({"by", "ownerId"})
# API reference, "List assets"; the last row is from the SDK. Values that the vendor keeps adding to
# (types) are not checked. Public access is left out: it lists what belongs to others.
FILTERS = OWN_FILTERS | frozenset(
    {"modelId", "inferenceId", "authorId", "collectionId", "parentAssetId", "rootAssetId"}
    | {"privacy", "tags", "type", "types", "originalAssets", "deleted"}
)
# API reference, "List assets": comma lists. Each of the other filters takes one value.
SEVERAL = frozenset({"types", "tags"})
# API reference, "List assets": public lists the public assets of all organisations.
PUBLIC = "public"
PRIVACY = ("private", "unlisted", PUBLIC)
# SDK, options.fileNameTemplate. The guide's example has <assetId>, which is not among them.
TOKENS = frozenset({"seed", "num", "prompt", "generator", "id", "description"})
OPTIONS = frozenset({"file_name_template", "flat", "archive_name", "prefer_original"})
# Names may differ in every run of an export, such as those with a date.
NAMING = frozenset({"file_name_template", "archive_name"})

# SDK, Job.status. The spellings after the first eight are those that the vendor's own plugin accepts.
STATUSES: Mapping[str, JobState] = {
    "pending": JobState.RUNNING,
    "queued": JobState.RUNNING,
    "warming-up": JobState.RUNNING,
    "in-progress": JobState.RUNNING,
    "finalizing": JobState.RUNNING,
    "success": JobState.SUCCEEDED,
    "failure": JobState.FAILED,
    "canceled": JobState.CANCELLED,
    "processing": JobState.RUNNING,
    "succeeded": JobState.SUCCEEDED,
    "completed": JobState.SUCCEEDED,
    "failed": JobState.FAILED,
    "error": JobState.FAILED,
    "cancelled": JobState.CANCELLED,
    UNKNOWN_JOB: JobState.EXPIRED,
}

# SDK, Asset: where it says what the columns of metadata hold.
COLUMNS: Mapping[str, str] = {
    "created_at": "createdAt",
    "updated_at": "updatedAt",
    "name": "metadata.name",
    "type": "metadata.type",
    "model": "metadata.modelId",
    "prompt": "metadata.prompt",
    "negative_prompt": "metadata.negativePrompt",
    "description": "description",
    "seed": "metadata.seed",
    "tags": "tags",
    "collections": "collectionIds",
    "author_id": "authorId",
    "inference_id": "metadata.inferenceId",
    "parent_id": "metadata.parentId",
    "root_id": "metadata.rootParentId",
    "width": "properties.width",
    "height": "properties.height",
    "format": "mimeType",
}

FORM = ConnectionForm(
    hidden=("schema", "port", "extra"),
    relabeling={"login": "API key", "password": "API secret or JWT", "host": "Base URL"},
    placeholders={"host": "https://api.cloud.scenario.com/v1"},
    fields={
        "project_id": {
            "label": "Project id",
            "description": "Restricts every call to one project; empty means the key's own scope.",
            "schema": {"type": ["string", "null"]},
        },
        "auth_type": {
            "label": "Authentication",
            "description": "basic: API key and secret. bearer: a JWT in place of the secret.",
            "schema": {"type": ["string", "null"], "enum": ["basic", "bearer"], "default": "basic"},
        },
    },
)
