"""What every part of one running sandbox shares, and what a vendor must offer."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from .clock import Clock
from .faults import FaultBook
from .stats import Stats
from .storage import Storage

if TYPE_CHECKING:
    from pathlib import Path

    from .options import Options

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Route:
    """One call of a vendor: what it is named in faults and counters, and who answers it.

    `refuse` words its errors where that differs from the vendor's other calls.
    """

    method: str
    path: str
    name: str
    group: str
    handler: Handler
    refuse: Callable[[int], web.Response] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token that was issued: to whom, for which project, until when (epoch seconds)."""

    user: str
    project: str
    expires: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """An item that the vendor finishes or lists some time after it came to exist; seconds.

    :param at: epoch of its creation.
    :param finish_after: from its creation until it is finished; it is pending meanwhile.
    :param list_after: from its creation until the vendor shows it to anybody.
    :param touched: whether finishing it moves the time of its last change. Scenario does not document
        that; Topaz's processes always move theirs.
    """

    at: float
    finish_after: float = 0.0
    list_after: float = 0.0
    touched: bool = True
    # Two of the same moment are two: neither is listed yet when the other one is made.
    number: int = field(default_factory=count(1).__next__, init=False)


class Vendor(Protocol):
    """One emulated API. `jobs` and `act` are the sandbox's own view, for its admin route."""

    name: str

    def routes(self) -> list[Route]:
        """Every call of the API."""

    def describe(self, origin: str) -> Json:
        """The vendor's part of the ready line, `connection` included."""

    def refuse(self, status: int, *, extra: Json | None = None) -> web.Response:
        """An error in the vendor's shape; `extra` is merged into the body."""

    def jobs(self) -> list[Json]:
        """Every job: id, vendor, status and whatever helps."""

    async def truth(self, job_id: str) -> Json | None:
        """What the archive of a job holds, None when there is no such job."""

    async def act(self, job_id: str, action: str, detail: str) -> bool:
        """Finish, fail, stick, cancel or expire a job; False when there is no such job."""

    def items(self) -> list[Json]:
        """Every item that exists, with what a listing should select it by."""

    def add_items(self, day: dt.date, count: int) -> list[str]:
        """Let more items come to exist within a day; returns their ids."""

    def add_late(self, late: Late) -> str:
        """Let one item come to exist so; returns its id. Raises ValueError for what cannot be."""

    def remove_item(self, item_id: str) -> bool:
        """Delete an item; False when there is none."""


@dataclass(slots=True)
class World:
    """Options, time, counters, faults and files of one running sandbox.

    `options` may be changed while it runs, `launched` is what it was started with.
    """

    options: Options
    folder: Path
    clock: Clock = field(default_factory=Clock)
    stats: Stats = field(default_factory=Stats)
    faults: FaultBook = field(default_factory=FaultBook)
    storage: Storage = field(init=False)
    launched: Options = field(init=False)
    tokens: dict[str, Token] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    due: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.launched = self.options
        self.storage = Storage(self, secret=f"sandbox/{self.options.seed}".encode())
        for fault in self.options.faults:
            self.faults.arm(fault)

    def later(self, moment: float, happen: Callable[[], None]) -> None:
        """Let something happen as soon as the clock has reached a moment (epoch seconds)."""
        self.due.append((moment, happen))
        self.catch_up()

    def catch_up(self) -> None:
        """Let happen, in order, what is due by now; nobody can tell that nobody looked before."""
        while self.due:
            first = min(self.due, key=lambda one: one[0])
            if first[0] > self.clock.now():
                return
            self.due.remove(first)
            first[1]()

    def spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        """Run something beside the requests, kept alive until it ends."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task
