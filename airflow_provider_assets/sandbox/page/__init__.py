"""The page at ``/`` in a browser: requests, the progress of jobs, and faults to arm with a click.

``files`` are the page itself, which loads nothing from elsewhere; its script asks for ``snapshot``
every second and arms and clears faults by the admin routes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from airflow_provider_assets.sandbox.vendor import Json, Vendor
from airflow_provider_assets.sandbox.world import World

_FOLDER = Path(__file__).parent
FILES = {"index.html": "text/html", "style.css": "text/css", "script.js": "text/javascript"}
# Nothing but the page's own files and answers, whatever a request's path may contain.
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:"
)
_JOBS = 30

# Faults to choose from: what they hit, its pattern, the groups of routes that a vendor needs for it,
# and for each fault a label, its kind and its parameters.
_Choice = tuple[str, str, str]
MENU: tuple[tuple[str, str, frozenset[str], tuple[_Choice, ...]], ...] = (
    (
        "Listing", "list", frozenset({"list"}),
        (("500", "500", ""), ("empty page", "empty-page", ""), ("reset", "drop", ""),
         ("5 s late", "delay=5", "")),
    ),
    (
        "Submit", "submit", frozenset({"submit"}),
        (("429", "429", "retry_after=2"), ("500", "500", ""), ("reset", "drop", ""),
         ("accept, then reset", "accept-then-reset", ""), ("401", "401", "")),
    ),
    (
        "Job", "job", frozenset({"submit"}),
        (("fails", "failed", ""), ("never ends", "stuck", ""), ("takes 30 s", "slow=30", ""),
         ("lacks an item", "partial=1", "")),
    ),
    (
        "Poll", "*poll", frozenset({"poll"}),
        (("429", "429", "retry_after=2"), ("proxy's 502", "502html", ""), ("reset", "drop", ""),
         ("no answer", "hang", "")),
    ),
    (
        "Link", "link", frozenset({"link"}),
        (("500", "500", ""), ("404", "404", "")),
    ),
    (
        "Download", "download", frozenset(),
        (("reset in the middle", "reset", ""), ("truncated", "truncate", ""),
         ("corrupt", "corrupt", ""), ("link expired", "expired", ""),
         ("100 KB/s", "slow=100000", ""), ("no Range", "no-range", ""), ("503", "503", "")),
    ),
    (
        "Token", "auth", frozenset({"auth"}),
        (("401", "401", ""), ("500", "500", "")),
    ),
)  # fmt: skip


def read(name: str) -> str:
    """The text of one of ``FILES``."""
    return (_FOLDER / name).read_text(encoding="utf-8")


def snapshot(world: World, vendors: Iterable[Vendor], origin: str) -> Json:
    """Everything that changes on the page."""
    served, stats = list(vendors), world.stats.report()
    return {
        "now": world.clock.now(),
        "offset": world.clock.offset,
        "vendors": [_vendor(world, one, origin) for one in served],
        "jobs": _jobs(world, served),
        "faults": world.faults.report(),
        "requests": world.requests.latest(),
        "totals": stats["totals"],
    }


def menu(vendor: Vendor) -> list[Json]:
    """The faults that make sense for a vendor; a kind gets its count from the page."""
    groups = {route.group for route in vendor.routes()}
    return [
        {
            "title": title,
            "route": f"{vendor.name}.{pattern}",
            "choices": [
                {"label": label, "kind": kind, "params": params} for label, kind, params in choices
            ],
        }
        for title, pattern, needed, choices in MENU
        if not needed or groups & needed
    ]


def _vendor(world: World, vendor: Vendor, origin: str) -> Json:
    tally = world.stats.vendors[vendor.name]
    return {
        "name": vendor.name,
        "connection": vendor.describe(origin)["connection"],
        "rates": world.requests.rates(vendor.name),
        "menu": menu(vendor),
        **{name: tally[name] for name in ("requests", "accepted", "errors", "bytes")},
    }


def _jobs(world: World, vendors: list[Vendor]) -> list[Json]:
    """The newest jobs, without those that existed before anybody asked."""
    asked = world.stats.jobs
    found: list[Json] = [
        {
            "vendor": vendor.name,
            **job,
            "polls": asked[str(job["id"])]["polls"] + asked[str(job["id"])]["bulk_polls"],
        }
        for vendor in vendors
        for job in vendor.jobs()
        if job["id"] in asked
    ]
    found.sort(key=lambda job: str(job["created"]), reverse=True)
    return found[:_JOBS]
