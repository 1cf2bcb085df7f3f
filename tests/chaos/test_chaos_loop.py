"""Random faults, kills and retries against exports of all vendors; equal seeds plan equal misfortunes."""

from __future__ import annotations

import contextlib
import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from signal import SIGKILL, SIGTERM
from typing import Any

import psutil
import pytest
from cells import ARCHIVE, LAND, Cell, Stage, staged
from standalone import Standalone, wait_until

pytestmark = [pytest.mark.airflow, pytest.mark.chaos]
SEED, LANES = 20260109, 6
SHARES = {"scenario": 14, "topaz": 3, "roma": 3}
SLOW = "download:slow=50000"  # so that a kill may meet a download
# What a vendor and its network do to a request or a job; each is survived within the task's retries.
BYTES_LOST = ("download:reset:1", "download:truncate:1", "download:corrupt:1")
FAULTS = {
    "scenario": (
        "list:503:1", "list:reset:1", "list:delay=2:1", "submit:503:1", "submit:accept-then-reset:1",
        "submit:accept-then-500html:1", "submit:429:1,retry_after=1", "poll:503:2", "poll:reset:1",
        "poll:delay=2:1", "poll:status=weird:2", "job:failed:1,error=boom", "job:slow=6:1",
        "link:503:1", *BYTES_LOST,
    ),
    "topaz": ("poll:503:2", "poll:reset:1", "link:425:1", "link:503:1", *BYTES_LOST[:2]),
    "roma": ("list:503:1", "poll:503:2", "poll:delay=2:1", "job:slow=6:1", *BYTES_LOST),
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """The misfortunes of one export.

    :param kills: of which task, how many seconds after it began, and whether its worker dies too.
    :param clear: whether somebody clears the export after its success.
    """

    number: int
    vendor: str
    mode: str
    faults: tuple[str, ...]
    kills: tuple[tuple[str, float, bool], ...]
    clear: bool

    def submits(self, failed: int, *, is_silent: bool) -> range:
        """How many jobs the vendor may have seen, *failed* of them at its fault.

        Exactly one number where a lost job can be found again.

        :param is_silent: whether Scenario does not repeat what was submitted: each time that the answer to a
            submit may have been lost, there may be one more.
        """
        if self.vendor == "topaz":
            return range(1)
        least = 1 + failed + self.clear
        if self.vendor == "scenario":
            unheard = sum(fault.startswith("submit:accept-then") for fault in self.faults)
            killed = sum(task == ARCHIVE for task, *_ in self.kills)
            return range(least, least + 1 + (unheard + killed if is_silent else 0))
        # ROMA Connect has no lookup, and a package is gone once opened.
        broken = sum(fault.startswith("download") for fault in self.faults)
        return range(least, least + broken + len(self.kills) + 1)


def plans(count: int) -> Iterator[Plan]:
    chance = random.Random(SEED)
    for number in range(count):
        vendor = chance.choices(list(SHARES), weights=list(SHARES.values()))[0]
        kills = tuple(
            (task, chance.uniform(0, seconds), chance.random() < 0.2)
            for task, seconds in ((ARCHIVE, 3.0), (LAND, 3.0))
            if chance.random() < 0.5
        )
        yield Plan(
            number=number,
            vendor=vendor,
            mode=chance.choice(("blocking", "deferred")),
            faults=tuple(chance.sample(FAULTS[vendor], k=chance.randrange(4))),
            kills=kills,
            clear=vendor == "scenario" and chance.random() < 0.15,
        )


class Play:
    """One export and its misfortunes."""

    def __init__(self, stage: Stage, plan: Plan, *, is_silent: bool) -> None:
        self.stage, self.plan, self.is_silent = stage, plan, is_silent
        self.airflow = stage.airflow
        self.hits = self.submits = 0

    def __call__(self) -> str:
        """What is wrong in the end; empty if nothing is."""
        self.stage.start()
        for task, seconds, whole in self.plan.kills:
            self._kill(task, seconds, whole=whole)
        self._until_ended()
        if self.plan.clear:
            self.airflow.clear(self.stage.dag_id, self.stage.run_id, ARCHIVE)
            self._until_ended()
        seen = self.stage.seen()
        if (seen.state, seen.landed) != ("success", "right"):
            return f"{seen.state}, bytes {seen.landed}"
        stats = self.stage.sandbox.stats()
        failed = [f["served"] for f in stats["faults"] if f["spec"].startswith("job:failed")]
        allowed = self.plan.submits(sum(failed), is_silent=self.is_silent)
        self.submits = seen.submits - allowed.start
        if seen.submits not in allowed:
            return f"{seen.submits} submits, not in {allowed}"
        if list(self.stage.folder.rglob("*.started.json")):
            return "a marker is left behind"
        gets = [one["gets"] for one in stats["archives"].values()]
        return f"{max(gets)} GETs" if self.plan.vendor == "roma" and max(gets) > 1 else ""

    def _kill(self, task: str, seconds: float, *, whole: bool) -> None:
        index = 0 if task == LAND else -1
        run_id = self.stage.run_id

        def begun() -> bool:
            return self._ended() or bool(self.airflow.task_process(run_id, task, index))

        wait_until(begun, f"{run_id} {task} begins", 240)
        time.sleep(seconds)
        process = self.airflow.task_process(run_id, task, index)
        with contextlib.suppress(psutil.NoSuchProcess):
            if process:
                worker = process.parent()
                process.kill()
                self.hits += 1
                if whole and worker:
                    worker.kill()

    def _ended(self) -> bool:
        state = self.airflow.run_state(self.stage.dag_id, self.stage.run_id)
        return state in ("success", "failed")

    def _until_ended(self) -> None:
        wait_until(self._ended, f"{self.stage.run_id} ends", 300)


class TriggererKiller(threading.Thread):
    """Ends the triggerer from time to time, one way or the other, and starts another."""

    def __init__(self, airflow: Standalone) -> None:
        super().__init__(daemon=True)
        self.airflow, self.kills, self.over = airflow, 0, threading.Event()

    def run(self) -> None:
        chance = random.Random(SEED)
        while not self.over.wait(chance.uniform(30, 70)):
            self.airflow.stop_triggerer(chance.choice((SIGKILL, SIGTERM)))
            self.airflow.start_triggerer()
            self.kills += 1


def play_all(
    airflow: Standalone, folder: Path, form: Any, count: int, seconds: float
) -> tuple[dict[Plan, str], list[Play]]:
    """What went wrong with each plan that began within *seconds*, and how each was played."""
    end = time.monotonic() + seconds
    waiting: Queue[Plan] = Queue()
    for plan in plans(count):
        waiting.put(plan)
    wrong: dict[Plan, str] = {}
    plays: list[Play] = []

    def lane(_: int) -> None:
        with contextlib.suppress(Empty):
            while time.monotonic() < end:
                plan = waiting.get_nowait()
                cell = Cell(f"chaos {plan.number}", plan.vendor, plan.mode)
                try:
                    faults = [*plan.faults, SLOW]
                    with staged(airflow, cell, folder, form.flags, faults=faults) as stage:
                        play = Play(stage, plan, is_silent=form.is_silent)
                        wrong[plan] = play()
                        plays.append(play)
                except Exception:  # noqa: BLE001  # the test raises it
                    wrong[plan] = traceback.format_exc()

    with ThreadPoolExecutor(LANES) as pool:
        list(pool.map(lane, range(LANES)))
    return wrong, plays


def test_nothing_is_submitted_twice_or_lost_or_wrong_whatever_happens(
    airflow, tmp_path, chaos_table, long_form, form
):
    count, seconds = (200, 1500.0) if long_form else (12, 60.0)
    if form.runs:
        count, seconds = form.runs, 7200.0
    began = time.monotonic()
    killer = TriggererKiller(airflow)
    killer.start()
    wrong, plays = play_all(airflow, tmp_path, form, count, seconds)
    killer.over.set()
    killer.join(60)
    failed = {plan: text for plan, text in wrong.items() if text}
    chaos_table.append(
        f"Chaos{' over https' * form.is_https}{', jobs that tell nothing' * form.is_silent}: {len(wrong)} "
        f"exports in {time.monotonic() - began:.0f} s, {sum(play.hits for play in plays)} processes and "
        f"{killer.kills} triggerers killed, {sum(len(plan.faults) for plan in wrong)} faults; "
        f"{len(wrong) - len(failed)} exports right; submits beyond the least: "
        f"{Counter((play.plan.vendor, play.submits) for play in plays if play.submits)}"
    )
    assert wrong
    assert not failed
