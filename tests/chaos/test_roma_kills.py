from __future__ import annotations

import contextlib
import hashlib
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from cells import LAND
from standalone import Standalone, wait_until

from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sandbox.client import Sandbox

pytestmark = [pytest.mark.airflow, pytest.mark.chaos]
SEED, LANES, BYTES, RATE = 20260109, 4, 400_000, 130_000
DAG = "blocking_export"


class Lane:
    """A ROMA Connect of its own: an account runs one export at a time."""

    def __init__(self, airflow: Standalone, sandbox: Sandbox, number: int, folder: Path) -> None:
        self.airflow, self.sandbox, self.folder = airflow, sandbox, folder
        self.conn_id = f"roma_{number}"
        airflow.connect(self.conn_id, sandbox.roma["connection"])
        sandbox.fault(f"download:slow={RATE}")

    def kill_one(self, number: int, moment: float) -> str:
        """Export, and ``kill -9`` the process that lands, *moment* seconds into its only download."""
        run_id, folder = f"roma_kill_{number}", self.folder / str(number)
        before = self.downloads()
        conf = {
            "conn_id": self.conn_id,
            "items": {"apps": self.sandbox.roma["apps"][:4]},
            "destination": folder.as_uri(),
        }
        self.airflow.trigger(DAG, run_id, conf)
        landing = wait_until(lambda: self.airflow.task_process(run_id, LAND, 0), f"{run_id} lands")
        while self.downloads() == before:
            time.sleep(0.02)
        time.sleep(moment)
        with contextlib.suppress(psutil.NoSuchProcess):
            landing.kill()
        wait_until(
            lambda: self.airflow.run_state(DAG, run_id) in ("success", "failed"), f"{run_id} ends"
        )
        return self.verdict(run_id, folder)

    def downloads(self) -> int:
        return self.sandbox.stats()["totals"]["downloads"]

    def verdict(self, run_id: str, folder: Path) -> str:
        state = self.airflow.run_state(DAG, run_id)
        manifest = self.airflow.result(DAG, run_id, LAND, 0)
        if state != "success" or not manifest:
            return f"the run ended as {state}"
        data = Path(urlsplit(manifest["uri"]).path).read_bytes()
        served = self.sandbox.archive(manifest["facts"]["job_id"])["sha256"]
        if hashlib.sha256(data).hexdigest() != served:
            return "WRONG BYTES"
        left = {path.name for path in folder.iterdir()}
        names = {Path(urlsplit(manifest[key]).path).name for key in ("uri", "manifest_uri")}
        return "right" if left == names else f"left behind: {sorted(left - names)}"


def kill(airflow: Standalone, folder: Path, count: int) -> tuple[list[str], list[int]]:
    """The verdict of each run, and how often each archive was asked for."""
    chance = random.Random(SEED)
    moments = [chance.uniform(0, 1.05 * BYTES / RATE) for _ in range(count)]

    def play(number: int) -> tuple[list[str], list[int]]:
        with running("--vendor", "roma", "--item-bytes", str(BYTES // 4)) as sandbox:
            lane = Lane(airflow, sandbox, number, folder)
            verdicts = [lane.kill_one(n, moments[n]) for n in range(number, count, LANES)]
            archives = sandbox.stats()["archives"].values()
            return verdicts, [archive["gets"] for archive in archives]

    with ThreadPoolExecutor(LANES) as pool:
        played = list(pool.map(play, range(min(LANES, count))))
    return [v for verdicts, _ in played for v in verdicts], [g for _, gets in played for g in gets]


def test_a_landing_killed_in_the_only_download_ends_with_the_right_bytes(
    airflow, tmp_path, chaos_table, long_form
):
    count = 20 if long_form else LANES
    verdicts, gets = kill(airflow, tmp_path, count)
    chaos_table.append(
        f"ROMA: {count} landings killed in their only download, {verdicts.count('right')} right; "
        f"{len(gets)} archives, at most {max(gets)} GET each"
    )
    assert verdicts == ["right"] * count
    assert max(gets) == 1
    assert len(gets) > count, "no kill met a download"
