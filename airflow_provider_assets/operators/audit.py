"""The audit of a destination: reconciled with the vendor's listing, verified alone, or summed up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

from airflow_provider_assets.destinations import Destination
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.landing.inventory import Inventory, Shelved, check_depth
from airflow_provider_assets.landing.markers import REPORTS_FOLDER
from airflow_provider_assets.landing.stores.base import put_document
from airflow_provider_assets.operators.estimate import MAX_ROWS, describe, each_period
from airflow_provider_assets.operators.inputs import ExportInputs
from airflow_provider_assets.sansio.batching import split_into_batches
from airflow_provider_assets.sansio.jobs import ArchiveRequest, Data, fingerprint
from airflow_provider_assets.sansio.periods import check_length, label_of
from airflow_provider_assets.sansio.reconcile import Comparison, Counts, Found, Problem, total
from airflow_provider_assets.sansio.records import Facts
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.table import table
from airflow_provider_assets.sansio.window import Window, parse_moment
from airflow_provider_assets.vendors.base import VendorSpec

MAX_PROBLEMS = 10


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The result of a comparison.

    :param about: vendor, connection, destination, window, periods and depth.
    :param stem: name of the report object, without its extension.
    """

    about: Data
    stem: str
    comparison: Comparison
    max_batch: int

    @property
    def totals(self) -> Counts:
        """The numbers of the whole window."""
        return total(self.comparison.counts().values())

    @property
    def is_complete(self) -> bool:
        """Whether nothing is to be exported again."""
        return self.totals.is_complete

    def summary(self) -> Data:
        """JSON form of a size that XCom may hold: where there are many periods, only the first with gaps."""
        counts = self.comparison.counts()
        if len(counts) > MAX_ROWS:
            gaps = [(label, row) for label, row in counts.items() if not row.is_complete]
            counts = dict(gaps[:MAX_ROWS])
        rows = {label: row.to_dict() for label, row in counts.items()}
        problems = [one.to_dict() for one in self.comparison.problems[:MAX_PROBLEMS]]
        return self._data(rows, problems)

    def to_dict(self) -> Data:
        """JSON form, with all periods and problems."""
        rows = {label: row.to_dict() for label, row in self.comparison.counts().items()}
        return self._data(rows, [one.to_dict() for one in self.comparison.problems])

    def document(self) -> bytes:
        """Everything, with the ids of all gaps by period."""
        data = self.to_dict()
        for found in (Found.MISSING, Found.CHANGED, Found.DAMAGED):
            data[f"{found.name.lower()}_ids"] = cast("JSON", self.comparison.ids(found))
        return json.dumps(data, indent=1, ensure_ascii=False).encode()

    def _data(self, rows: Mapping[str, Mapping[str, int]], problems: list[Data]) -> Data:
        return {
            **self.about,
            "complete": self.is_complete,
            "landings": self.comparison.landings,
            "totals": cast("JSON", self.totals.to_dict()),
            "periods": cast("JSON", dict(rows)),
            "problem_count": self.comparison.problem_count,
            "problems": cast("JSON", problems),
        }

    def table(self) -> str:
        """One line per period, and the totals."""
        counts = {**self.comparison.counts(), "total": self.totals}
        return table({label: row.to_dict() for label, row in counts.items()})

    def gaps(self) -> list[dict[str, list[str]]]:
        """What is to be exported again, as ``items`` of one batch each."""
        batches = split_into_batches(
            "", self.comparison.gaps(), max_batch=self.max_batch, options={}
        )
        return [{kind: list(ids) for kind, ids in one.items.items()} for one in batches]


def reconcile(
    hook: AssetArchiveHook,
    inputs: ExportInputs,
    target: Destination,
    window: Window | None,
    *,
    period: str,
    verify: str,
) -> Reconciled:
    """Compare the vendor's listing of *window* with all manifests under *target*.

    :param period: ``day``, ``month`` or ``year``.
    :param verify: ``manifest``, ``sizes`` or ``bytes``, see :mod:`~.landing.inventory`.
    """
    check_length(period)
    check_depth(verify)
    spec = hook.vendor.spec
    comparison = Comparison(names_tell=spec.entry_per_item)
    for listed in each_period(hook, inputs, window, period):
        comparison.begin(listed.period.label)
        comparison.postpone(len(listed.selected.pending))
        for item in listed.selected.items:
            comparison.expect(item, listed.facts.get(item, Facts()).changed_at)
    add_landings(comparison, spec, target, verify)
    about: Data = {
        **describe(hook, window, period),
        "destination": target.store.uri(target.prefix),
        "verify": verify,
    }
    query_id = fingerprint([hook.conn_id, dict(inputs.select or {})])
    stem = ArchiveRequest(spec.name, {}, window=window.iso() if window else None, query_id=query_id)
    return Reconciled(about, stem.stem, comparison, spec.max_batch)


def add_landings(
    comparison: Comparison,
    spec: VendorSpec,
    target: Destination,
    verify: str,
    may_hold: Callable[[str], bool] = lambda key: True,
) -> None:
    """Tell *comparison*, which knows what is listed, what has landed of it under *target*.

    :param may_hold: as of :class:`Inventory`.
    """

    def wanted(shelved: Shelved) -> bool:
        is_ours = shelved.record.facts.get("vendor") in (spec.name, None)
        return is_ours and comparison.concerns(shelved.landing)

    for found in Inventory(target.store, target.prefix, verify, wanted, may_hold).read():
        if isinstance(found, Problem):
            comparison.note(found.uri, found.why)
        else:
            comparison.add(found.landing)


def store_report(result: Reconciled, target: Destination) -> str:
    """Write the report object in *target*, in place of an earlier one; returns its name there."""
    name = f"{REPORTS_FOLDER}{result.stem}.json"
    put_document(target.store, target.prefix + name, result.document())
    return name


# --- a destination alone ---------------------------------------------------------------------


@dataclass(slots=True)
class Holding:
    """The numbers of what has landed of one period."""

    landings: int = 0
    items: int = 0
    files: int = 0
    bytes: int = 0
    damaged: int = 0

    def add(self, shelved: Shelved) -> None:
        """Add a landing."""
        record, facts = shelved.record, shelved.record.facts
        self.landings += 1
        self.items += _number(facts.get("items")) - _number(facts.get("failed"))
        self.files += record.entries
        self.bytes += record.bytes
        self.damaged += bool(shelved.landing.broken or shelved.landing.damaged)

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


def _row(shelved: Shelved, period: str) -> str:
    facts = shelved.record.facts
    window = facts.get("window")
    vendor = str(facts.get("vendor", "unknown"))
    if not isinstance(window, list) or not window:
        return f"{vendor} without a window"
    return f"{vendor} {label_of(parse_moment(window[0], 'window start'), period)}"


def _problems(shelved: Shelved) -> Iterator[Problem]:
    landing = shelved.landing
    if landing.broken:
        yield Problem(landing.uri, landing.broken)
    for name, why in landing.damaged.items():
        yield Problem(landing.uri, f"{name}: {why}")


def _number(value: JSON) -> int:
    return int(value) if isinstance(value, (int, float)) else 0
