"""The options, time, counters, requests, faults and files that all vendors of one sandbox share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from airflow_provider_assets.sandbox.clock import Clock
from airflow_provider_assets.sandbox.faults import FaultBook
from airflow_provider_assets.sandbox.options import Options
from airflow_provider_assets.sandbox.requestlog import RequestLog
from airflow_provider_assets.sandbox.stats import Stats
from airflow_provider_assets.sandbox.storage import Storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An issued token: its user, its project, and when it expires (epoch seconds)."""

    user: str
    project: str
    expires: float


@dataclass(slots=True)
class World:
    """Everything that the vendors of one running sandbox share.

    :param options: the current options; they may change while the sandbox runs.
    :param folder: where archives and uploads are kept.
    """

    options: Options
    folder: Path
    clock: Clock = field(default_factory=Clock)
    stats: Stats = field(default_factory=Stats)
    faults: FaultBook = field(default_factory=FaultBook)
    requests: RequestLog = field(default_factory=RequestLog)
    storage: Storage = field(init=False)
    launched: Options = field(init=False)  # the options that the sandbox was started with
    tokens: dict[str, Token] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _due: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.launched = self.options
        secret = f"sandbox/{self.options.seed}".encode()
        self.storage = Storage(self.clock, self.stats, secret)
        for fault in self.options.faults:
            self.faults.arm(fault)

    def later(self, moment: float, change: Callable[[], None]) -> None:
        """Make a change once the clock has reached a moment (epoch seconds)."""
        self._due.append((moment, change))
        self.catch_up()

    def catch_up(self) -> None:
        """Make, in order, all changes that are due by now.

        Called before each request: a change that nobody could see in the meantime may be made late.
        """
        while self._due:
            first = min(self._due, key=lambda one: one[0])
            if first[0] > self.clock.now():
                return
            self._due.remove(first)
            first[1]()

    def spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        """Run something in the background, kept alive until it ends."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
