"""Ending the downloads of one landing together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class CancelToken:
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
