"""The assets and the jobs of one Scenario account, and how they change.

Archive jobs are accepted, built in a thread, and finished by time or by polls. Their states are
those of Scenario's API reference, in the order that the archive guide shows.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import string
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain

from airflow_provider_assets.sandbox.bodies import Body
from airflow_provider_assets.sandbox.clock import iso_ms
from airflow_provider_assets.sandbox.faults import Fault
from airflow_provider_assets.sandbox.lifecycle import Lifecycle
from airflow_provider_assets.sandbox.options import Options
from airflow_provider_assets.sandbox.scenario.assets import (
    PROJECT,
    Asset,
    day_of_assets,
    spread_of_assets,
)
from airflow_provider_assets.sandbox.scenario.history import History
from airflow_provider_assets.sandbox.scenario.naming import entry_name
from airflow_provider_assets.sandbox.vendor import Json
from airflow_provider_assets.sandbox.world import World
from airflow_provider_assets.sandbox.zips import Archive, Member, build_zip

ARCHIVE = "assets-download"
_STAGES = ("queued", "warming-up", "in-progress", "finalizing", "success")
_LETTERS = string.ascii_letters + string.digits


@dataclass(slots=True)
class Catalog:
    """Assets by id and in order of creation; those of the history beside them."""

    history: History
    assets: dict[str, Asset] = field(default_factory=dict)
    by_creation: list[Asset] = field(default_factory=list)

    @classmethod
    def of(cls, options: Options) -> Catalog:
        """The assets that the options ask for."""
        catalog = cls(History.of(options))
        catalog.add(spread_of_assets(options))
        for day, count in options.days:
            catalog.add(day_of_assets(options, day, count))
        return catalog

    def add(self, assets: list[Asset]) -> None:
        """Add assets."""
        self.assets.update((asset.id, asset) for asset in assets)
        self._reorder()

    def find(self, asset_id: str) -> Asset | None:
        """The asset of an id."""
        return self.assets.get(asset_id) or self.history.find(asset_id)

    def __iter__(self) -> Iterator[Asset]:
        """Every asset; those of the history come last."""
        return chain(self.by_creation, self.history)

    def finish(self, asset_id: str, updated: int | None) -> None:
        """Let a pending asset succeed; ``updated`` is the time of its last change, if that moves."""
        asset = self.assets.get(asset_id)
        if asset is not None:  # it may have been removed in the meantime
            changed = updated or asset.updated
            self.assets[asset_id] = replace(asset, status="success", updated=changed)
            self._reorder()

    def delete(self, asset_id: str, now: float) -> bool:
        """Move an asset to the trash; False when there is none, or it belongs to the history."""
        if asset_id not in self.assets:
            return False
        self.assets[asset_id] = replace(self.assets[asset_id], deleted=int(now * 1000))
        self._reorder()
        return True

    def of_inferences(self, inferences: set[str]) -> list[Asset]:
        """Every asset that came out of one of these inferences."""
        return [one for one in self if one.inference in inferences] if inferences else []

    def of_models(self, models: set[str]) -> list[Asset]:
        """Every asset that was made with one of these models."""
        return [one for one in self if one.model in models] if models else []

    def _reorder(self) -> None:
        self.by_creation = sorted(self.assets.values(), key=lambda one: (one.created, one.id))


@dataclass(slots=True, kw_only=True)
class ScenarioJob:
    """One job.

    :param echo: the submission as ``metadata.input`` repeats it; None if that is absent.
    :param missing: the ids that the archive cannot have.
    """

    id: str
    life: Lifecycle
    type: str = ARCHIVE
    project: str = PROJECT
    author: str = "key_sandbox"
    archive_name: str = ""
    echo: Json | None = None
    error: str = ""
    hint: str = ""
    missing: tuple[str, ...] = ()
    archive: Archive | None = None
    building: asyncio.Task[None] | None = None

    @property
    def path(self) -> str:
        """The path of the archive on the download host."""
        return f"/scenario/archives/{self.id}/{self.archive_name}.zip"


@dataclass(slots=True)
class Jobs:
    """Every job of the account."""

    world: World
    by_id: dict[str, ScenarioJob] = field(default_factory=dict)
    _packed: dict[str, asyncio.Task[Archive]] = field(default_factory=dict)
    _rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._rng = random.Random()
        for number in range(4):
            self._add_inference(number)

    def submit(self, assets: list[Asset], missing: list[str], body: Json) -> ScenarioJob:
        """Accept an archive of these assets; ``body`` is the validated request."""
        options = body.get("options")
        options = options if isinstance(options, dict) else {}
        fault = self.world.faults.take("scenario.job", "job", path="/")
        kind, now = (fault.kind if fault else ""), self.world.clock.now()
        given = self.world.options
        job = ScenarioJob(
            id=self._identifier(),
            life=Lifecycle(
                stages=_STAGES,
                begun=now,
                seconds=float(fault.value or 10) if fault and kind == "slow" else given.job_seconds,
                by_poll=given.advance == "poll",
                held=kind in ("stuck", "failed", "canceled"),
            ),
            archive_name=str(options.get("archiveName") or _default_name(now)),
            echo=body if given.echo_input else {},
            missing=tuple(missing),
        )
        if kind == "partial":
            assets = assets[: len(assets) - int(fault.value or 1)] if fault else assets
        self.by_id[job.id] = job
        self.world.stats.accepted("scenario", job.id)
        job.building = self.world.spawn(self._build(job, assets, options))
        if fault:
            self._apply(fault, job)
        if missing and given.missing == "fail":
            self.fail(job, f"Asset {missing[0]} not found")
        return job

    async def look(self, job: ScenarioJob, *, polled: bool) -> None:
        """Bring a job up to date before it is shown."""
        last_step = job.life.by_poll and job.life.status == _STAGES[-2]
        if job.building is not None and not job.building.done() and polled and last_step:
            await asyncio.wait({job.building})
        self.catch_up(job, polled=polled)

    def catch_up(self, job: ScenarioJob, *, polled: bool = False) -> None:
        """Move a job to where it should be by now."""
        ready = job.type == ARCHIVE and job.archive is not None
        job.life.look(self.world.clock.now(), polled=polled, ready=ready)

    def fail(self, job: ScenarioJob, error: str, *, status: str = "failure") -> None:
        """End a job without an archive."""
        job.error, job.hint = error, "Remove the broken asset and retry"
        job.life.end(status, self.world.clock.now())

    async def finish(self, job: ScenarioJob) -> None:
        """End a job with its archive, as soon as it is built."""
        if job.building is not None:
            await asyncio.wait({job.building})
        job.life.end("success", self.world.clock.now())

    def _apply(self, fault: Fault, job: ScenarioJob) -> None:
        if fault.kind == "failed":
            self.fail(job, fault.param("error", "Asset could not be read"))
        elif fault.kind == "canceled":
            self.fail(job, "Canceled", status="canceled")

    async def _build(self, job: ScenarioJob, assets: list[Asset], options: Json) -> None:
        template = str(options.get("fileNameTemplate") or "<prompt>-<id>")
        flat = bool(options.get("flat", False))
        members = [
            Member(
                name=entry_name(template, asset, flat=flat),
                item_id=asset.id,
                blob=asset.image,
                modified=asset.created / 1000,
            )
            for asset in assets
        ]
        archive = await self._archive_of(members)
        job.archive = replace(archive, name=f"{job.archive_name}.zip")
        blob = job.archive.blob
        body = Body(blob=blob, content_type="application/zip", vendor="scenario", job_id=job.id)
        self.world.storage.put(job.path, body)

    async def _archive_of(self, members: list[Member]) -> Archive:
        """The archive of these members; equal ones share a file, which may be in use."""
        style = self.world.options.zip_style
        key = hashlib.sha256(repr((members, style)).encode()).hexdigest()[:40]
        if key not in self._packed:
            folder = self.world.folder / "scenario"
            folder.mkdir(exist_ok=True)
            path = folder / f"{key}.zip"
            work = asyncio.to_thread(build_zip, path, name="", members=members, style=style)
            self._packed[key] = asyncio.ensure_future(work)
        return await self._packed[key]

    def _add_inference(self, number: int) -> None:
        """Add a job of another type, which listings must filter out and which can be cancelled."""
        begun = self.world.clock.now() - 86_400 * number
        life = Lifecycle(stages=_STAGES, begun=begun, seconds=0, held=number == 0)
        life.look(begun, polled=False)
        job = ScenarioJob(id=self._identifier(), life=life, type="inference")
        self.by_id[job.id] = job

    def _identifier(self) -> str:
        return "job_" + "".join(self._rng.choices(_LETTERS, k=20))


def _default_name(now: float) -> str:
    return iso_ms(now)[:10].replace("-", "") + "-export"
