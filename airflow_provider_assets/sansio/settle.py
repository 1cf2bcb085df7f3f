"""Waiting until the listing of a window can be trusted.

Two things make an item of a window invisible to a run that lists the window the moment it has ended:

* an item can appear in the listing a little after its own timestamp. No vendor documents how long
  that takes; :data:`LISTING_LAG` is the same for the operator and for the watcher of new assets, so that
  neither lists a span that may still grow;
* an item is listed from its creation on, but can be archived only when the vendor has finished it
  (Scenario, "List assets": ``status`` is ``pending``, ``success`` or ``error``). An item that was
  created at 23:59 and is finished at 00:02 belongs to the day that has ended, so the run of that day
  waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow_provider_assets.sansio.errors import ItemsPendingError
from airflow_provider_assets.sansio.moments import is_to_come
from airflow_provider_assets.sansio.verdict import first_of
from airflow_provider_assets.sansio.window import Window

LISTING_LAG = timedelta(seconds=30)
PENDING_TIMEOUT = timedelta(minutes=15)
# Between two listings that wait for pending items, and before a retry lists them again.
PAUSE = timedelta(seconds=30)
RETRY_AFTER = timedelta(minutes=5)
# No vendor works on an item for a day; one that is pending longer will never be finished.
ABANDONED = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Settling:
    """The time that a run gives the vendor to complete the listing of its window.

    :param lag: from the end of the window until it is listed for the first time.
    :param pending_timeout: from the end of the window until the run stops waiting for pending items.
    """

    lag: timedelta = LISTING_LAG
    pending_timeout: timedelta = PENDING_TIMEOUT

    def before_listing(self, window: Window | None, now: datetime) -> float:
        """Seconds to wait before *window* can be listed.

        There is no wait without a window, or with one that ends in the future: such a run asks for
        what exists now.
        """
        if window is None or is_to_come(window.end, now):
            return 0.0
        return max((window.end + self.lag - now).total_seconds(), 0.0)

    def before_next(self, window: Window | None, now: datetime, pending: Sequence[str]) -> float:
        """Seconds to wait before the window is listed again for its *pending* items; 0 for no more."""
        if not pending or window is None or is_to_come(window.end, now):
            return 0.0
        left = (window.end + self.pending_timeout - now).total_seconds()
        return max(min(PAUSE.total_seconds(), left), 0.0)


def ensure_settled(
    pending: Sequence[str],
    window: Window | None,
    now: datetime,
    on_partial: str,
    *,
    is_named: bool = False,
) -> str | None:
    """A sentence on *pending* items that an export leaves out; None if there are none.

    Without a window nothing is lost: the next run lists them again. What has been pending for a day
    will never be finished, so it does not hold up a backfill.

    :param is_named: whether the export names its items: no other run would make up for what is left out.
    :raises ItemsPendingError: for items of a *window* that may still be finished, or named ones, unless
        *on_partial* is ``"land"``.
    """
    if not pending:
        return None
    text = f"the vendor has not finished {len(pending)} of the selected items: {first_of(pending)}"
    is_recent = window is not None and now < window.end + ABANDONED
    if (is_named or is_recent) and on_partial != "land":
        raise ItemsPendingError(
            f"{text}. A retry lists them again; raise pending_timeout to wait longer, or set "
            'on_partial="land" to export without them',
            retry_after=RETRY_AFTER.total_seconds(),
        )
    return f"{text}; they are not exported"
