"""One emulated API: its routes, its refusals, and what the server and the admin routes ask of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint of a vendor.

    :param name: its name in faults and counters, such as ``scenario.submit``.
    :param group: the kind of request it is, such as ``submit``: a key of ``stats.TALLY_KEYS``.
    :param error: makes its error responses where they differ from the vendor's usual ones.
    """

    method: str
    path: str
    name: str
    group: str
    handler: Handler
    error: Callable[[int], web.Response] | None = None


class Refused(Exception):
    """Ends a request with an error response, from anywhere in a vendor's code."""

    def __init__(self, response: web.Response) -> None:
        super().__init__(response.status)
        self.response = response


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """An item that the vendor finishes or lists some time after its creation.

    :param at: epoch seconds of its creation.
    :param finish_after: seconds from its creation until it is finished; it is pending meanwhile.
    :param list_after: seconds from its creation until the vendor shows it to anybody.
    :param touched: whether finishing it moves the time of its last change. Scenario does not
        document that; Topaz's processes always move theirs.
    """

    at: float
    finish_after: float = 0.0
    list_after: float = 0.0
    touched: bool = True
    # Tells apart two items of the same moment: neither is listed yet when the other one is made.
    number: int = field(default_factory=count(1).__next__, init=False)


class Vendor(Protocol):
    """One emulated API. Everything from ``jobs`` on is for the admin routes only."""

    name: str

    def routes(self) -> list[Route]:
        """Every endpoint of the API."""

    def describe(self, origin: str) -> Json:
        """The vendor's part of the ready line, including ``connection``."""

    def error(self, status: int, *, extra: Json | None = None) -> web.Response:
        """An error response in the vendor's shape; ``extra`` is merged into the body."""

    def jobs(self) -> list[Json]:
        """Every job: id, vendor, status and whatever helps."""

    async def truth(self, job_id: str) -> Json | None:
        """The content of a job's archive; None when there is no such job."""

    async def act(self, job_id: str, action: str, detail: str) -> bool:
        """Finish, fail, stick, cancel or expire a job; False when there is no such job."""

    def items(self) -> list[Json]:
        """Every item that exists, with the fields that a listing should select it by."""

    def add_items(self, day: dt.date, count: int) -> list[str]:
        """Create more items within a day; returns their ids."""

    def add_late(self, late: Late) -> str:
        """Create one late item; returns its id.

        :raises ValueError: for a kind of lateness that the vendor does not have.
        """

    def remove_item(self, item_id: str) -> bool:
        """Delete an item; False when there is none."""
