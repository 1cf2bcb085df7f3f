"""Exports with random faults, one after the other in one process: it takes no more in the end than before."""

from __future__ import annotations

import gc
import os
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import psutil
from fault_rows import ROWS
from fault_stages import STAGES, VENDORS
from fault_world import fault_world

# Growth between the second and the last quarter. The memory is also that of the servers which play the
# faults, of the clients of the store and of what pytest records: 29 MiB in five minutes were measured.
ROOM = {"MiB": 64.0, "descriptors": 6.0, "threads": 4.0}
ITEM = 500_000


@dataclass(frozen=True)
class Sample:
    """What the process takes."""

    second: float
    taken: dict[str, float]

    @classmethod
    def now(cls, began: float) -> Sample:
        gc.collect()
        process = psutil.Process()
        taken = {
            "MiB": process.memory_info().rss / (1 << 20),
            "descriptors": float(process.num_fds()),
            "threads": float(threading.active_count()),
        }
        return cls(time.monotonic() - began, taken)


def quarter(samples: Sequence[Sample], number: int, what: str) -> float:
    """The median of a quarter of the samples, counted from 0."""
    size = len(samples) // 4
    return statistics.median(
        one.taken[what] for one in samples[number * size : (number + 1) * size]
    )


def test_many_exports_with_faults_leave_nothing_open_in_their_process(
    tmp_path, monkeypatch, request, full_form, figure
):
    seconds = float(os.environ.get("SOAK_SECONDS", "1800" if full_form else "10"))
    draw, told = random.Random(20260109), Counter()
    samples: list[Sample] = []
    wrong: list[str] = []
    stores = lambda: request.getfixturevalue("s3_server")  # noqa: E731  # started on first use
    with fault_world(tmp_path, monkeypatch, stores, ITEM) as kit:
        began = time.monotonic()
        while len(wrong) < 5 and (time.monotonic() - began < seconds or len(samples) < 8):
            row = draw.choice(ROWS)
            stage, vendor = draw.choice(STAGES), draw.choice(VENDORS)
            try:
                end = kit.play(row, stage, vendor, draw.choice(("http", "https")))
            except AssertionError as error:
                wrong.append(str(error))
                continue
            told[end.rpartition(" ")[2]] += end != "n/a"
            if end != "n/a":
                samples.append(Sample.now(began))
    assert len(samples) >= 8, "\n".join(wrong)
    lines = []
    for what, room in ROOM.items():
        before, after = quarter(samples, 1, what), quarter(samples, 3, what)
        times = [one.second / 60 for one in samples]
        slope = statistics.linear_regression(times, [one.taken[what] for one in samples]).slope
        lines.append(f"{what} {before:.0f} and {after:.0f} ({slope:+.2f} a minute)")
        if after > before + room:
            wrong.append(f"{what} grew from {before:.0f} to {after:.0f}")
    figure(
        f"Soak: {len(samples)} exports with faults in {samples[-1].second:.0f} s; medians of the second and "
        f"the last quarter: {', '.join(lines)}"
    )
    assert not wrong, "\n".join(wrong)
