"""What an export would take: items, batches and bytes of each period, from the listing alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from itertools import islice
from typing import cast

from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.landing.inventory import in_order
from airflow_provider_assets.operators.inputs import ExportInputs
from airflow_provider_assets.sansio.batching import BatchCount
from airflow_provider_assets.sansio.jobs import Data, Item, Selected
from airflow_provider_assets.sansio.periods import (
    WHOLE,
    Period,
    check_length,
    label_of,
    split_into_periods,
)
from airflow_provider_assets.sansio.records import Facts, OnRecord, Record
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.table import table
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors.base import Vendor

# Rows that an XCom holds at most; the rest is in the log, or in the report object.
MAX_ROWS = 62
LISTINGS = 4  # periods that are listed at the same time


@dataclass(slots=True)
class Estimate:
    """The numbers of one period.

    :ivar batches: of an export of this period alone.
    :ivar sized: items of which the vendor says the size.
    """

    count: BatchCount
    items: int = 0
    pending: int = 0
    sized: int = 0
    known_bytes: int = 0

    @property
    def bytes(self) -> int | None:
        """Estimate from the items of known size; None if the vendor says none."""
        return round(self.known_bytes / self.sized * self.items) if self.sized else None

    def to_dict(self) -> dict[str, JSON]:
        """JSON form."""
        return {
            "items": self.items,
            "pending": self.pending,
            "batches": self.count.batches,
            "bytes": self.bytes,
        }


@dataclass(slots=True)
class ExportPlan:
    """The plan of an export: nothing of it has been submitted.

    :param about: vendor, connection, window and length of the periods.
    :ivar one_run: the numbers of one export of everything.
    """

    about: Data
    one_run: Estimate
    periods: dict[str, Estimate] = field(default_factory=dict)

    def to_dict(self) -> Data:
        """JSON form, with all rows."""
        rows = {label: row.to_dict() for label, row in self.periods.items()}
        return {**self.about, "totals": self.one_run.to_dict(), "periods": cast("JSON", rows)}

    def summary(self) -> Data:
        """JSON form of a size that XCom may hold: only the first rows where there are many."""
        return replace(self, periods=dict(islice(self.periods.items(), MAX_ROWS))).to_dict()

    def table(self) -> str:
        """One line per period and one for an export of everything at once."""
        rows = {label: row.to_dict() for label, row in self.periods.items()}
        return table({**rows, "at once": self.one_run.to_dict()})


def plan_export(
    hook: AssetArchiveHook, inputs: ExportInputs, window: Window | None, period: str
) -> ExportPlan:
    """List *window*, and count what an export would submit.

    :param period: ``day``, ``month`` or ``year``.
    """
    check_length(period)
    most = hook.vendor.spec.max_batch
    plan = ExportPlan(describe(hook, window, period), Estimate(BatchCount(most)))
    for listed in each_period(hook, inputs, window, period):
        row = plan.periods[listed.period.label] = Estimate(BatchCount(most))
        for estimate in (row, plan.one_run):
            estimate.pending += len(listed.selected.pending)
            for item in dict.fromkeys(listed.selected.items):
                size = listed.facts.get(item, Facts()).bytes
                estimate.count.begins(item)
                estimate.items += 1
                estimate.sized += size is not None
                estimate.known_bytes += size or 0
    return plan


def describe(hook: AssetArchiveHook, window: Window | None, period: str) -> Data:
    """The subject of a plan or a report."""
    return {
        "version": 1,
        "vendor": hook.vendor.spec.name,
        "conn_id": hook.conn_id,
        "window": list(window.iso()) if window else None,
        "period": period,
    }


@dataclass(frozen=True, slots=True)
class Listed:
    """The listing of one period, and the facts of its items that are known."""

    period: Period
    selected: Selected
    facts: dict[Item, Facts]


def each_period(
    hook: AssetArchiveHook, inputs: ExportInputs, window: Window | None, length: str
) -> Iterator[Listed]:
    """The vendor's listing by period, in order; named items are one period.

    Where the vendor lists windows, a few periods are listed in parallel, and no more are in memory. Others
    are listed once, as a whole.
    """
    vendor, query = hook.vendor, dict(inputs.select or {})
    # Made here: of several threads, each might make a transport with its own rate limit.
    run = hook.transport.run

    def listed(period: Period) -> Listed:
        facts, keep = _facts(vendor, query)
        return Listed(period, run(vendor.select(query, period.window, on_record=keep)), facts)

    if inputs.items is not None:
        facts, keep = _facts(vendor, query)
        named = cast("dict[str, list[str]]", inputs.items)
        found = run(vendor.expand(named, on_record=keep))
        yield Listed(Period(WHOLE, None), Selected(found), facts)
    elif window is None:
        yield listed(Period(WHOLE, None))
    elif vendor.spec.lists_windows:
        with ThreadPoolExecutor(LISTINGS, "listing") as pool:
            yield from in_order(pool, split_into_periods(window, length), listed, ahead=LISTINGS)
    else:
        yield from _divided(listed(Period(WHOLE, window)), window, length)


def _divided(whole: Listed, window: Window, length: str) -> Iterator[Listed]:
    """A listing of *window* by the times of its items.

    What has no time is in the last period, and so are items that are pending, of which no time is told.
    """
    periods = {one.label: one for one in split_into_periods(window, length)}
    last = next(reversed(periods))
    rows: dict[str, list[Item]] = {label: [] for label in periods}
    for item in whole.selected.items:
        moment = whole.facts.get(item, Facts()).moment
        label = last if moment is None else label_of(_utc(moment), length)
        rows.get(label, rows[last]).append(item)
    for label, items in rows.items():
        pending = whole.selected.pending if label == last else []
        yield Listed(periods[label], Selected(items, pending), whole.facts)


def _utc(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, timezone.utc)


def _facts(vendor: Vendor, query: Mapping[str, JSON]) -> tuple[dict[Item, Facts], OnRecord]:
    """A collection of facts, and what fills it from records."""
    facts: dict[Item, Facts] = {}

    def keep(item: Item, record: Record) -> None:
        facts[item] = vendor.facts(query, record)

    return facts, keep
