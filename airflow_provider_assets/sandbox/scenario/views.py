"""Assets and jobs in the JSON that Scenario's API reference describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_assets.sandbox.clock import iso_ms

if TYPE_CHECKING:
    from airflow_provider_assets.sandbox.world import Json

    from .assets import Asset
    from .state import ScenarioJob

# `source` and `metadata.type` name the same thing differently for these.
_SOURCES = {
    "inference-txt2img": "inference-txt",
    "inference-img2img": "inference-img",
    "texture-albedo": "texture:albedo",
}


def asset_json(asset: Asset, url: str) -> Json:
    """One asset as listings and look-ups show it."""
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
    """One asset as the search shows it."""
    shown = asset_json(asset, url)
    kept = (
        "id", "authorId", "collectionIds", "createdAt", "updatedAt", "metadata", "mimeType",
        "ownerId", "privacy", "tags", "url",
    )  # fmt: skip
    return {name: shown[name] for name in kept} | {"nsfw": [], "teamId": "team_sandbox"}


def asset_path(asset: Asset) -> str:
    """Where the asset's file is on the download host."""
    return f"/scenario/assets/{asset.id}.png"


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
