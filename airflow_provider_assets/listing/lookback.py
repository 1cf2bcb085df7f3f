"""The overlap before the window of a run: lists it again, without what has landed already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING

from airflow_provider_assets.landing.markers import MANIFEST_SUFFIX
from airflow_provider_assets.listing.landed import add_landings
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.jobs import Item
from airflow_provider_assets.sansio.reconcile import Comparison
from airflow_provider_assets.sansio.records import OnRecord, Record
from airflow_provider_assets.sansio.stems import end_of
from airflow_provider_assets.sansio.window import Window

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from airflow_provider_assets.destinations import Destination
    from airflow_provider_assets.listing.spool import ListingSpool
    from airflow_provider_assets.sansio.strict_json import JSON
    from airflow_provider_assets.vendors.base import Vendor


@dataclass(slots=True)
class Lookback:
    """The part of the listing before a run's window, and how the run knows what has landed.

    :param length: of the overlap.
    :param target: the place below which all landings are.
    :param log: gets the number of items that are left out, and the manifests that cannot be read.
    :param required_facts: as in :func:`~.landed.add_landings`: what this run lands otherwise has not landed
        yet.
    """

    length: timedelta
    vendor: Vendor
    target: Destination
    log: Logger
    required_facts: Mapping[str, JSON] = field(default_factory=dict)
    _changed: dict[Item, float] = field(default_factory=dict)

    def overlap(self, window: Window) -> Window:
        """The span of :attr:`length` that ends where *window* starts.

        :raises InvalidRequestError: if nothing can lie before *window*, or the span begins before the year 1.
        """
        if not window.has_beginning:
            raise InvalidRequestError(
                "lookback: nothing lies before a window without a beginning; leave it out"
            )
        try:
            return Window(window.start - self.length, window.start)
        except OverflowError:
            raise InvalidRequestError(
                f"lookback={self.length!r} begins before the year 1"
            ) from None

    def noting(self, query: Mapping[str, JSON], on_record: OnRecord) -> OnRecord:
        """*on_record*, which also notes when an item was changed, where the listing is by change."""

        def note(item: Item, record: Record) -> None:
            changed = self.vendor.facts(query, record).changed_at
            if changed is not None:
                self._changed[item] = changed
            on_record(item, record)

        return note

    def keep(self, undated: Iterable[Item]) -> None:
        """Take *undated* items for changed: as nobody knows when they were, they lie in every window."""
        self._changed.update(dict.fromkeys(undated, inf))

    def leave_out_landed(self, spool: ListingSpool, window: Window) -> None:
        """Leave what has landed, and was not changed since, out of *spool*."""
        comparison = Comparison(names_tell=self.vendor.spec.entry_per_item)
        comparison.begin("")
        for item in spool:
            comparison.expect(item, self._changed.get(item))
        earliest = self.overlap(window).start

        def may_hold(key: str) -> bool:
            name = key.rpartition("/")[2].removesuffix(MANIFEST_SUFFIX)
            end = end_of(name, self.vendor.spec.name)
            return end is None or end > earliest

        add_landings(
            comparison,
            self.vendor.spec,
            self.target,
            "manifest",
            may_hold=may_hold,
            required_facts=self.required_facts,
        )
        for problem in comparison.problems:
            self.log.warning("%s: %s; items in it may be exported again", problem.uri, problem.why)
        listed = len(spool)
        spool.leave_out(comparison.landed())
        spool.choose()
        self.log.info("%d of the %d listed items have landed before", listed - len(spool), listed)
