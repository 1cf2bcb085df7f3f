"""The link of a download, renewed before it expires and when it is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_provider_assets.sansio.downloads import Link
from airflow_provider_assets.sansio.errors import AssetsError

_SOON = 10.0  # seconds before its expiry in which a link is not used for new requests
_MAX_REFUSALS = 2  # consecutive refusals of fresh links before giving up


@dataclass(slots=True)
class LinkResolver:
    """Resolves the link of one file. Thread-safe: a link that many threads find refused is renewed once.

    :param resolve: asks the vendor for a link. :param now: epoch seconds.
    :ivar refusals: consecutive refusals of fresh links; reset to 0 by a response that is not a refusal.
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
            is_late = link and link.expires_at and link.expires_at - _SOON < self.now()
            if link is None or is_late:
                self._link = link = self.resolve()
                self._serial += 1
            return link, self._serial

    def renew(self, serial: int, error: AssetsError) -> None:
        """Renew link number *serial*, which was refused with *error*.

        :raises AssetsError: *error*, if fresh links are refused as well.
        """
        with self._lock:
            if serial != self._serial:
                return
            self.refusals += 1
            if self.refusals > _MAX_REFUSALS:
                raise error
            self._link = self.resolve()
            self._serial += 1
