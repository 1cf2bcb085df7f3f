"""The audit of a destination: what the vendor lists, compared with what has landed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from airflow_provider_assets.destinations import Destination
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.landing.inventory import check_depth
from airflow_provider_assets.landing.markers import REPORTS_FOLDER
from airflow_provider_assets.landing.stores.base import put_document
from airflow_provider_assets.listing.estimate import MAX_ROWS, describe
from airflow_provider_assets.listing.inputs import ExportInputs
from airflow_provider_assets.listing.landed import add_landings
from airflow_provider_assets.listing.periods import each_period
from airflow_provider_assets.sansio.batching import split_into_batches
from airflow_provider_assets.sansio.fingerprints import fingerprint
from airflow_provider_assets.sansio.jobs import ArchiveRequest, Data
from airflow_provider_assets.sansio.periods import check_length
from airflow_provider_assets.sansio.reconcile import Comparison, Counts, Found, total
from airflow_provider_assets.sansio.records import Facts
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.table import table
from airflow_provider_assets.sansio.window import Window

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
        """Whether nothing needs to be exported again."""
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
        """The items to export again, as ``items`` of one batch each."""
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


def store_report(result: Reconciled, target: Destination) -> str:
    """Write the report object in *target*, in place of an earlier one; returns its name there."""
    name = f"{REPORTS_FOLDER}{result.stem}.json"
    put_document(target.store, target.prefix + name, result.document())
    return name
