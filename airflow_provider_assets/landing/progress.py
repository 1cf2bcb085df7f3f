"""Counts received bytes and reports the progress every few seconds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_provider_assets.landing.options import Progress

# A report follows the last one after so many seconds, or after so large a share of the whole.
REPORT_SECONDS = 5.0
REPORT_SHARE = 0.05


@dataclass(slots=True)
class Meter:
    """Counts the bytes of all threads and reports them every few seconds.

    :param report: receives the reports; None: nobody does.
    :param is_shared: whether several downloads count here; then only the thread that started them reports,
        by :meth:`report_if_due`.
    """

    clock: Callable[[], float]
    report: Callable[[Progress], None] | None
    total: int | None = None
    bytes: int = 0
    kept: int = 0
    is_shared: bool = False
    _began: float = 0.0
    _last: tuple[float, int] = (0.0, 0)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Start the clock."""
        self._began = self.clock()
        self._last = (self._began, 0)

    def add(self, count: int) -> None:
        """Count bytes that arrived."""
        with self._lock:
            self.bytes += count

    def keep(self, count: int) -> None:
        """Count bytes that an earlier attempt has stored, so that they need not arrive again."""
        with self._lock:
            self.bytes += count
            self.kept += count

    def begin(self, total: int | None) -> None:
        """Start counting a download, or start again from its first byte."""
        if not self.is_shared:
            self.total, self.bytes, self.kept = total, 0, 0

    def tick(self) -> int:
        """Report if a report is due and the meter is not shared; return the bytes so far."""
        if not self.is_shared:
            self.report_if_due()
        return self.bytes

    def report_if_due(self) -> None:
        """Report if enough time has passed, or enough has arrived, since the last report."""
        now = self.clock()
        then, had = self._last
        step = self.total and self.bytes - had >= self.total * REPORT_SHARE
        if self.report and (now - then >= REPORT_SECONDS or step):
            self._last = (now, self.bytes)
            self.report(self.now(now))

    def finish(self) -> None:
        """Report the final numbers."""
        if self.report:
            self.report(self.now())

    def now(self, at: float | None = None) -> Progress:
        """The current progress, or that *at* a time."""
        spent = max((self.clock() if at is None else at) - self._began, 1e-6)
        rate = (self.bytes - self.kept) / spent
        left = None if self.total is None or not rate else max(0, self.total - self.bytes) / rate
        return Progress(self.bytes, self.total, rate, left, self.kept)
