"""One asset, and assets generated from the options; equal options give equal assets."""

from __future__ import annotations

import datetime as dt
import random
import string
from dataclasses import dataclass, field, replace

from airflow_provider_assets.sandbox.images import PngBlob
from airflow_provider_assets.sandbox.options import Options

PROJECT = "proj_sandbox"
_FOREIGN_PROJECT = "proj_elsewhere"
_AUTHORS = ("user_ada", "user_ben", "user_chi")
COLLECTIONS = ("col_icons", "col_levels", "col_drafts")
_TAGS = ("hero", "batch-7", "final", "wip")
_MODELS = {
    "model_flux-dev": "Flux Dev",
    "model_pixel-art": "Pixel Art",
    "model_watercolour": "Watercolour",
    "model_isometric": "Isometric Rooms",
    "model_sdxl": "SDXL",
}
_MADE = ("txt2img", "img2img", "inference-txt2img", "inference-img2img", "texture")
_DERIVED = ("upscale", "background-removal", "vectorization", "texture-albedo", "restyle")
_WHO = ("a red kite", "the old lighthouse", "Löwe & Adler", "a fox", "two astronauts", "城の庭")
_DOES = ("over the hills", "in the rain", "with a lantern", "made of paper", "at 5/8 scale")
_LOOK = ("pixel art", "soft light", "isometric", "ink on vellum", "4k: studio")
_LETTERS = string.ascii_letters + string.digits
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One asset; times are epoch milliseconds, as the vendor's dates have no finer grain."""

    id: str
    created: int
    updated: int
    type: str
    author: str
    inference: str = ""
    model: str = ""
    index: int = 0
    seed: int = 0
    prompt: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    parent: str = ""
    root: str = ""
    privacy: str = "private"
    status: str = "success"
    owner: str = PROJECT
    deleted: int = 0
    image: PngBlob = field(default_factory=lambda: PngBlob(0, 16, 16))

    @property
    def generator(self) -> str:
        """The display name of the model, or else the asset's type."""
        return _MODELS.get(self.model, self.type)

    @property
    def path(self) -> str:
        """The path of the asset's file on the download host."""
        return f"/scenario/assets/{self.id}.png"

    @property
    def exportable(self) -> bool:
        """Whether an archive of this account can contain it."""
        return self.owner == PROJECT and not self.deleted and self.status == "success"


def spread_of_assets(options: Options) -> list[Asset]:
    """The assets of ``--items``, spread over the years but never on a day of ``--day``."""
    rng = random.Random(f"{options.seed}/spread")
    (start, end), pinned = spread_bounds(options), {_epoch_ms(day) for day, _ in options.days}
    times = []
    for _ in range(options.items):
        moment = start + rng.randrange(end - start)
        while moment // _DAY_MS * _DAY_MS in pinned:
            moment -= _DAY_MS
        times.append(moment)
    return _make(rng, sorted(times), options, plain=False)


def spread_bounds(options: Options) -> tuple[int, int]:
    """The start and the exclusive end of the years, in epoch milliseconds."""
    end = _epoch_ms(options.until)
    return end - max(options.years * 365, 1) * _DAY_MS, end


def day_of_assets(options: Options, day: dt.date, count: int, *, salt: str = "") -> list[Asset]:
    """Exactly ``count`` healthy private assets created within a UTC day.

    The first is created at the day's first millisecond and the last at its last one, so that a
    window with the wrong kind of bounds loses something.
    """
    rng = random.Random(f"{options.seed}/{day}/{salt}")
    midnight = _epoch_ms(day)
    times = sorted(midnight + rng.randrange(_DAY_MS) for _ in range(count))
    if times:
        times[-1] = midnight + _DAY_MS - 1
        times[0] = midnight
    return _make(rng, times, options, plain=True)


def asset_at(options: Options, epoch: float, *, salt: str) -> Asset:
    """One healthy private asset that was created and last changed at a moment."""
    created = round(epoch * 1000)
    (asset,) = _make(
        random.Random(f"{options.seed}/{created}/{salt}"), [created], options, plain=True
    )
    return replace(asset, updated=created)


def asset_of(rng: random.Random, name: str, created: int, seed: int, image: PngBlob) -> Asset:
    """One healthy private asset with this id that was never changed."""
    group = _inference(rng)
    return replace(group, id=name, created=created, updated=created, seed=seed, image=image)


def _make(rng: random.Random, times: list[int], options: Options, *, plain: bool) -> list[Asset]:
    assets: list[Asset] = []
    while len(assets) < len(times):
        group = _inference(rng)
        for index in range(rng.randint(1, 4)):
            if len(assets) == len(times):
                break
            one = _one(rng, times[len(assets)], replace(group, index=index), options)
            if assets and rng.random() < 0.2:
                one = _derive(rng, one, rng.choice(assets))
            assets.append(one if plain else _varied(rng, one))
    return assets


def _inference(rng: random.Random) -> Asset:
    """The fields that all assets of one inference have in common."""
    prompt = ", ".join((f"{rng.choice(_WHO)} {rng.choice(_DOES)}", rng.choice(_LOOK)))
    uploaded = rng.random() < 0.1
    return Asset(
        id="",
        created=0,
        updated=0,
        author=rng.choice(_AUTHORS),
        type="uploaded" if uploaded else rng.choice(_MADE),
        inference="" if uploaded else _identifier(rng, "inf_"),
        model="" if uploaded else rng.choice(tuple(_MODELS)),
        prompt="" if uploaded else prompt,
        description=f"The picture shows {rng.choice(_WHO)}" if rng.random() < 0.5 else "",
        tags=tuple(rng.sample(_TAGS, rng.randint(0, 2))),
        collections=tuple(rng.sample(COLLECTIONS, rng.randint(0, 1))),
    )


def _one(rng: random.Random, created: int, group: Asset, options: Options) -> Asset:
    late = rng.random() < 0.1
    touched = created + (rng.randrange(30 * _DAY_MS) if late else rng.randrange(5_000))
    target = int(options.item_bytes * rng.uniform(0.5, 1.5))
    seed = rng.randrange(1 << 31)
    image = PngBlob(seed, rng.randint(16, 64), rng.randint(16, 64), target)
    return replace(
        group,
        id=_identifier(rng, "asset_"),
        created=created,
        updated=touched,
        seed=seed,
        image=image,
    )


def _derive(rng: random.Random, one: Asset, parent: Asset) -> Asset:
    kind, root = rng.choice(_DERIVED), parent.root or parent.id
    return replace(one, type=kind, parent=parent.id, root=root, inference="", model="", prompt="")


def _varied(rng: random.Random, one: Asset) -> Asset:
    """The asset, at times with a field that makes an export leave it out."""
    luck = rng.random()
    if luck < 0.02:
        return replace(one, owner=_FOREIGN_PROJECT, privacy="public")
    if luck < 0.04:
        return replace(one, privacy="public")
    if luck < 0.05:
        return replace(one, privacy="unlisted")
    if luck < 0.06:
        return replace(one, status="error")
    return replace(one, status="pending") if luck > 0.995 else one


def _identifier(rng: random.Random, prefix: str) -> str:
    return prefix + "".join(rng.choices(_LETTERS, k=22))


def _epoch_ms(day: dt.date) -> int:
    return int(dt.datetime.combine(day, dt.time(), dt.timezone.utc).timestamp() * 1000)
