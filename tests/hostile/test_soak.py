"""Exports with random faults and deferred waits, in one process: it takes no more in the end than before."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil
from airflow_runs import connect
from fault_rows import ROWS
from fault_stages import STAGES, VENDORS
from fault_world import fault_world

from airflow_provider_assets.hooks.scenario import ScenarioHook
from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio.jobs import ArchiveRequest, JobState
from airflow_provider_assets.triggers.archive import AssetArchiveTrigger, read_ends

# Growth between the second and the last quarter, also of the servers which play the faults, of the clients
# of the store and of what pytest records.
ROOM = {"MiB": 64.0, "descriptors": 6.0, "threads": 4.0}
# A triggerer lives for months.
ROOM_OF_WAITS = {"MiB": 4.0, "descriptors": 2.0, "threads": 2.0}
WAITS = 5  # at the same time
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


def growth(
    figure: Callable[[str], None],
    subject: str,
    samples: Sequence[Sample],
    rooms: Mapping[str, float],
) -> list[str]:
    """What has grown by more than its room; a figure tells how much everything has grown."""
    lines, wrong = [], []
    for what, room in rooms.items():
        before, after = quarter(samples, 1, what), quarter(samples, 3, what)
        times = [one.second / 60 for one in samples]
        slope = statistics.linear_regression(times, [one.taken[what] for one in samples]).slope
        lines.append(f"{what} {before:.0f} and {after:.0f} ({slope:+.2f} a minute)")
        if after > before + room:
            wrong.append(f"{what} grew from {before:.0f} to {after:.0f}")
    figure(
        f"Soak: {subject} in {samples[-1].second:.0f} s; medians of the second and the last quarter: "
        f"{', '.join(lines)}"
    )
    return wrong


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
    wrong += growth(figure, f"{len(samples)} exports with faults", samples, ROOM)
    assert not wrong, "\n".join(wrong)


def test_thousands_of_deferred_waits_leave_nothing_in_their_process(monkeypatch, full_form, figure):
    with running(
        "--vendor", "scenario", "--items", "0", "--day", "2026-01-09=2", "--job-seconds", "0.05"
    ) as sandbox:  # fmt: skip
        connect(monkeypatch, "scenario_soak", sandbox.scenario["connection"])
        items = {"asset_ids": tuple(str(one["id"]) for one in sandbox.items("scenario"))}
        samples = asyncio.run(deferred_waits(items, 1000 if full_form else 16))
    wrong = growth(figure, f"{WAITS * len(samples)} deferred waits", samples, ROOM_OF_WAITS)
    assert not wrong, "\n".join(wrong)


async def deferred_waits(items: Mapping[str, tuple[str, ...]], rounds: int) -> list[Sample]:
    """What the process takes after each of some *rounds* of waits, each of which has its own poller."""
    hook, began, samples = ScenarioHook("scenario_soak"), time.monotonic(), []
    request = ArchiveRequest("scenario", items, hook.vendor.validate(options={}))

    async def one() -> None:
        job = await asyncio.to_thread(lambda: hook.run(hook.vendor.submit(request)))
        deadline = time.time() + 60
        trigger = AssetArchiveTrigger(hook.conn_id, [job.to_dict()], deadline, poll_interval=0.05)
        [event] = [event async for event in trigger.run()]
        [end] = read_ends(event.payload)
        assert end.state is JobState.SUCCEEDED

    for _ in range(rounds):
        await asyncio.gather(*(one() for _ in range(WAITS)))
        samples.append(Sample.now(began))
    return samples
