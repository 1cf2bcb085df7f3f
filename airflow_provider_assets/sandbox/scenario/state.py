"""Archive jobs: accepted, built in a thread, finished by time or by polls.

Job states are the closed list of Scenario's API reference; the guide's path through them is used.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import string
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airflow_provider_assets.sandbox.clock import iso_ms
from airflow_provider_assets.sandbox.lifecycle import Lifecycle
from airflow_provider_assets.sandbox.storage import Stored
from airflow_provider_assets.sandbox.zips import Archive, Member, build_zip

from .assets import PROJECT
from .naming import entry_name

if TYPE_CHECKING:
    from airflow_provider_assets.sandbox.faults import Fault
    from airflow_provider_assets.sandbox.world import Json, World

    from .assets import Asset

ARCHIVE = "assets-download"
STAGES = ("queued", "warming-up", "in-progress", "finalizing", "success")
_LETTERS = string.ascii_letters + string.digits


@dataclass(slots=True, kw_only=True)
class ScenarioJob:
    """One job. `echo` is what ``metadata.input`` repeats of the submission, None for nothing."""

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
        """Where the archive is on the download host."""
        return f"/scenario/archives/{self.id}/{self.archive_name}.zip"


@dataclass(slots=True)
class Jobs:
    """Every job of the account."""

    world: World
    by_id: dict[str, ScenarioJob] = field(default_factory=dict)
    packed: dict[str, asyncio.Task[Archive]] = field(default_factory=dict)
    _rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._rng = random.Random()
        for number in range(4):
            self._add_inference(number)

    def submit(self, assets: list[Asset], missing: list[str], body: Json) -> ScenarioJob:
        """Accept an archive of these assets; `body` is the validated request."""
        options = body.get("options")
        options = options if isinstance(options, dict) else {}
        fault = self.world.faults.take("scenario.job", "job", path="/")
        kind, now = (fault.kind if fault else ""), self.world.clock.now()
        given = self.world.options
        job = ScenarioJob(
            id=self._identifier(),
            life=Lifecycle(
                stages=STAGES,
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
            self._doom(job, fault)
        if missing and given.missing == "fail":
            self.fail(job, f"Asset {missing[0]} not found")
        return job

    async def look(self, job: ScenarioJob, *, polled: bool) -> None:
        """Bring a job up to date before it is shown."""
        last_step = job.life.by_poll and job.life.status == STAGES[-2]
        if job.building is not None and not job.building.done() and polled and last_step:
            await asyncio.wait({job.building})
        ready = job.type == ARCHIVE and job.archive is not None
        job.life.look(self.world.clock.now(), polled=polled, ready=ready)

    def url(self, job: ScenarioJob) -> str | None:
        """A fresh link to the archive, None until there is one."""
        if job.life.status != "success" or job.archive is None:
            return None
        return self.world.storage.link(job.path)

    def fail(self, job: ScenarioJob, error: str, *, status: str = "failure") -> None:
        """End a job without an archive."""
        job.error, job.hint = error, "Remove the broken asset and retry"
        job.life.end(status, self.world.clock.now())

    async def finish(self, job: ScenarioJob) -> None:
        """End a job with its archive, as soon as it is built."""
        if job.building is not None:
            await asyncio.wait({job.building})
        job.life.end("success", self.world.clock.now())

    def _doom(self, job: ScenarioJob, fault: Fault) -> None:
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
        archive = await self._packed(members)
        job.archive = replace(archive, name=f"{job.archive_name}.zip")
        blob = job.archive.blob
        stored = Stored(blob=blob, content_type="application/zip", vendor="scenario", job_id=job.id)
        self.world.storage.put(job.path, stored)

    async def _packed(self, members: list[Member]) -> Archive:
        """The archive of these members; equal ones are made once, as they may be in use."""
        style = self.world.options.zip_style
        key = hashlib.sha256(repr((members, style)).encode()).hexdigest()[:40]
        if key not in self.packed:
            folder = self.world.folder / "scenario"
            folder.mkdir(exist_ok=True)
            path = folder / f"{key}.zip"
            work = asyncio.to_thread(build_zip, path, name="", members=members, style=style)
            self.packed[key] = asyncio.ensure_future(work)
        return await self.packed[key]

    def _add_inference(self, number: int) -> None:
        """Jobs of another type, which a bulk poll must tell apart and which can be cancelled."""
        begun = self.world.clock.now() - 86_400 * number
        life = Lifecycle(stages=STAGES, begun=begun, seconds=0, held=number == 0)
        life.look(begun, polled=False)
        job = ScenarioJob(id=self._identifier(), life=life, type="inference")
        self.by_id[job.id] = job

    def _identifier(self) -> str:
        return "job_" + "".join(self._rng.choices(_LETTERS, k=20))


def _default_name(now: float) -> str:
    return iso_ms(now)[:10].replace("-", "") + "-export"
