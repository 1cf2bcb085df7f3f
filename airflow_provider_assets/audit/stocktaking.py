"""The landings under a destination alone: verified and summed up, without asking any vendor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from airflow_provider_assets.destinations import Destination
from airflow_provider_assets.landing.inventory import Inventory, RecordedLanding, check_depth
from airflow_provider_assets.sansio.jobs import Data
from airflow_provider_assets.sansio.moments import parse_moment
from airflow_provider_assets.sansio.periods import check_length, label_of
from airflow_provider_assets.sansio.reconcile import Problem
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.table import table


@dataclass(slots=True)
class Holding:
    """The numbers of what has landed in one period."""

    landings: int = 0
    items: int = 0
    files: int = 0
    bytes: int = 0
    damaged: int = 0

    def add(self, recorded: RecordedLanding) -> None:
        """Add a landing."""
        record, facts = recorded.manifest, recorded.manifest.facts
        self.landings += 1
        self.items += _number(facts.get("items")) - _number(facts.get("failed"))
        self.files += record.entries
        self.bytes += record.bytes
        self.damaged += bool(recorded.landing.broken or recorded.landing.damaged)

    def to_dict(self) -> dict[str, JSON]:
        """JSON form."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Stocktaking:
    """All that is under a destination, by vendor and by the period in which the windows begin."""

    about: Data
    rows: dict[str, Holding] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def totals(self) -> Holding:
        """The sum of all rows."""
        whole = Holding()
        for row in self.rows.values():
            for name in Holding.__slots__:
                setattr(whole, name, getattr(whole, name) + getattr(row, name))
        return whole

    def to_dict(self) -> Data:
        """JSON form."""
        return {
            **self.about,
            "intact": not self.problems,
            "totals": cast("JSON", self.totals.to_dict()),
            "periods": cast("JSON", {label: row.to_dict() for label, row in self.rows.items()}),
            "problems": cast("JSON", [one.to_dict() for one in self.problems]),
        }

    def table(self) -> str:
        """One line per vendor and period, and the totals."""
        rows = {**self.rows, "total": self.totals}
        return table({label: row.to_dict() for label, row in rows.items()})


def take_stock(target: Destination, *, period: str, verify: str) -> Stocktaking:
    """Read all manifests under *target* and check their objects, without asking any vendor."""
    check_length(period)
    check_depth(verify)
    about: Data = {
        "version": 1,
        "destination": target.store.uri(target.prefix),
        "period": period,
        "verify": verify,
    }
    stock = Stocktaking(about)
    rows: dict[str, Holding] = {}
    for found in Inventory(target.store, target.prefix, verify).read():
        if isinstance(found, Problem):
            stock.problems.append(found)
            continue
        rows.setdefault(_row(found, period), Holding()).add(found)
        stock.problems += _problems(found)
    stock.rows = dict(sorted(rows.items()))
    return stock


def _row(recorded: RecordedLanding, period: str) -> str:
    facts = recorded.manifest.facts
    window = facts.get("window")
    vendor = str(facts.get("vendor", "unknown"))
    if not isinstance(window, list) or not window:
        return f"{vendor} without a window"
    return f"{vendor} {label_of(parse_moment(window[0], 'window start'), period)}"


def _problems(recorded: RecordedLanding) -> Iterator[Problem]:
    landing = recorded.landing
    if landing.broken:
        yield Problem(landing.uri, landing.broken)
    for name, why in landing.damaged.items():
        yield Problem(landing.uri, f"{name}: {why}")


def _number(value: JSON) -> int:
    return int(value) if isinstance(value, (int, float)) else 0
