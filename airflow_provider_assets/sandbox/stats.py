"""Counters of requests, jobs and bytes.

``Stats.report`` gives ``{"totals": TALLY, "vendors": {vendor: TALLY}, "routes": {route:
{"requests", "bytes", "statuses": {code: n}}}, "jobs": {job id: TALLY}, "archives": {archive id:
{"gets", "bytes"}}}``. A TALLY always has every key of ``TALLY_KEYS``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

# Groups of routes and the names of their counters; "accepted" counts created jobs.
TALLY_KEYS = {
    "submit": "submits",
    "poll": "polls",
    "bulk_poll": "bulk_polls",
    "cancel": "cancels",
    "list": "listings",
    "metadata": "metadata",
    "link": "links",
    "head": "heads",
    "download": "downloads",
    "auth": "auth",
}
_EXTRA_KEYS = ("requests", "accepted", "errors", "bytes")


@dataclass(slots=True)
class Stats:
    """All counters of one sandbox."""

    totals: Counter[str] = field(default_factory=Counter)
    vendors: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    jobs: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    archives: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    routes: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    statuses: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def asked(self, vendor: str, route: str, group: str) -> None:
        """Count a request that arrived."""
        self.routes[route]["requests"] += 1
        for tally in (self.totals, self.vendors[vendor]):
            tally["requests"] += 1
            tally[TALLY_KEYS[group]] += 1

    def answered(self, vendor: str, route: str, status: int | None) -> None:
        """Count an answer with this status, or one that was cut off (None)."""
        self.statuses[route][str(status) if status else "reset"] += 1
        if status is None or status >= 400:
            self.totals["errors"] += 1
            self.vendors[vendor]["errors"] += 1

    def sent(self, vendor: str, route: str, count: int) -> None:
        """Count bytes of a file that were written."""
        self.routes[route]["bytes"] += count
        self.totals["bytes"] += count
        self.vendors[vendor]["bytes"] += count

    def accepted(self, vendor: str, job_id: str) -> None:
        """Count a job that was created."""
        self.totals["accepted"] += 1
        self.vendors[vendor]["accepted"] += 1
        self.jobs[job_id]["accepted"] += 1

    def job(self, job_id: str, group: str, count: int = 1) -> None:
        """Count a request for this job (``group`` is a key of ``TALLY_KEYS`` or ``bytes``)."""
        self.jobs[job_id][TALLY_KEYS.get(group, group)] += count

    def archive(self, archive_id: str, key: str, count: int = 1) -> None:
        """Count ``gets`` (attempts, refused ones too) or ``bytes`` of one archive or object."""
        self.archives[archive_id][key] += count

    def reset(self) -> None:
        """Start again from zero."""
        for counters in (self.vendors, self.jobs, self.archives, self.routes, self.statuses):
            counters.clear()
        self.totals.clear()

    def report(self) -> dict[str, object]:
        """All counters as plain JSON, see the module's docstring."""
        return {
            "totals": _tally(self.totals),
            "vendors": {name: _tally(one) for name, one in sorted(self.vendors.items())},
            "routes": {
                name: {
                    "requests": one["requests"],
                    "bytes": one["bytes"],
                    "statuses": dict(sorted(self.statuses[name].items())),
                }
                for name, one in sorted(self.routes.items())
            },
            "jobs": {name: _tally(one) for name, one in self.jobs.items()},
            "archives": {
                name: {"gets": one["gets"], "bytes": one["bytes"]}
                for name, one in self.archives.items()
            },
        }


def _tally(counter: Counter[str]) -> dict[str, int]:
    return {key: counter[key] for key in (*_EXTRA_KEYS, *TALLY_KEYS.values())}
