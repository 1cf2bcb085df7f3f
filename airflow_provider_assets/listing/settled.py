"""Waits until the listing of a run can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.listing.batches import list_batches
from airflow_provider_assets.listing.inputs import ExportInputs
from airflow_provider_assets.sansio.batching import Batches
from airflow_provider_assets.sansio.moments import parse_moment
from airflow_provider_assets.sansio.settle import Settling, ensure_settled
from airflow_provider_assets.sansio.verdict import first_of
from airflow_provider_assets.sansio.window import BEGINNING, Window

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from airflow_provider_assets.listing.lookback import Lookback
    from airflow_provider_assets.listing.spool import ListingSpool


@dataclass(frozen=True, slots=True)
class SettledListing:
    """Lists what *inputs* select in *window*, as often as it takes.

    :param window: None where items are named, or for all there are.
    :param lookback: what is listed before the window; None for nothing.
    :param on_partial: whether items that stay pending ``fail`` the run, or it may ``land`` the others.
    :param pause: waits that many seconds, or leaves the task by a deferral.
    """

    hook: AssetArchiveHook
    inputs: ExportInputs
    window: Window | None
    settling: Settling
    lookback: Lookback | None
    on_partial: str
    pause: Callable[[float], None]
    log: Logger

    def batches(self, run_date: str, spool: ListingSpool) -> Batches:
        """The batches of the listing.

        :param run_date: the date of the run (ISO).
        :param spool: gets the items and records of the listing.
        :raises ItemsPendingError: for items that may still be finished, unless *on_partial* is ``land``.
        """
        self._pause(self.settling.before_listing(self.window, _now()), "for its listing to settle")
        is_named = self.inputs.items is not None
        # Named items have no window: they are waited for from the date of the run on.
        waited = (
            Window(BEGINNING, parse_moment(run_date, "run date"))
            if is_named and run_date
            else self.window
        )
        while True:
            with self.hook.metrics.listing():
                batches, pending = list_batches(
                    self.hook, self.inputs, self.window, run_date, spool, lookback=self.lookback
                )
            wait = self.settling.before_next(waited, _now(), pending)
            if not wait:
                break
            self._pause(wait, f"for pending items: {first_of(pending)}")
        left_out = ensure_settled(pending, self.window, _now(), self.on_partial, is_named=is_named)
        if left_out:
            self.log.warning("%s", left_out)
        return batches

    def _pause(self, wait: float, why: str) -> None:
        if wait:
            self.log.info("Waiting %.0f s %s", wait, why)
            self.pause(wait)


def _now() -> datetime:
    return datetime.now(timezone.utc)
