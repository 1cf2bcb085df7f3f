"""The link of one download: resolved late, and anew when it expires or is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_provider_assets.sansio.errors import AssetsError
from airflow_provider_assets.sansio.jobs import Link

_SOON = 10.0  # seconds before its expiry from which a link is not used for a new request
_FRESH_LINKS = 2  # refused in a row before the refusal is believed


@dataclass(slots=True)
class Links:
    """Thread-safe: however many threads find a link refused, it is resolved anew once.

    :param resolve: asks the vendor. :param now: epoch seconds.
    :ivar refusals: fresh links refused in a row; set to 0 when one works.
    """

    resolve: Callable[[], Link]
    now: Callable[[], float]
    refusals: int = 0
    _link: Link | None = None
    _serial: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def current(self) -> tuple[Link, int]:
        """A link that has not expired, and its serial number."""
        with self._lock:
            link = self._link
            late = link and link.expires_at and link.expires_at - _SOON < self.now()
            if link is None or late:
                self._link = link = self.resolve()
                self._serial += 1
            return link, self._serial

    def renew(self, serial: int, refusal: AssetsError) -> None:
        """Link number *serial* was refused.

        :raises AssetsError: *refusal*, if fresh links are refused as well.
        """
        with self._lock:
            if serial != self._serial:
                return
            self.refusals += 1
            if self.refusals > _FRESH_LINKS:
                raise refusal
            self._link = self.resolve()
            self._serial += 1
