"""Finds how many connections a transfer should use, from what it observes.

More connections help while we wait for the network, and not when the processor is the limit or when
the source shares one rate among them. So: start with a few, double while the process is mostly
waiting and the last doubling paid, go back when it did not, do with fewer while the processor is the
limit from the start, and halve when the source says it is busy.
"""

from __future__ import annotations

from dataclasses import dataclass

START = 6
_WORKING = 0.75  # CPU seconds per second from which more connections only add work
_ENOUGH = 3  # connections that keep one interpreter busy; more only hold buffers
_WORTH = 0.25  # share of the ideal gain that a doubling has to bring


@dataclass(slots=True)
class Tuner:
    """Decides again at every call of :meth:`decide`.

    :param most: connections that are never exceeded.
    :param window: seconds between decisions: short, since a transfer may last only one or two.
    """

    most: int
    window: float = 0.1
    workers: int = START
    _settled: bool = False
    _doubt: bool = False
    _before: tuple[int, float] | None = None
    _since: tuple[float, int, float] | None = None
    _busy: int = 0

    def __post_init__(self) -> None:
        """Never more than *most*, from the start."""
        self.workers = min(self.workers, self.most)

    def decide(self, now: float, *, received: int, cpu: float, busy: int) -> int:
        """The number of connections to use from now on.

        :param now: seconds on a clock that never goes back. :param received: bytes so far.
        :param cpu: CPU seconds of the process so far. :param busy: refusals for load so far.
        """
        if busy > self._busy:
            self._busy, self._settled = busy, True
            self.workers = max(1, self.workers // 2)
            return self.workers
        if self._since is None:
            self._since = (now, received, cpu)
        then, had, spent = self._since
        if self._settled or now - then < self.window * (1 + 2 * self._doubt) or received == had:
            return self.workers
        if self._judge((received - had) / (now - then), (cpu - spent) / (now - then)):
            self._since = (now, received, cpu)
        return self.workers

    def _judge(self, rate: float, load: float) -> bool:
        """Changes the number if that is due; false where a longer look is needed."""
        if self._before:
            fewer, slower = self._before
            ideal = slower * self.workers / fewer
            if rate < slower + _WORTH * (ideal - slower):
                # New connections start slowly: the first disappointing look decides nothing.
                if not self._doubt:
                    self._doubt = True
                    return False
                self.workers, self._settled = fewer, True
                return True
        self._doubt = False
        if load > _WORKING and not self._before:
            self.workers = min(self.workers, _ENOUGH)  # for now: the load may have been our start
        elif load > _WORKING or self.workers >= self.most:
            self._settled = True
        else:
            self._before = (self.workers, rate)
            self.workers = min(self.most, self.workers * 2)
        return True
