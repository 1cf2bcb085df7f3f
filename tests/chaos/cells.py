"""The cells of the kill matrix: what is done to an export, and what the vendor must have seen."""

from __future__ import annotations

import hashlib
import json
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from standalone import Standalone, wait_until

from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sandbox.client import Sandbox

ARCHIVE, LAND = "export.archive", "export.land"
CANCELLED = {"scenario": "cannot cancel archive jobs", "topaz": "is cancelled"}


@dataclass(frozen=True)
class Cell:
    """One event for one vendor in one mode."""

    event: str
    vendor: str
    mode: str

    @property
    def name(self) -> str:
        return f"{self.vendor}_{self.mode}_{self.event}".replace(" ", "_").replace("'", "")


@dataclass(frozen=True)
class Seen:
    """What a cell came to: jobs that came to exist, cancel requests, and what landed.

    :param landed: "right" where the bytes are those the vendor served, "nothing", or "WRONG".
    """

    state: str
    submits: int
    cancels: int
    landed: str


class Stage:
    """An export on a real Airflow, with a vendor of its own.

    :param faults: what goes wrong at the vendor from the start. By default no job ends before the test
        says so.
    """

    def __init__(
        self,
        airflow: Standalone,
        sandbox: Sandbox,
        cell: Cell,
        folder: Path,
        faults: Sequence[str] = ("job:stuck",),
    ) -> None:
        self.airflow, self.sandbox, self.cell = airflow, sandbox, cell
        self.folder = folder / cell.name
        self.dag_id = f"{cell.mode}_export"
        self.run_id = cell.name
        for fault in faults:
            sandbox.fault(fault)
        self.selection: dict[str, Any] = {}
        if cell.vendor == "topaz":
            self.selection = {"items": {"process_ids": [self._new_process()]}}
        if cell.vendor == "roma":
            self.selection = {"items": {"apps": sandbox.roma["apps"][:4]}}
        sandbox.reset_stats()

    def _new_process(self) -> str:
        key = self.sandbox.topaz["connection"]["password"]
        request = urllib.request.Request(
            f"{self.sandbox.topaz['base_url']}/enhance/async",
            data=b"source_url=https%3A%2F%2Fx.test%2Fkite.png",
            headers={"X-API-Key": key},
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            return str(json.loads(reply.read())["process_id"])

    # --- acting ------------------------------------------------------------------------------

    def start(self, flavour: str = "export") -> None:
        self.dag_id = f"{self.cell.mode}_{flavour}"
        self.airflow.connect(self.cell.name, getattr(self.sandbox, self.cell.vendor)["connection"])
        conf = {"conn_id": self.cell.name, "destination": self.folder.as_uri(), **self.selection}
        self.airflow.trigger(self.dag_id, self.run_id, conf)

    def until_seen(self, counter: str) -> None:
        """Until the vendor has seen a request of this kind."""
        wait_until(lambda: self.count(counter), f"{self.run_id}: {counter}")

    def until_waiting(self, number: int = 1) -> None:
        """Until try *number* or a later one waits for its jobs, and whoever polls for it has begun."""
        state = "deferred" if self.cell.mode == "deferred" else "running"

        def waits() -> bool:
            ti = self.airflow.task(self.run_id, ARCHIVE)
            return ti.get("try_number", 0) >= number and ti["state"] == state

        wait_until(waits, f"{self.run_id} waits in try {number}")
        polls = self.count("polls")
        wait_until(lambda: self.count("polls") > polls, f"{self.run_id} is polled for")

    def finish_jobs(self) -> None:
        for job in self.sandbox.jobs():
            self.sandbox.job(job["id"], "finish")

    def until_ended(self, state: str) -> None:
        wait_until(
            lambda: self.airflow.run_state(self.dag_id, self.run_id) == state,
            f"{self.run_id} ends as {state}",
        )

    def until_landed(self) -> None:
        """Let jobs finish, those too that a later try submits, until the run has succeeded."""

        def landed() -> bool:
            self.finish_jobs()
            return self.airflow.run_state(self.dag_id, self.run_id) == "success"

        wait_until(landed, f"{self.run_id} lands")

    def until_told(self, text: str, number: int = 1) -> None:
        """Until the log of a try says *text*."""

        def log() -> str:
            return self.airflow.log(self.dag_id, self.run_id, ARCHIVE, number)

        try:
            wait_until(
                lambda: text in log(), f"{self.run_id}: the log of try {number} says {text!r}"
            )
        except AssertionError as error:
            seen = f"the vendor saw {self.count('cancels')} cancel requests; the log:"
            raise AssertionError(f"{error}; {seen}\n{log()}") from None

    # --- looking -----------------------------------------------------------------------------

    def count(self, counter: str) -> int:
        return self.sandbox.stats()["totals"][counter]

    def seen(self) -> Seen:
        return Seen(
            self.airflow.run_state(self.dag_id, self.run_id),
            self.count("accepted"),
            self.count("cancels"),
            self._landed(),
        )

    def _landed(self) -> str:
        files = [
            path
            for path in self.folder.rglob("*")
            # A plan is stored before anything is submitted, and says nothing of what has landed.
            if path.is_file() and not {".plans", "metadata"} & set(path.parts)
        ]
        data = [path for path in files if path.suffix != ".json"]
        if not files:
            return "nothing"
        served = {self.sandbox.archive(job["id"])["sha256"] for job in self.sandbox.jobs()}
        digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in data]
        return "right" if len(digests) == 1 and digests[0] in served else "WRONG"


