"""What one landing was called with, and its counters."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field

from airflow_provider_assets.landing import manifest as records
from airflow_provider_assets.landing.model import LandingOptions, Progress
from airflow_provider_assets.landing.store import Store
from airflow_provider_assets.sansio.messages import JSON


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


@dataclass(slots=True)
class Halt:
    """Ends all the downloads of one landing together."""

    _calls: list[Callable[[], None]] = field(default_factory=list)
    _is_set: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, *calls: Callable[[], None]) -> None:
        """Call these when it is set, or now if it is."""
        with self._lock:
            self._calls += calls
            late = self._is_set
        if late:
            for call in calls:
                call()

    def set(self) -> None:
        """End them."""
        with self._lock:
            self._is_set, calls = True, list(self._calls)
        for call in calls:
            call()


@dataclass(frozen=True, slots=True)
class Job:
    """Everything one landing was called with."""

    store: Store
    prefix: str
    name: str
    layout: str
    overwrite: bool
    expected: int
    verify: bool
    options: LandingOptions
    facts: Mapping[str, JSON]
    meter: Meter
    state: MutableMapping[str, JSON] | None = None
    halt: Halt = field(default_factory=Halt)

    @property
    def key(self) -> str:
        """Of the object."""
        return self.prefix + self.name

    @property
    def manifest_key(self) -> str:
        """Of the manifest beside it."""
        return self.key + records.SUFFIX

    @property
    def label(self) -> str:
        """Identity of the landing."""
        return records.identity(self.facts)
