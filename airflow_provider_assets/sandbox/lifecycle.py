"""The states of a job from accepted to done, moved by time or by polls."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Lifecycle:
    """The states of one job in the vendor's own words.

    :param stages: states in order; the last is success.
    :param begun: epoch seconds of acceptance.
    :param seconds: from acceptance to success, when time moves the job.
    :param by_poll: each poll moves the job to its next state, and time does not.
    :param held: the job never reaches success by itself.
    """

    stages: tuple[str, ...]
    begun: float
    seconds: float
    by_poll: bool = False
    held: bool = False
    history: list[tuple[float, str]] = field(default_factory=list)
    _over: bool = False

    def __post_init__(self) -> None:
        self.history.append((self.begun, self.stages[0]))

    @property
    def status(self) -> str:
        """The state as of the last look."""
        return self.history[-1][1]

    @property
    def updated(self) -> float:
        """Epoch seconds of the last change of the state."""
        return self.history[-1][0]

    @property
    def over(self) -> bool:
        """Whether the state is final."""
        return self._over

    @property
    def progress(self) -> float:
        """The share of the states that have passed, from 0 to 1."""
        if self._over:
            return 1.0
        return round(self._index / (len(self.stages) - 1), 2)

    @property
    def _index(self) -> int:
        return self.stages.index(self.status) if self.status in self.stages else 0

    def look(self, now: float, *, polled: bool, ready: bool = True) -> None:
        """Bring the state up to date; it does not reach success before ``ready``."""
        last = len(self.stages) - 1
        while not self._over and self._index < last:
            following = self._index + 1
            due = now if self.by_poll else self.begun + self.seconds * following / last
            if due > now or (self.by_poll and not polled):
                return
            if following == last and (self.held or not ready):
                return
            self.history.append((due, self.stages[following]))
            self._over = following == last
            if self.by_poll:
                return

    def end(self, status: str, now: float) -> None:
        """Enter this final state now."""
        if self.status != status:
            self.history.append((now, status))
        self._over = True
