"""Cancellation of everything that one landing does at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class CancelToken:
    """Cancels the work that shares it: ends every wait on it and calls every registered callback."""

    _event: threading.Event = field(default_factory=threading.Event)
    _callbacks: dict[object, Callable[[], None]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def set(self) -> None:
        """Cancel. Cancelling again changes nothing."""
        with self._lock:
            self._event.set()
            callbacks, self._callbacks = list(self._callbacks.values()), {}
        for callback in callbacks:
            callback()

    def is_set(self) -> bool:
        """Whether the work was cancelled."""
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait until the work is cancelled, *seconds* at most; true if it was."""
        return self._event.wait(seconds)

    @contextmanager
    def on_cancel(self, callback: Callable[[], None]) -> Iterator[None]:
        """Call *callback* if the work is cancelled during the block, or at once if it already was.

        The callback wakes waits inside the block, so it must not wait itself.
        """
        registration = object()
        with self._lock:
            is_late = self._event.is_set()
            if not is_late:
                self._callbacks[registration] = callback
        if is_late:
            callback()
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.pop(registration, None)
