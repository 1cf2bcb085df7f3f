"""The calls that find assets and hand out links to them.

Source: Scenario's API reference. Nothing is converted here: whatever ``targetFormat`` asks for,
the link serves the asset's own PNG.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from airflow_provider_assets.sandbox.clock import iso_ms
from airflow_provider_assets.sandbox.middleware import bent
from airflow_provider_assets.sandbox.storage import Stored

from .access import body_of, page_json, strings
from .assets import COLLECTIONS, PROJECT
from .errors import Invalid, refuse
from .paging import fingerprint, paginate
from .queries import select
from .views import asset_json, asset_path, hit_json

if TYPE_CHECKING:
    from airflow_provider_assets.sandbox.world import Handler, Json, World

    from .assets import Asset, Catalog

_BULK_LIMIT = 200
_RECENT = 16
_FORMATS = {
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
_LIMITS: Json = {
    "limits": dict.fromkeys(_LIMITED, 1000),
    "values": dict.fromkeys(_USED, 1),
    "oneShotCreativeUnits": [],
    "period": {"start": "2026-01-01T00:00:00.000Z", "end": "2026-02-01T00:00:00.000Z"},
    "plan": "enterprise",
}


@dataclass(frozen=True, slots=True)
class LibraryCalls:
    """The handlers."""

    world: World
    catalog: Catalog
    recent: dict[tuple[str, bool], tuple[list[Asset], list[Asset]]] = field(default_factory=dict)

    def table(self) -> list[tuple[str, str, str, str, Handler]]:
        """Method, path, name, group and handler of each call."""
        return [
            ("GET", "/assets", "assets", "list", self._list),
            ("POST", "/assets/get-bulk", "get_bulk", "metadata", self._get_bulk),
            ("GET", "/assets/{asset}", "asset", "metadata", self._one),
            ("POST", "/assets/{asset}/download", "link", "link", self._link),
            ("POST", "/search/assets", "search", "list", self._search),
            ("GET", "/collections", "collections", "list", self._collections),
            ("GET", "/teams/{team}/limits", "limits", "metadata", self._limits),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        page = paginate(
            self._selected(request),
            request.query,
            empty_every=self.world.options.empty_pages,
            empty_now=bool(bent(request, "empty-page")),
        )
        return page_json("assets", [self._shown(one) for one in page.items], page.token)

    def _selected(self, request: web.Request) -> list[Asset]:
        """What the query selects; kept for its next page, as long as nothing has changed."""
        key = (fingerprint(request.query), request["public"])
        kept = self.recent.get(key)
        if kept is not None and kept[0] is self.catalog.by_creation:
            return kept[1]
        now = self.world.clock.now()
        found = select(self.catalog, request.query, now=now, public=request["public"])
        while len(self.recent) >= _RECENT:
            del self.recent[next(iter(self.recent))]
        self.recent[key] = (self.catalog.by_creation, found)
        return found

    async def _get_bulk(self, request: web.Request) -> web.Response:
        wanted = strings(await body_of(request), "assetIds", required=True)
        if not 1 <= len(wanted) <= _BULK_LIMIT:
            raise Invalid(f"assetIds must have 1 to {_BULK_LIMIT} elements")
        found = [self._visible(one) for one in wanted]
        return web.json_response({"assets": [self._shown(one) for one in found if one]})

    async def _one(self, request: web.Request) -> web.Response:
        asset = self._visible(request.match_info["asset"])
        if asset is None:
            return refuse(404, "Asset not found")
        return web.json_response({"asset": self._shown(asset)})

    async def _link(self, request: web.Request) -> web.Response:
        asset = self._visible(request.match_info["asset"])
        if asset is None:
            return refuse(404, "Asset not found")
        target = (await body_of(request)).get("targetFormat", "png")
        if not isinstance(target, str) or target not in _FORMATS:
            raise Invalid("Invalid target format")
        return web.json_response({"url": self._file(asset), "mimeType": _FORMATS[target]})

    async def _search(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        words = str(body.get("query", "")).lower().split()
        found = [one for one in reversed(self.catalog.by_creation) if one.exportable]
        found = [one for one in found if all(word in one.prompt.lower() for word in words)]
        limit, offset = _number(body, "limit", 20), _number(body, "offset", 0)
        hits = [hit_json(one, self._file(one)) for one in found[offset : offset + limit]]
        answer = {"hits": hits, "offset": offset, "estimatedTotalHits": len(found)}
        return web.json_response(answer)

    async def _collections(self, request: web.Request) -> web.Response:
        counts = Counter(name for one in self.catalog.by_creation for name in one.collections)
        epoch = iso_ms(0)
        shown: list[Json] = [
            {
                "id": name, "name": name.removeprefix("col_"), "assetCount": counts[name],
                "itemCount": counts[name], "modelCount": 0, "ownerId": PROJECT,
                "createdAt": epoch, "updatedAt": epoch,
            }
            for name in COLLECTIONS
        ]  # fmt: skip
        page = paginate(shown, request.query, empty_every=0, default=10)
        return page_json("collections", list(page.items), page.token)

    async def _limits(self, _request: web.Request) -> web.Response:
        return web.json_response(_LIMITS)

    def _visible(self, asset_id: str) -> Asset | None:
        asset = self.catalog.assets.get(asset_id)
        seen = asset is not None and (asset.owner == PROJECT or asset.privacy == "public")
        return asset if seen else None

    def _shown(self, asset: Asset) -> Json:
        return asset_json(asset, self._file(asset))

    def _file(self, asset: Asset) -> str:
        path = asset_path(asset)
        stored = Stored(blob=asset.image, content_type="image/png", vendor="scenario")
        self.world.storage.put(path, stored)
        return self.world.storage.link(path)


def _number(body: Json, name: str, default: int) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or value < 0:
        raise Invalid(f"{name} must be a number")
    return value
