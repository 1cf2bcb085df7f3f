"""Counting what arrived, and reporting it at a human pace."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_provider_assets.landing.options import Progress


@dataclass(slots=True)
class Meter:
    """Counts bytes from all threads and reports them at a human pace: every 5 s or 5 %.

    :param shared: it counts several downloads, whose sum is known beforehand or not at all; who
        started them calls :meth:`tell`.
    """

    clock: Callable[[], float]
    report: Callable[[Progress], None] | None
    total: int | None = None
    bytes: int = 0
    shared: bool = False
    _began: float = 0.0
    _last: tuple[float, int] = (0.0, 0)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """The time runs from now."""
        self._began = self.clock()
        self._last = (self._began, 0)

    def add(self, count: int) -> None:
        """More bytes arrived."""
        with self._lock:
            self.bytes += count

    def begin(self, total: int | None) -> None:
        """One download begins, or begins again from its first byte."""
        if not self.shared:
            self.total, self.bytes = total, 0

    def tick(self) -> int:
        """Report if it is time and ours to do; returns the bytes so far."""
        if not self.shared:
            self.tell()
        return self.bytes

    def tell(self) -> None:
        """Report if it is time."""
        now = self.clock()
        then, had = self._last
        step = self.total and self.bytes - had >= self.total / 20
        if self.report and (now - then >= 5 or step):
            self._last = (now, self.bytes)
            self.report(self.now(now))

    def finish(self) -> None:
        """Report the end."""
        if self.report:
            self.report(self.now())

    def now(self, at: float | None = None) -> Progress:
        """The present state."""
        spent = max((self.clock() if at is None else at) - self._began, 1e-6)
        rate = self.bytes / spent
        left = None if self.total is None or not rate else max(0, self.total - self.bytes) / rate
        return Progress(self.bytes, self.total, rate, left)
