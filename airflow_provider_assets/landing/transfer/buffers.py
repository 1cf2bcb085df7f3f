"""A bounded buffer pool: ``acquire()`` blocks until enough of the budget has been released."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from airflow_provider_assets.sansio.errors import TransferInterruptedError


@dataclass(slots=True)
class BufferPool:
    """A pool of buffers within a budget. Released buffers are reused, since a new one has to be zeroed.

    :param budget: bytes in use at most; a larger buffer is given out only while no other is in use.
    """

    budget: int
    _used: int = 0
    _cancelled: bool = False
    _kept: list[bytearray] = field(default_factory=list)
    _freed: threading.Condition = field(default_factory=threading.Condition)

    def acquire(self, size: int) -> bytearray:
        """A buffer of *size* bytes, with arbitrary contents. Waits for the budget.

        :raises TransferInterruptedError: after :meth:`cancel`.
        """
        with self._freed:
            while not self._cancelled and self._used and self._used + size > self.budget:
                self._freed.wait()
            if self._cancelled:
                raise TransferInterruptedError("the landing was cancelled")
            self._used += size
            for index, kept in enumerate(self._kept):
                if len(kept) == size:
                    return self._kept.pop(index)
            # Spare buffers of other sizes would exceed the budget.
            self._kept.clear()
        return bytearray(size)

    def release(self, buffer: bytearray) -> None:
        """Return a buffer to the pool."""
        with self._freed:
            self._used -= len(buffer)
            self._kept.append(buffer)
            self._freed.notify_all()

    @contextmanager
    def lent(self, size: int) -> Iterator[bytearray]:
        """A buffer that is released at the end of the block."""
        buffer = self.acquire(size)
        try:
            yield buffer
        finally:
            self.release(buffer)

    def cancel(self) -> None:
        """End all waits; :meth:`acquire` fails from now on."""
        with self._freed:
            self._cancelled = True
            self._freed.notify_all()
