"""Applications and data-integration tasks of one instance, and their listings.

Source: ROMA Connect's API reference and the models of its Python SDK. There is no filter by time;
paging is by offset and limit.
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_assets.sandbox.options import Options
    from airflow_provider_assets.sandbox.world import Json

_WORDS = ("billing", "orders", "stock", "Übergabe", "crm", "ledger", "fleet", "payroll")
_TASK_STATES = ("UNSTARTED", "WAITING", "RUNNING", "SUCCESS", "CANCELLED", "ERROR")
_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An application or a task; times are epoch seconds."""

    id: str
    name: str
    kind: str
    created: float
    updated: float
    owner: str
    seed: int
    app: str = ""

    def json(self) -> Json:
        """As its listing shows it."""
        return _app_json(self) if self.kind == "app" else _task_json(self)


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
            self._add(rng, number, moment)
        for day, count in self.options.days:
            self.add_day(day, count)

    def add_day(self, day: dt.date, count: int) -> list[str]:
        """Exactly `count` items, apps and tasks in turn, changed within a UTC day."""
        known = len(self.apps) + len(self.tasks)
        rng = random.Random(f"{self.options.seed}/{day}/{known}")
        midnight = _epoch(day)
        return [
            self._add(rng, known + number, midnight + rng.randrange(_DAY))
            for number in range(count)
        ]

    def app_at(self, updated: float, number: int) -> Item:
        """An application changed at a moment, which is not listed yet; *number* tells it from others."""
        rng = random.Random(f"{self.options.seed}/{updated}/late {number}")
        known = len(self.apps) + len(self.tasks) + number
        return self._made(rng, known + known % 2, updated)

    def show(self, item: Item) -> None:
        """List an item."""
        (self.apps if item.kind == "app" else self.tasks)[item.id] = item

    def all(self) -> list[Item]:
        """Everything, the longest unchanged first."""
        both = [*self.apps.values(), *self.tasks.values()]
        return sorted(both, key=lambda one: (one.updated, one.id))

    def by_name(self, name: str) -> Item | None:
        """An application by its exact name, as exports of 2022 name it."""
        return next((one for one in self.apps.values() if one.name == name), None)

    def _add(self, rng: random.Random, number: int, updated: float) -> str:
        item = self._made(rng, number, updated)
        self.show(item)
        return item.id

    def _made(self, rng: random.Random, number: int, updated: float) -> Item:
        kind = "task" if number % 2 else "app"
        identity = uuid.UUID(int=rng.getrandbits(128), version=4)
        return Item(
            id=str(identity) if kind == "app" else identity.hex,
            name=f"{rng.choice(_WORDS)}-{kind}-{number}",
            kind=kind,
            created=float(int(updated - rng.uniform(0, 300) * _DAY)),
            updated=float(int(updated)),
            owner=rng.choice(("exporter", "second")),
            seed=rng.randrange(1 << 31),
            app=next(iter(self.apps), ""),
        )


def listed(
    items: list[Item], query: Mapping[str, str], *, user: str, filters: Mapping[str, Filter]
) -> list[Item]:
    """The items that pass every filter of a query."""
    given = [(test, query[name]) for name, test in filters.items() if name in query]
    return [one for one in items if all(test(one, value, user) for test, value in given)]


Filter = Callable[[Item, str, str], bool]
APP_FILTERS: dict[str, Filter] = {
    "name": lambda one, value, _: value.lower() in one.name.lower(),
    "owner": lambda one, value, user: (one.owner == user) == (value.lower() == "true"),
    "favorite": lambda one, value, _: _favourite(one) == (value.lower() == "true"),
    "user_name": lambda one, value, _: one.owner == value,
    "auth_role": lambda _, value, __: value in ("read", "FULL"),
}
TASK_FILTERS: dict[str, Filter] = {
    "name": lambda one, value, _: value.lower() in one.name.lower(),
    "task_id": lambda one, value, _: one.id == value,
    "status": lambda one, value, _: str(_running(one)) == value,
    "task_type": lambda one, value, _: _task_type(one).lower() == value.lower(),
    "execute_status": lambda one, value, _: _execution(one) == value,
    "source_app_id": lambda one, value, _: one.app == value,
    "target_app_id": lambda one, value, _: one.app == value,
}


def _app_json(one: Item) -> Json:
    return {
        "id": one.id, "name": one.name, "remark": "", "roles": ["read"],
        "create_time": _iso(one.created), "update_time": _iso(one.updated),
        "created_user": {"user_id": one.owner, "user_name": one.owner},
        "last_updated_user": {"user_id": one.owner, "user_name": one.owner},
        "owner": True, "key": f"app-key-{one.seed}", "favorite": _favourite(one),
    }  # fmt: skip


def _task_json(one: Item) -> Json:
    return {
        "task_id": one.id, "task_name": one.name, "task_type": _task_type(one),
        "status": _running(one), "execute_status": _execution(one), "version": "1",
        "created_date": _iso(one.created), "last_modified_time": int(one.updated * 1000),
        "source_app_id": one.app, "target_app_id": one.app,
    }  # fmt: skip


def _favourite(one: Item) -> bool:
    return one.seed % 5 == 0


def _running(one: Item) -> int:
    return one.seed % 2


def _task_type(one: Item) -> str:
    return "TIMING" if one.seed % 3 else "REALTIME"


def _execution(one: Item) -> str:
    return _TASK_STATES[one.seed % len(_TASK_STATES)]


def _iso(epoch: float) -> str:
    return dt.datetime.fromtimestamp(epoch, tz=dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _epoch(day: dt.date) -> float:
    return dt.datetime.combine(day, dt.time(), dt.timezone.utc).timestamp()