FLAGS = {
    "scenario": ("--items", "0", "--day", "2026-01-09=5", "--item-bytes", "20000"),
    "topaz": ("--items", "0"),
    "roma": ("--item-bytes", "20000"),
}


@contextmanager
def staged(
    airflow: Standalone, cell: Cell, folder: Path, flags: Sequence[str] = (), **options: Any
) -> Iterator[Stage]:
    with running("--vendor", cell.vendor, *FLAGS[cell.vendor], *flags) as sandbox:
        yield Stage(airflow, sandbox, cell, folder, **options)


# --- events: each takes the export from its start to its end -----------------------------------


def crash_before_submit(stage: Stage) -> None:
    stage.sandbox.fault("list:hang:1")
    stage.start()
    stage.until_seen("listings")
    stage.airflow.kill_task(stage.run_id, ARCHIVE)
    go_on(stage)


def crash_between_submit_and_record(stage: Stage) -> None:
    stage.sandbox.fault("submit:accept-then-hang:1")
    stage.start()
    stage.until_seen("accepted")
    stage.airflow.kill_task(stage.run_id, ARCHIVE)
    go_on(stage)


def crash_after_record(stage: Stage) -> None:
    stage.sandbox.fault("poll:hang:1")
    stage.start()
    stage.until_seen("polls")
    stage.airflow.kill_task(stage.run_id, ARCHIVE)
    go_on(stage)


def loss_of_the_worker(stage: Stage) -> None:
    stage.sandbox.fault("poll:hang:1")
    stage.start()
    stage.until_seen("polls")
    stage.airflow.kill_worker(stage.run_id, ARCHIVE)
    go_on(stage)


def clear_while_deferred(stage: Stage) -> None:
    stage.start()
    stage.until_waiting()
    stage.airflow.clear(stage.dag_id, stage.run_id, ARCHIVE)
    go_on(stage)


def clear_after_success(stage: Stage) -> None:
    stage.start()
    stage.until_waiting()
    stage.until_landed()
    stage.airflow.clear(stage.dag_id, stage.run_id, ARCHIVE)
    stage.until_landed()


def mark_failed(stage: Stage) -> None:
    stage.sandbox.fault("cancel:delay=4")  # the triggerer repeats itself meanwhile
    stage.start("cancelled")
    stage.until_waiting()
    stage.airflow.mark_failed(stage.dag_id, stage.run_id, ARCHIVE)
    stage.until_ended("failed")
    told(stage)


def mark_failed_while_submitting(stage: Stage) -> None:
    """Airflow lets a killed process live on for ten seconds; it must not submit its third batch."""
    stage.sandbox.add_items("scenario", "2026-01-09", 2100)
    stage.sandbox.fault("submit:delay=3")
    stage.start()
    stage.until_seen("accepted")
    process = wait_until(
        lambda: stage.airflow.task_process(stage.run_id, ARCHIVE), "the task that submits runs"
    )
    stage.airflow.mark_failed(stage.dag_id, stage.run_id, ARCHIVE)
    process.wait(60)
    stage.until_ended("failed")
    time.sleep(4)  # a third submit may still be on its way


def timeout_while_deferred(stage: Stage) -> None:
    stage.start("hurry")
    stage.until_ended("failed")
    told(stage)


def timeout_of_airflow(stage: Stage) -> None:
    stage.start("backstop")
    stage.until_ended("failed")
    told(stage)


def go_on(stage: Stage) -> None:
    """The next try waits; its jobs end; the export lands."""
    stage.until_waiting(2)
    stage.until_landed()


def told(stage: Stage) -> None:
    """The log says that the vendor cancelled the job, or that it cannot."""
    stage.until_told(CANCELLED[stage.cell.vendor])


SCRIPTS: dict[str, Callable[[Stage], None]] = {
    "crash before submit": crash_before_submit,
    "crash between submit and record": crash_between_submit_and_record,
    "crash after record": crash_after_record,
    "loss of the whole worker": loss_of_the_worker,
    "clear while waiting": clear_while_deferred,
    "clear after success": clear_after_success,
    "mark failed": mark_failed,
    "mark failed while submitting": mark_failed_while_submitting,
    "timeout while waiting": timeout_while_deferred,
    "Airflow's own timeout": timeout_of_airflow,
}
