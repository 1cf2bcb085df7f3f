"""Starts a sandbox from a test and calls its admin routes; needs the standard library only."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

Json = dict[str, object]

_STOP_SECONDS = 10.0
_MODULE = __package__


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox: its ready line, and a method for everything that the admin routes offer."""

    ready: Json
    process: subprocess.Popen[str]

    @property
    def scenario(self) -> Json:
        """``base_url`` and ``connection``."""
        return self._part("scenario")

    @property
    def topaz(self) -> Json:
        """``base_url`` and ``connection``."""
        return self._part("topaz")

    @property
    def roma(self) -> Json:
        """``base_url``, ``connection``, ``apps`` and ``tasks``."""
        return self._part("roma")

    def stats(self) -> Json:
        """All counters; the module ``stats`` describes them."""
        return cast("Json", self.ask("GET", "stats"))

    def reset_stats(self) -> None:
        """Start counting again from zero."""
        self.ask("DELETE", "stats")

    def fault(self, spec: str) -> None:
        """Arm a fault; the module ``faults`` describes the grammar.

        :raises urllib.error.HTTPError: for one that cannot be read.
        """
        self.ask("POST", "faults", {"spec": spec})

    def clear_faults(self) -> None:
        """Disarm all faults."""
        self.ask("DELETE", "faults")

    def configure(self, **changes: str | float) -> None:
        """Change options while it runs: those of ``options.CHANGEABLE``."""
        self.ask("POST", "options", changes)

    def reset(self) -> None:
        """Disarm all faults, set counters to zero, restore the clock and the options of the start.

        Items that were added or removed stay so, and jobs are kept.
        """
        for path in ("faults", "stats", "options", "clock"):
            self.ask("DELETE", path)

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock forward."""
        self.ask("POST", "clock", {"advance": seconds})

    def set_clock(self, moment: str) -> None:
        """Make it this moment (ISO, with a zone) for the vendors; their clock continues from there."""
        self.ask("POST", "clock", {"set": moment})

    def forget_tokens(self) -> None:
        """Make every issued token invalid, as a changed password does."""
        self.ask("DELETE", "tokens")

    def jobs(self) -> list[Json]:
        """Every job of every vendor: vendor, id, status and more."""
        return cast("list[Json]", self.ask("GET", "jobs"))

    def archive(self, job_id: str) -> Json:
        """The record of a job's archive: name, bytes, sha256, entries."""
        return cast("Json", self.ask("GET", f"jobs/{job_id}"))

    def job(self, job_id: str, action: str, *, error: str = "") -> None:
        """``finish``, ``fail``, ``stick``, ``cancel`` or ``expire`` a job."""
        self.ask("POST", f"jobs/{job_id}", {"action": action, "error": error})

    def items(self, vendor: str, *, start: str = "", end: str = "~") -> list[Json]:
        """Every item of a vendor created within [start, end), ISO strings in UTC."""
        return cast("list[Json]", self.ask("GET", f"items/{vendor}?start={start}&end={end}"))

    def add_items(self, vendor: str, day: str, count: int) -> list[str]:
        """Create more items within a UTC day; returns their ids."""
        made = self.ask("POST", f"items/{vendor}", {"day": day, "count": count})
        return cast("list[str]", made)

    def add_late_item(
        self,
        vendor: str,
        at: str,
        *,
        finish_after: float = 0.0,
        list_after: float = 0.0,
        touched: bool = True,
    ) -> str:
        """Create one item at a moment (ISO) that is finished or listed only later; returns its id.

        :param finish_after: seconds from ``at``, on the sandbox's clock; likewise ``list_after``.
        :param touched: whether finishing it moves the time of its last change.
        """
        late = {"finish_after": finish_after, "list_after": list_after, "touched": touched}
        return cast("str", self.ask("POST", f"items/{vendor}", {"at": at, **late}))

    def remove_item(self, vendor: str, item_id: str) -> None:
        """Delete an item at the vendor."""
        self.ask("DELETE", f"items/{vendor}/{item_id}")

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> object:
        """The decoded answer of one admin route."""
        import urllib.request  # not at the top: pytest imports this module whenever it starts

        data = None if body is None else json.dumps(body).encode()
        url = f"{self.ready['admin_url']}/{path}"
        request = urllib.request.Request(url, data=data, method=method)
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.loads(reply.read() or "null")

    def _part(self, name: str) -> Json:
        part = self.ready[name]
        if not isinstance(part, dict):
            raise TypeError(name)
        return part


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[Sandbox]:
    """Run ``python -m …sandbox`` with these arguments and yield it when it is ready.

    It stops when the block ends, or when this process ends in any way.

    :raises RuntimeError: if it ends before it is ready; its standard error says why.
    """
    command = [sys.executable, "-m", _MODULE, "--follow-stdin", "--json", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise RuntimeError(f"the sandbox did not start; run {' '.join(command)} to see why")
            yield Sandbox(json.loads(line), process)
        finally:
            if process.stdin:
                process.stdin.close()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
