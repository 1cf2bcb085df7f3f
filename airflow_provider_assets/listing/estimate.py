"""The size of an export: items, batches and bytes of each period, from the listing alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice
from typing import cast

from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.listing.inputs import ExportInputs
from airflow_provider_assets.listing.periods import each_period
from airflow_provider_assets.sansio.batching import BatchCount
from airflow_provider_assets.sansio.jobs import Data
from airflow_provider_assets.sansio.periods import check_length
from airflow_provider_assets.sansio.records import Facts
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.table import table
from airflow_provider_assets.sansio.window import Window

# The most rows that an XCom holds; the rest is in the log, or in the report object.
MAX_ROWS = 62


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
    spec = hook.vendor.spec
    plan = ExportPlan(
        describe(hook, window, period), Estimate(BatchCount(spec.max_batch, spec.single))
    )
    for listed in each_period(hook, inputs, window, period):
        row = plan.periods[listed.period.label] = Estimate(BatchCount(spec.max_batch, spec.single))
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
