"""Export jobs and the packages they leave behind, each of which can be had once.

Source: ROMA Connect's API reference. One export of a user runs at a time; a package is removed
by its download, or when its validity period ends (``--url-seconds`` here; not documented).
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_assets.sandbox.lifecycle import Lifecycle

from .dialects import FAILED, STAGES
from .packages import build, members_of

if TYPE_CHECKING:
    from airflow_provider_assets.sandbox.faults import Fault
    from airflow_provider_assets.sandbox.world import World
    from airflow_provider_assets.sandbox.zips import Archive

    from .items import Inventory, Item

_MISSING = "ROMA.00000303"
_BROKEN = "ROMA.00000101"


@dataclass(slots=True, kw_only=True)
class Export:
    """One job; `archive_id` is what its package is downloaded by."""

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
    """Every job by id, and which of them still has a package."""

    world: World
    inventory: Inventory
    by_id: dict[str, Export] = field(default_factory=dict)

    async def busy(self, user: str) -> bool:
        """Whether an export of this user runs."""
        for export in self.by_id.values():
            await self.look(export, polled=False)
        return any(one.user == user and not one.life.over for one in self.by_id.values())

    def submit(self, ids: list[str], user: str) -> Export:
        """Accept an export; one that names what does not exist will fail."""
        options = self.world.options
        fault = self.world.faults.take("roma.job", "job", path="/")
        kind = fault.kind if fault else ""
        slow = float(fault.value or 10) if fault and kind == "slow" else options.job_seconds
        export = Export(
            id=secrets.token_hex(16),
            user=user,
            archive_id=f"arch-{secrets.token_hex(8)}",
            life=Lifecycle(
                stages=STAGES,
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
        last_step = export.life.by_poll and export.life.status == STAGES[-2]
        if export.building and not export.building.done() and polled and last_step:
            await asyncio.wait({export.building})
        export.life.look(self.world.clock.now(), polled=polled, ready=export.archive is not None)

    def take(self, archive_id: str, user: str) -> Export | None:
        """Consume a package: the first caller has it, everybody after gets None."""
        for export in self.by_id.values():
            if export.archive_id == archive_id and export.user == user:
                now, life = self.world.clock.now(), export.life
                valid = now < life.updated + self.world.options.url_seconds
                if export.consumed or export.gone or not valid or life.status != STAGES[-1]:
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
        export.life.end(STAGES[-1], self.world.clock.now())

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
