"""Adapts the number of connections of a transfer to the observed rate and CPU load.

More connections help while the process waits for the network. They do not help if the CPU is the limit, or
if the source shares one rate among all of them. So the tuner starts with as few as keep one interpreter busy.
While the process is mostly waiting and the last step paid off, it doubles them, or takes four times as many
if the process hardly works at all. If a step did not pay off, the number grows only by the factor by which
the rate has grown. It is halved when the source is busy.
"""

from __future__ import annotations

from dataclasses import dataclass

START = 3  # connections that keep one interpreter busy; more would only hold buffers
MOST = 24  # connections that one source gets, whatever its rate
_WORKING = 0.75  # CPU seconds per second above which more connections only add work
_WAITING = 0.25  # CPU seconds per second below which there is time for four times as many
_WORTH = 1.25  # least growth of the rate by a step, and at least half of the ideal one


@dataclass(slots=True)
class Tuner:
    """Decides the number of connections; :meth:`decide` is called repeatedly during the transfer.

    :param most: largest number of connections.
    :param interval: seconds between decisions; short, since a transfer may last only one or two seconds.
    :param workers: number of connections to start with.
    """

    most: int = MOST
    interval: float = 0.1
    workers: int = START
    _is_settled: bool = False
    _is_in_doubt: bool = False
    _before: tuple[int, float] | None = None
    _since: tuple[float, int, float] | None = None
    _busy: int = 0

    def __post_init__(self) -> None:
        """Limit the first number to *most*."""
        self.workers = min(self.workers, self.most)

    def decide(self, now: float, *, received: int, cpu: float, busy: int) -> int:
        """The number of connections to use from now on.

        :param now: monotonic seconds. :param received: bytes so far.
        :param cpu: CPU seconds of the process so far. :param busy: "busy" responses of the source so far.
        """
        if busy > self._busy:
            self._busy, self._is_settled = busy, True
            self.workers = max(1, self.workers // 2)
            return self.workers
        if self._since is None:
            self._since = (now, received, cpu)
        then, had, spent = self._since
        if (
            self._is_settled
            or now - then < self.interval * (1 + 2 * self._is_in_doubt)
            or received == had
        ):
            return self.workers
        if self._judge((received - had) / (now - then), (cpu - spent) / (now - then)):
            self._since = (now, received, cpu)
        return self.workers

    def _judge(self, rate: float, load: float) -> bool:
        """Change the number if the measurements say so; return whether they were conclusive."""
        if self._before:
            fewer, slower = self._before
            if rate <= slower * max(_WORTH, self.workers / fewer / 2):
                # New connections start slowly: one disappointing measurement is not conclusive.
                if not self._is_in_doubt:
                    self._is_in_doubt = True
                    return False
                self.workers = min(self.workers, max(fewer, round(fewer * rate / slower)))
                self._is_settled = True
                return True
        self._is_in_doubt = False
        if load > _WORKING and not self._before:
            return True  # the load may come from starting up, so the next interval decides
        if load > _WORKING or self.workers >= self.most:
            self._is_settled = True
        else:
            self._before = (self.workers, rate)
            self.workers = min(self.most, self.workers * (4 if load < _WAITING else 2))
        return True
