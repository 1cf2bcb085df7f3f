"""Start a sandbox from a test and talk to its admin route."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .world import Json

_STOP_SECONDS = 10.0
_MODULE = __package__


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox: the ready line, and everything its admin route offers."""

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
        """All counters, see `stats`."""
        return cast("Json", self.ask("GET", "stats"))

    def reset_stats(self) -> None:
        """Start counting from nothing."""
        self.ask("DELETE", "stats")

    def fault(self, spec: str) -> None:
        """Arm a fault, see `faults`; raises urllib.error.HTTPError for one without sense."""
        self.ask("POST", "faults", {"spec": spec})

    def clear_faults(self) -> None:
        """Disarm all faults."""
        self.ask("DELETE", "faults")

    def configure(self, **changes: str | float) -> None:
        """Change options while it runs, see `options.CHANGEABLE`."""
        self.ask("POST", "options", changes)

    def reset(self) -> None:
        """Disarm all faults, count from nothing, go back to the options it was started with."""
        for what in ("faults", "stats", "options"):
            self.ask("DELETE", what)

    def advance(self, seconds: float) -> None:
        """Move the sandbox's clock forward."""
        self.ask("POST", "clock", {"advance": seconds})

    def set_clock(self, moment: str) -> None:
        """Let it be this moment (ISO, with a zone) for the vendors; their clock runs on from there."""
        self.ask("POST", "clock", {"set": moment})

    def forget_tokens(self) -> None:
        """Make every issued token invalid, as a changed password does."""
        self.ask("DELETE", "tokens")

    def jobs(self) -> list[Json]:
        """Every job of every vendor: vendor, id, status and more."""
        return cast("list[Json]", self.ask("GET", "jobs"))

    def archive(self, job_id: str) -> Json:
        """The truth about a job's archive: name, bytes, sha256, entries."""
        return cast("Json", self.ask("GET", f"jobs/{job_id}"))

    def job(self, job_id: str, action: str, *, error: str = "") -> None:
        """``finish``, ``fail``, ``stick``, ``cancel`` or ``expire`` a job."""
        self.ask("POST", f"jobs/{job_id}", {"action": action, "error": error})

    def items(self, vendor: str, *, start: str = "", end: str = "~") -> list[Json]:
        """Every item of a vendor created within [start, end), ISO strings in UTC."""
        return cast("list[Json]", self.ask("GET", f"items/{vendor}?start={start}&end={end}"))

    def add_items(self, vendor: str, day: str, count: int) -> list[str]:
        """Let `count` more items come to exist within a UTC day; returns their ids."""
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
        """Let one item come to exist at a moment (ISO), finished or listed only later; returns its id.

        Durations are seconds from `at` on the sandbox's clock; `touched` is whether finishing moves the
        time of its last change.
        """
        late = {"finish_after": finish_after, "list_after": list_after, "touched": touched}
        return cast("str", self.ask("POST", f"items/{vendor}", {"at": at, **late}))

    def remove_item(self, vendor: str, item_id: str) -> None:
        """Delete an item at the vendor."""
        self.ask("DELETE", f"items/{vendor}/{item_id}")

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> object:
        """One call of the admin route, decoded."""
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

    It stops when the block ends, or when this process does, however that comes about.
    Raises RuntimeError when it does not get ready.
    """
    command = [sys.executable, "-m", _MODULE, "--follow-stdin", *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise RuntimeError(f"the sandbox did not start: {' '.join(command)}")
            yield Sandbox(json.loads(line), process)
        finally:
            if process.stdin:
                process.stdin.close()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
