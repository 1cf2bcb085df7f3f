"""The JSON of Scenario: errors, pages, assets, collections and jobs.

Source: the API reference; for the error body with ``reason`` and ``traceId`` the vendor's own
plugin, which looks for these two first.
"""

from __future__ import annotations

from aiohttp import web

from airflow_provider_assets.sandbox.clock import iso_ms
from airflow_provider_assets.sandbox.scenario.assets import PROJECT, Asset
from airflow_provider_assets.sandbox.scenario.state import ScenarioJob
from airflow_provider_assets.sandbox.vendor import Json

_CODES = {
    400: ("INVALID_PARAMETER", "Invalid request"),
    401: ("AUTHENTICATION_FAILED", "Invalid API key or secret"),
    404: ("NOT_FOUND", "Not found"),
    429: ("TOO_MANY_REQUESTS", "Slow down"),
    500: ("INTERNAL_ERROR", "Something went wrong"),
}
FORMATS = {
    "gif": "image/gif", "heif": "image/heif", "jpeg": "image/jpeg", "jpg": "image/jpeg",
    "png": "image/png", "svg": "image/svg+xml", "webp": "image/webp", "avif": "image/avif",
    "tif": "image/tiff", "tiff": "image/tiff", "glb": "model/gltf-binary",
    "fbx": "application/octet-stream", "obj": "model/obj", "mp3": "audio/mpeg", "mp4": "video/mp4",
}  # fmt: skip
_LIMITED = (
    "apiKeys", "canvasAssetLayers", "canvasAssets", "collections", "creativeUnits", "defaultSeats",
    "downloadAssets", "downloadModel", "inferenceBatchSize", "maxCooldown", "maxTrainingDatasets",
    "minCooldown", "models", "OTPSessions", "parallelCustomJobs", "parallelInferences",
    "parallelTraining", "parallelWorkflowRuns", "premiumGenerationSamples", "projects",
    "scalingFactor", "seats", "snapshotsRetention", "upload",
)  # fmt: skip
_USED = ("apiKeys", "canvasAssets", "collections", "creativeUnits", "projects", "seats")
LIMITS: Json = {
    "limits": dict.fromkeys(_LIMITED, 1000),
    "values": dict.fromkeys(_USED, 1),
    "oneShotCreativeUnits": [],
    "period": {"start": "2026-01-01T00:00:00.000Z", "end": "2026-02-01T00:00:00.000Z"},
    "plan": "enterprise",
}
# ``source`` and ``metadata.type`` have different names for these.
_SOURCES = {
    "inference-txt2img": "inference-txt",
    "inference-img2img": "inference-img",
    "texture-albedo": "texture:albedo",
}


def error(
    status: int, message: str = "", *, code: str = "", extra: Json | None = None
) -> web.Response:
    """An error response; 403 has the body with ``reason``, plan limits bring theirs as ``extra``."""
    if extra:
        return web.json_response(extra, status=status)
    if status == web.HTTPForbidden.status_code:
        return web.json_response({"reason": message or "Forbidden", "traceId": "1-abc"}, status=403)
    usual, text = _CODES.get(status, ("ERROR", f"Status {status}"))
    body = {"status": "error", "code": code or usual, "message": message or text}
    return web.json_response(body, status=status)


def page_json(name: str, items: list[Json], token: str | None) -> Json:
    """One page; the token is absent on the last."""
    answer: Json = {name: items}
    if token:
        answer["nextPaginationToken"] = token
    return answer


def asset_json(asset: Asset, url: str) -> Json:
    """One asset as ``GET /assets`` and ``GET /assets/{assetId}`` show it."""
    metadata: Json = {"kind": "image", "type": asset.type, "size": asset.image.size}
    optional = {
        "prompt": asset.prompt,
        "modelId": asset.model,
        "inferenceId": asset.inference,
        "seed": str(asset.seed),
        "parentId": asset.parent,
        "rootParentId": asset.root,
    }
    metadata.update({key: value for key, value in optional.items() if value})
    body: Json = {
        "id": asset.id,
        "authorId": asset.author,
        "collectionIds": list(asset.collections),
        "createdAt": iso_ms(asset.created / 1000),
        "updatedAt": iso_ms(asset.updated / 1000),
        "editCapabilities": ["UPSCALE", "PIXELATE"],
        "kind": "image",
        "metadata": metadata,
        "mimeType": "image/png",
        "ownerId": asset.owner,
        "privacy": asset.privacy,
        "properties": {
            "size": asset.image.size,
            "width": asset.image.width,
            "height": asset.image.height,
        },
        "source": _SOURCES.get(asset.type, asset.type),
        "status": asset.status,
        "tags": list(asset.tags),
        "url": url,
        "outputIndex": asset.index,
    }
    if asset.description:
        body["description"] = asset.description
    if asset.deleted:
        body["deletedAt"] = iso_ms(asset.deleted / 1000)
    return body


def hit_json(asset: Asset, url: str) -> Json:
    """One asset as ``POST /search/assets`` shows it."""
    shown = asset_json(asset, url)
    kept = (
        "id", "authorId", "collectionIds", "createdAt", "updatedAt", "metadata", "mimeType",
        "ownerId", "privacy", "tags", "url",
    )  # fmt: skip
    return {name: shown[name] for name in kept} | {"nsfw": [], "teamId": "team_sandbox"}


def collection_json(name: str, assets: int) -> Json:
    """One collection with its number of assets."""
    epoch = iso_ms(0)
    return {
        "id": name, "name": name.removeprefix("col_"), "assetCount": assets,
        "itemCount": assets, "modelCount": 0, "ownerId": PROJECT,
        "createdAt": epoch, "updatedAt": epoch,
    }  # fmt: skip


def job_json(job: ScenarioJob, *, url: str | None) -> Json:
    """One job as ``GET /jobs/{jobId}`` and ``GET /jobs`` show it."""
    life = job.life
    metadata: Json = {}
    if job.echo is not None:
        metadata["input"] = job.echo
    if job.error:
        metadata.update(error=job.error, hint=job.hint)
    if url:
        metadata["archiveUrl"] = url
    return {
        "jobId": job.id,
        "jobType": job.type,
        "status": life.status,
        "progress": life.progress,
        "statusHistory": [{"date": iso_ms(at), "status": status} for at, status in life.history],
        "metadata": metadata,
        "createdAt": iso_ms(life.begun),
        "updatedAt": iso_ms(life.updated),
        "ownerId": job.project,
        "authorId": job.author,
        "billing": {"cuCost": 0, "cuDiscount": 0},
    }
