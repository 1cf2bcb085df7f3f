"""The applications, the tasks and the exports of one instance, and how they change.

Source: ROMA Connect's API reference. One export per user runs at a time. Its package can be
downloaded once; it is removed by that, or at the end of its validity period, which is undocumented
(here ``--url-seconds``).
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import secrets
from dataclasses import dataclass, field

from airflow_provider_assets.sandbox.faults import Fault
from airflow_provider_assets.sandbox.lifecycle import Lifecycle
from airflow_provider_assets.sandbox.options import Options
from airflow_provider_assets.sandbox.roma.items import Item, make_item
from airflow_provider_assets.sandbox.roma.packages import build, members_of
from airflow_provider_assets.sandbox.world import World
from airflow_provider_assets.sandbox.zips import Archive

DONE, FAILED = "done", "failed"
_STAGES = ("accepted", "collecting", "packing", DONE)
_DAY = 86_400
_MISSING = "ROMA.00000303"
_BROKEN = "ROMA.00000101"


@dataclass(slots=True)
class Inventory:
    """All applications and all tasks, in order of their last change."""

    options: Options
    apps: dict[str, Item] = field(default_factory=dict)
    tasks: dict[str, Item] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = random.Random(f"{self.options.seed}/roma")
        end = _epoch(self.options.until)
        pinned = {_epoch(day) for day, _ in self.options.days}
        for number in range(self.options.items):
            moment = end - rng.uniform(0, max(self.options.years, 1) * 365 * _DAY)
            while moment // _DAY * _DAY in pinned:
                moment -= _DAY
            self._create(rng, number, moment)
        for day, count in self.options.days:
            self.add_day(day, count)

    def add_day(self, day: dt.date, count: int) -> list[str]:
        """Create exactly ``count`` items changed within a UTC day, apps and tasks in turn."""
        known = len(self.apps) + len(self.tasks)
        rng = random.Random(f"{self.options.seed}/{day}/{known}")
        midnight = _epoch(day)
        return [
            self._create(rng, known + number, midnight + rng.randrange(_DAY))
            for number in range(count)
        ]

    def app_at(self, updated: float, number: int) -> Item:
        """An application changed at a moment, not yet listed; ``number`` tells it from others."""
        rng = random.Random(f"{self.options.seed}/{updated}/late {number}")
        known = len(self.apps) + len(self.tasks) + number
        return self._made(rng, known + known % 2, updated)

    def add(self, item: Item) -> None:
        """Let an item be listed."""
        (self.apps if item.kind == "app" else self.tasks)[item.id] = item

    def all(self) -> list[Item]:
        """Everything, the least recently changed first."""
        both = [*self.apps.values(), *self.tasks.values()]
        return sorted(both, key=lambda one: (one.updated, one.id))

    def by_name(self, name: str) -> Item | None:
        """The application with this exact name, as exports of 2022 have it."""
        return next((one for one in self.apps.values() if one.name == name), None)

    def _create(self, rng: random.Random, number: int, updated: float) -> str:
        item = self._made(rng, number, updated)
        self.add(item)
        return item.id

    def _made(self, rng: random.Random, number: int, updated: float) -> Item:
        return make_item(rng, number, updated, app=next(iter(self.apps), ""))


@dataclass(slots=True, kw_only=True)
class Export:
    """One export job.

    :param archive_id: the id for the download of its package.
    :param consumed: the package was downloaded.
    :param gone: the validity period of the package is over.
    """

    id: str
    user: str
    life: Lifecycle
    archive_id: str
    reasons: list[dict[str, str]] = field(default_factory=list)
    archive: Archive | None = None
    consumed: bool = False
    gone: bool = False
    building: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Exports:
    """Every export, by id."""

    world: World
    inventory: Inventory
    by_id: dict[str, Export] = field(default_factory=dict)

    async def busy(self, user: str) -> bool:
        """Whether an export of this user is running."""
        for export in self.by_id.values():
            await self.look(export, polled=False)
        return any(one.user == user and not one.life.over for one in self.by_id.values())

    def submit(self, ids: list[str], user: str) -> Export:
        """Accept an export; it will fail if one of the items does not exist."""
        options = self.world.options
        fault = self.world.faults.take("roma.job", "job", path="/")
        kind = fault.kind if fault else ""
        slow = float(fault.value or 10) if fault and kind == "slow" else options.job_seconds
        export = Export(
            id=secrets.token_hex(16),
            user=user,
            archive_id=f"arch-{secrets.token_hex(8)}",
            life=Lifecycle(
                stages=_STAGES,
                begun=self.world.clock.now(),
                seconds=slow,
                by_poll=options.advance == "poll",
                held=kind == "stuck",
            ),
        )
        self.by_id[export.id] = export
        self.world.stats.accepted("roma", export.id)
        self._begin(export, ids, fault)
        return export

    async def look(self, export: Export, *, polled: bool) -> None:
        """Bring a job up to date before it is shown."""
        last_step = export.life.by_poll and export.life.status == _STAGES[-2]
        if export.building and not export.building.done() and polled and last_step:
            await asyncio.wait({export.building})
        self.catch_up(export, polled=polled)

    def catch_up(self, export: Export, *, polled: bool = False) -> None:
        """Move a job to where it should be by now."""
        export.life.look(self.world.clock.now(), polled=polled, ready=export.archive is not None)

    def take(self, archive_id: str, user: str) -> Export | None:
        """Consume a package; None if there is none, or no longer."""
        for export in self.by_id.values():
            if export.archive_id == archive_id and export.user == user:
                now, life = self.world.clock.now(), export.life
                valid = now < life.updated + self.world.options.url_seconds
                if export.consumed or export.gone or not valid or life.status != DONE:
                    return None
                export.consumed = True
                return export
        return None

    def fail(self, export: Export, message: str, *, name: str = "", code: str = _BROKEN) -> None:
        """End a job without a package."""
        export.reasons.append(
            {"resource_type": "application", "resource_name": name, "error_code": code,
             "error_msg": message}
        )  # fmt: skip
        export.life.end(FAILED, self.world.clock.now())

    async def finish(self, export: Export) -> None:
        """End a job with its package, as soon as it is built."""
        if export.building is not None:
            await asyncio.wait({export.building})
        export.life.end(DONE, self.world.clock.now())

    def _begin(self, export: Export, ids: list[str], fault: Fault | None) -> None:
        inventory = self.inventory
        found = [inventory.apps.get(one) or inventory.tasks.get(one) for one in ids]
        items = [one for one in found if one is not None]
        missing = [one for one, item in zip(ids, found, strict=True) if item is None]
        kind = fault.kind if fault else ""
        if kind == "failed" and fault:
            self.fail(export, fault.param("error", "resource is locked"), name=items[0].name)
        elif missing:
            self.fail(export, "resource does not exist", name=missing[0], code=_MISSING)
        else:
            if kind == "partial" and fault:
                items = items[: len(items) - int(fault.value or 1)]
            export.building = self.world.spawn(self._build(export, items))

    async def _build(self, export: Export, items: list[Item]) -> None:
        options = self.world.options
        folder = self.world.folder / "roma"
        folder.mkdir(exist_ok=True)
        export.archive = await asyncio.to_thread(
            build,
            folder / export.archive_id,
            members_of(items, package=options.roma_package, item_bytes=options.item_bytes),
            container=options.roma_container,
            style=options.zip_style,
        )


def _epoch(day: dt.date) -> float:
    return dt.datetime.combine(day, dt.time(), dt.timezone.utc).timestamp()
