"""Runs commands in turn, several rounds, and compares them within each round."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Runner:
    """One way of doing the work. ``env`` is added to that of the race.

    :param tells_seconds: whether the command writes the seconds to be compared to the file ``SECONDS_TO``.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    tells_seconds: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds on the clock, CPU seconds, MiB of the largest process, whether it worked."""

    wall: float
    cpu: float
    rss: float
    ok: bool


def run(runner: Runner, env: Mapping[str, str], *, timeout: float, errors: str) -> Run:
    told = Path(f"{errors}.seconds")
    more = {**env, **runner.env, **({"SECONDS_TO": str(told)} if runner.tells_seconds else {})}
    began = time.monotonic()
    with Path(errors).open("ab") as log:
        process = subprocess.Popen(
            runner.command, env={**os.environ, **more},
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    timer = threading.Timer(timeout, os.killpg, (process.pid, signal.SIGKILL))
    timer.start()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    if runner.tells_seconds and status == 0:
        wall = float(told.read_text())
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, status == 0)


def race(
    runners: Sequence[Runner], env: Mapping[str, str], *, rounds: int, timeout: float, errors: str
) -> dict[str, list[Run]]:
    """*rounds* measured rounds after one that warms up: A B C, A B C, ...

    A single round shows only that every way works, so nothing warms up before it.
    """
    runs: dict[str, list[Run]] = {runner.name: [] for runner in runners}
    for is_measured in [False] * (rounds > 1) + [True] * rounds:
        for runner in runners:
            result = run(runner, env, timeout=timeout, errors=errors)
            if is_measured:
                runs[runner.name].append(result)
    return runs


def table(title: str, runs: Mapping[str, list[Run]], mib: float) -> str:
    """Medians; the ratio is the median of the ratios to the first runner within each round."""
    base = next(iter(runs.values()))
    lines = [
        f"### {title} ({len(base)} rounds)",
        "| way | wall s | min-max | MB/s | CPU s | RSS MiB | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, results in runs.items():
        walls = [r.wall for r in results]
        wall, cpu = statistics.median(walls), statistics.median(r.cpu for r in results)
        ratio = statistics.median(r.wall / b.wall for r, b in zip(results, base, strict=True))
        broken = sum(not r.ok for r in results)
        note = f" FAILED {broken}/{len(results)}" if broken else ""
        lines.append(
            f"| {name}{note} | {wall:.2f} | {min(walls):.2f}-{max(walls):.2f} "
            f"| {mib * 1.048576 / wall:.0f} | {cpu:.2f} | {max(r.rss for r in results):.0f} | {ratio:.2f} |"
        )
    return "\n".join(lines)
