"""The latest requests, as people watch them: each one from its arrival on, and how many per second."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from dataclasses import asdict, dataclass, field

_KEPT = 60
_SECONDS = 60


@dataclass(slots=True, kw_only=True)
class Entry:
    """One request.

    :param at: epoch seconds of its arrival, on the machine's clock.
    :param fault: the specification of the fault that hit it, or "".
    :param status: the answer's status, 0 if the connection was cut, None while there is no answer.
    """

    at: float
    vendor: str
    route: str
    method: str
    path: str
    fault: str = ""
    status: int | None = None


@dataclass(slots=True)
class RequestLog:
    """The last requests of all vendors."""

    _entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _counts: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def begin(self, entry: Entry) -> None:
        """Note a request that has arrived."""
        self._entries.append(entry)
        counts = self._counts[entry.vendor]
        counts[int(entry.at)] += 1
        if len(counts) > 2 * _SECONDS:
            for second in sorted(counts)[:-_SECONDS]:
                del counts[second]

    def latest(self) -> list[dict[str, object]]:
        """The last requests, the newest first."""
        return [asdict(entry) for entry in reversed(self._entries)]

    def rates(self, vendor: str) -> list[int]:
        """The number of requests in each of the last 60 seconds, the current one last."""
        now, counts = int(time.time()), self._counts[vendor]
        return [counts[second] for second in range(now - _SECONDS + 1, now + 1)]
