"""The rate limit of a connection, its own and the vendor's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import tenacity

from airflow_provider_assets.network.retries import BUDGET_SECONDS
from airflow_provider_assets.sansio.errors import RateLimitedError


@dataclass(slots=True)
class RateLimit:
    """Spaces requests evenly, and holds up all of them while the vendor asks to wait.

    :param per_second: requests per second; None for no limit.
    :param on_wait: called before each wait with its seconds and the limit that causes it: ``connection``
        for this one, ``vendor`` for an answer of the vendor's (429). It must return at once.
    """

    per_second: float | None = None
    on_wait: Callable[[float, str], object] = lambda seconds, limit: None
    _next: float = 0.0
    _held_until: float = 0.0
    _refusals: int = 0
    # Reentrant: a signal that kills a task may come while it holds it, and cancels through it.
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def reserve(self, now: float) -> float:
        """Reserve the next turn; returns the seconds to wait for it."""
        with self._lock:
            turn = max(self._next, now)
            if self.per_second:
                self._next = turn + 1.0 / self.per_second
        if turn > now:
            self.on_wait(turn - now, "vendor" if now < self._held_until else "connection")
        return turn - now

    def note_retry(self, state: tenacity.RetryCallState) -> None:
        """Note the pause before a request is sent again, if it was refused for its rate."""
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, RateLimitedError):
            self.on_wait(state.upcoming_sleep, "vendor")

    def refused(self, wait: float | None, now: float) -> None:
        """Note that a request was refused for its rate, and hold up the others for as long as it waits.

        Nobody waits for longer than the budget: the refused request is given up at once.
        """
        with self._lock:
            self._refusals += 1
            if wait is not None and wait <= BUDGET_SECONDS:
                self._held_until = now + wait
                self._next = max(self._next, self._held_until)

    @property
    def refusals(self) -> int:
        """Number of requests that were refused for their rate."""
        return self._refusals
