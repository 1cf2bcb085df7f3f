"""Applications and data-integration tasks, generated from a seed."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass

_WORDS = ("billing", "orders", "stock", "Übergabe", "crm", "ledger", "fleet", "payroll")
_TASK_STATES = ("UNSTARTED", "WAITING", "RUNNING", "SUCCESS", "CANCELLED", "ERROR")
_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An application or a task.

    :param kind: ``app`` or ``task``.
    :param created: epoch seconds; likewise ``updated``.
    :param app: the id of the application that a task belongs to.
    """

    id: str
    name: str
    kind: str
    created: float
    updated: float
    owner: str
    seed: int
    app: str = ""

    @property
    def favourite(self) -> bool:
        """Whether an application is marked as a favourite."""
        return self.seed % 5 == 0

    @property
    def running(self) -> int:
        """1 for a task that is started, else 0."""
        return self.seed % 2

    @property
    def task_type(self) -> str:
        """The kind of schedule of a task."""
        return "TIMING" if self.seed % 3 else "REALTIME"

    @property
    def execution(self) -> str:
        """The result of a task's last run."""
        return _TASK_STATES[self.seed % len(_TASK_STATES)]


def make_item(rng: random.Random, number: int, updated: float, *, app: str) -> Item:
    """An item that was changed last at a moment: an application if its number is even, else a task."""
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
        app=app,
    )
