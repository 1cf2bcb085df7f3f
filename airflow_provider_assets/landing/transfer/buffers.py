"""Buffers out of a fixed budget: who asks for more than is left waits until something comes back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from airflow_provider_assets.sansio.errors import TransferInterruptedError


@dataclass(slots=True)
class BufferPool:
    """A budget of bytes. Buffers are kept and given out again: making them costs a write of each.

    :param budget: bytes in use at most; one buffer larger than that is given out alone.
    """

    budget: int
    _used: int = 0
    _cancelled: bool = False
    _kept: list[bytearray] = field(default_factory=list)
    _freed: threading.Condition = field(default_factory=threading.Condition)

    def acquire(self, size: int) -> bytearray:
        """A buffer of *size* bytes, with old contents.

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
            # What is kept in other sizes would come on top of the budget.
            self._kept.clear()
        return bytearray(size)

    def release(self, buffer: bytearray) -> None:
        """Give a buffer back."""
        with self._freed:
            self._used -= len(buffer)
            self._kept.append(buffer)
            self._freed.notify_all()

    @contextmanager
    def lent(self, size: int) -> Iterator[bytearray]:
        """A buffer for the length of a block."""
        buffer = self.acquire(size)
        try:
            yield buffer
        finally:
            self.release(buffer)

    def cancel(self) -> None:
        """Nobody waits any more."""
        with self._freed:
            self._cancelled = True
            self._freed.notify_all()
