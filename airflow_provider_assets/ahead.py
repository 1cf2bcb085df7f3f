"""Works on the next subjects of a sequence in parallel, but only on a few before they are asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")


def in_order(
    pool: ThreadPoolExecutor,
    subjects: Iterable[S],
    work: Callable[[S], T],
    *,
    ahead: int,
    discard: Callable[[T], object] = lambda _: None,
) -> Generator[T, None, None]:
    """The results of *work*, in order; at most *ahead* of them are made before they are asked for.

    :param discard: called with each result that is not consumed, because an earlier one failed or this
        iterator was closed.
    """
    waiting: deque[Future[T]] = deque()
    try:
        for subject in subjects:
            waiting.append(pool.submit(work, subject))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
            future.add_done_callback(partial(_discard, discard))


def _discard(discard: Callable[[T], object], future: Future[T]) -> None:
    if not future.cancelled() and not future.exception():
        discard(future.result())
