"""The vendor's listing of a span by period, with what its records say about size and time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import cast

from airflow_provider_assets.ahead import in_order
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.listing.inputs import ExportInputs
from airflow_provider_assets.sansio.jobs import Item, Selected
from airflow_provider_assets.sansio.periods import WHOLE, Period, label_of, split_into_periods
from airflow_provider_assets.sansio.records import Facts, OnRecord, Record
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors.base import Vendor

LISTINGS = 4  # periods that are listed at the same time


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
        yield Listed(Period(WHOLE, None), found, facts)
    elif window is None:
        yield listed(Period(WHOLE, None))
    elif vendor.spec.lists_windows:
        with ThreadPoolExecutor(LISTINGS, "listing") as pool:
            yield from in_order(pool, split_into_periods(window, length), listed, ahead=LISTINGS)
    else:
        yield from _divided(listed(Period(WHOLE, window)), window, length)


def _divided(whole: Listed, window: Window, length: str) -> Iterator[Listed]:
    """A listing of *window* by the times of its items.

    What has no time is in the last period, and so are items that are pending, whose times are unknown.
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
