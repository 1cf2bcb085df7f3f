"""A bounded buffer pool: ``acquire()`` blocks until enough of the budget has been released."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from airflow_provider_assets.sansio.errors import TransferInterruptedError

Buffer = mmap.mmap
_HUGE = getattr(mmap, "MADV_HUGEPAGE", None)  # Linux


def new_buffer(size: int) -> Buffer:
    """*size* bytes of memory that the system provides as they are written, in huge pages if it has any.

    A ``bytearray`` would be written once to clear it, by small pages and with the interpreter locked: 6 ms
    for 8 MiB, in which they can be received.
    """
    buffer = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if _HUGE is not None:
        with suppress(OSError):  # a kernel without them
            buffer.madvise(_HUGE)
    return buffer


@dataclass(slots=True)
class BufferPool:
    """A pool of buffers within a budget. Released buffers are reused, since a new one costs its first writes.

    :param budget: bytes in use at most; a larger buffer is given out only while no other is in use.
    """

    budget: int
    _used: int = 0
    _is_cancelled: bool = False
    _kept: list[Buffer] = field(default_factory=list)
    _freed: threading.Condition = field(default_factory=threading.Condition)

    def acquire(self, size: int) -> Buffer:
        """A buffer of *size* bytes, with arbitrary contents. Waits for the budget.

        :raises TransferInterruptedError: after :meth:`cancel`.
        """
        with self._freed:
            while not self._is_cancelled and self._used and self._used + size > self.budget:
                self._freed.wait()
            if self._is_cancelled:
                raise TransferInterruptedError("the landing was cancelled")
            self._used += size
            for index, kept in enumerate(self._kept):
                if len(kept) == size:
                    return self._kept.pop(index)
            # Spare buffers of other sizes would exceed the budget.
            self._kept.clear()
        return new_buffer(size)

    def release(self, buffer: Buffer) -> None:
        """Return a buffer to the pool."""
        with self._freed:
            self._used -= len(buffer)
            self._kept.append(buffer)
            self._freed.notify_all()

    @contextmanager
    def lent(self, size: int) -> Iterator[Buffer]:
        """A buffer that is released at the end of the block."""
        buffer = self.acquire(size)
        try:
            yield buffer
        finally:
            self.release(buffer)

    def cancel(self) -> None:
        """End all waits; :meth:`acquire` fails from now on."""
        with self._freed:
            self._is_cancelled = True
            self._freed.notify_all()
