"""The size of an export: items, batches and bytes of each period, from the listing alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice
from typing import cast

from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.listing.inputs import ExportInputs
from airflow_provider_assets.listing.periods import each_period
from airflow_provider_assets.sansio.batching import BatchCount
from airflow_provider_assets.sansio.jobs import Data, Item
from airflow_provider_assets.sansio.periods import check_length
from airflow_provider_assets.sansio.records import Facts
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.table import table
from airflow_provider_assets.sansio.window import Window

# The most rows that an XCom holds; the rest is in the log, or in the report object.
MAX_ROWS = 62


@dataclass(slots=True)
class EstimateRow:
    """The numbers of one period.

    :ivar batches: of an export of this period alone.
    :ivar sized: items of which the vendor says the size.
    """

    count: BatchCount
    items: int = 0
    pending: int = 0
    sized: int = 0
    known_bytes: int = 0

    def add(self, item: Item, size: int | None) -> None:
        """Count *item*, of *size* bytes if the vendor states its size."""
        self.count.begins(item)
        self.items += 1
        self.sized += size is not None
        self.known_bytes += size or 0

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
class Estimate:
    """The size of an export, of which nothing has been submitted.

    :param about: vendor, connection, window and length of the periods.
    :ivar one_run: the numbers of one export of everything.
    """

    about: Data
    one_run: EstimateRow
    periods: dict[str, EstimateRow] = field(default_factory=dict)

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


def estimate_export(
    hook: AssetArchiveHook, inputs: ExportInputs, window: Window | None, period: str
) -> Estimate:
    """List *window*, and count what an export would submit.

    :param period: ``day``, ``month`` or ``year``.
    """
    check_length(period)
    spec = hook.vendor.spec
    estimate = Estimate(
        describe(hook, window, period), EstimateRow(BatchCount(spec.max_batch, spec.single))
    )
    for listed in each_period(hook, inputs, window, period):
        period_row = EstimateRow(BatchCount(spec.max_batch, spec.single))
        estimate.periods[listed.period.label] = period_row
        for row in (period_row, estimate.one_run):
            row.pending += len(listed.selected.pending)
            for item in dict.fromkeys(listed.selected.items):
                row.add(item, listed.facts.get(item, Facts()).bytes)
    return estimate


def describe(hook: AssetArchiveHook, window: Window | None, period: str) -> Data:
    """The subject of an estimate or a report."""
    return {
        "version": 1,
        "vendor": hook.vendor.spec.name,
        "conn_id": hook.conn_id,
        "window": list(window.iso()) if window else None,
        "period": period,
    }
