"""Exports on several workers and triggerers, of which some are lost in the middle."""

from __future__ import annotations

import time
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from cells import LAND
from cluster import Cluster, cluster, missing
from standalone import wait_until

from airflow_provider_assets.sandbox import running

pytest.importorskip("airflow.providers.celery", reason="the dependency group cluster")
if gone := missing():
    pytest.skip(f"{gone} is not installed", allow_module_level=True)

pytestmark = [pytest.mark.airflow, pytest.mark.cluster]
DAG, BATCHES, BATCH = "deferred_export", 30, 1000
# Requests per second of the connection, and the slots of the pools in which six tasks list.
RATE, SLOTS, TASKS = 4.0, (2, 6), 6


@pytest.fixture(scope="module")
def _scenario():
    with running(
        "--vendor", "scenario", "--items", "0", "--item-bytes", "600", "--job-seconds", "10",
        "--day", f"2026-01-09={BATCHES * BATCH}", "--empty-pages", "0",
    ) as sandbox:  # fmt: skip
        yield sandbox


@pytest.fixture(scope="module")
def airflow(_scenario, tmp_path_factory):
    home = tmp_path_factory.mktemp("cluster")
    dags = {DAG, *(f"listings_in_{slots}_slots" for slots in SLOTS)}
    with cluster(home, dags, EXPORT_TO=(home / "exported").as_uri()) as started:
        connection = _scenario.scenario["connection"]
        started.connect("scenario_cluster", connection)
        limited = {**connection.get("extra", {}), "requests_per_second": RATE}
        started.connect("scenario_limited", {**connection, "extra": limited})
        yield started


@pytest.fixture
def scenario(_scenario):
    _scenario.reset()
    return _scenario


def start(airflow: Cluster, run_id: str, folder: Path, **conf) -> None:
    conf = {"conn_id": "scenario_cluster", "destination": folder.as_uri(), **conf}
    airflow.trigger(DAG, run_id, conf)


def end_of(airflow: Cluster, run_id: str, dag_id: str = DAG) -> str:
    """The state in which a run has ended."""
    wait_until(
        lambda: airflow.run_state(dag_id, run_id) in ("success", "failed"), f"{run_id} ends", 600
    )
    return airflow.run_state(dag_id, run_id)


def fastest(samples: list[tuple[float, int]], seconds: float) -> float:
    """The highest rate per second over spans of at least that many seconds."""
    spans = [
        (later - earlier, there - here)
        for number, (earlier, here) in enumerate(samples)
        for later, there in samples[number + 1 :]
        if later - earlier >= seconds
    ]
    return max(count / span for span, count in spans)


def landings(airflow: Cluster, run_id: str) -> Counter[str]:
    """State -> number of the landings of a run."""
    found = airflow.ask("GET", f"/dags/{DAG}/dagRuns/{run_id}/taskInstances?limit=100")
    return Counter(
        ti["state"]
        for ti in found["task_instances"]
        if ti["task_id"] == LAND and ti["map_index"] >= 0
    )


def test_a_worker_and_a_triggerer_are_lost_and_every_item_lands_once(airflow, scenario, tmp_path):
    scenario.fault("download:slow=300000")
    start(airflow, "lost", tmp_path)
    wait_until(lambda: airflow.task("lost", "export.archive").get("state") == "deferred", "defers")
    assert airflow.kill("triggerer") >= 1, "both, so that the one that waits is among them"
    airflow.add_triggerer(3)
    wait_until(lambda: landings(airflow, "lost")["running"] >= 4, "landings run", 240)
    assert airflow.kill("worker1") >= 2
    assert end_of(airflow, "lost") == "success", landings(airflow, "lost")
    airflow.start_worker(1)
    totals = scenario.stats()["totals"]
    assert totals["accepted"] == BATCHES, "no batch was submitted twice"
    archives = sorted(tmp_path.glob("*.zip"))
    assert len(archives) == BATCHES
    names = [name for one in archives for name in zipfile.ZipFile(one).namelist()]
    listed = scenario.items("scenario", start="2026-01-09", end="2026-01-10")
    found = Counter(name.rpartition("/")[2].partition(".")[0] for name in names)
    assert found == Counter(item["id"] for item in listed if item["exportable"])
    size = sum(one.stat().st_size for one in archives)
    # Four landings may have been cut off; what they had fetched before their first checkpoint is lost.
    assert totals["bytes"] <= size * (BATCHES + 4) / BATCHES


def test_of_two_workers_that_land_the_same_one_wins(airflow, scenario, tmp_path):
    scenario.fault("download:slow=300000")
    for number in (1, 2):
        start(airflow, f"twin{number}", tmp_path, select={"modelId": "model_sdxl"})
    assert [end_of(airflow, f"twin{number}") for number in (1, 2)] == ["success", "success"]
    archives = sorted(tmp_path.glob("*.zip"))
    for index, one in enumerate(archives):
        with zipfile.ZipFile(one) as opened:
            assert opened.testzip() is None
        manifests = [airflow.result(DAG, f"twin{number}", LAND, index) for number in (1, 2)]
        assert {manifest["uri"] for manifest in manifests} == {one.as_uri()}
        assert len({manifest["sha256"] for manifest in manifests}) == 1
    assert archives
    assert not [name for name in tmp_path.rglob("*") if ".part" in name.name], "nothing is left"


@pytest.mark.parametrize("slots", SLOTS)
def test_the_slots_of_a_pool_limit_the_requests_of_all_workers(
    airflow, scenario, chaos_table, slots
):
    dag_id = f"listings_in_{slots}_slots"
    airflow.ask("POST", "/pools", {"name": f"vendor_{slots}", "slots": slots})
    airflow.trigger(dag_id, "rate", {})
    samples: list[tuple[float, int]] = []

    def has_ended() -> bool:
        samples.append((time.monotonic(), scenario.stats()["totals"]["requests"]))
        return airflow.run_state(dag_id, "rate") in ("success", "failed")

    wait_until(has_ended, "the listings end", 600)
    assert airflow.run_state(dag_id, "rate") == "success"
    assert samples[-1][1] >= BATCHES * BATCH // 100, "pages"
    rate = fastest(samples, 10)
    chaos_table.append(f"{slots} slots, {RATE:g} requests/s each: at most {rate:.1f} requests/s")
    # The first request of each task is sent at once.
    assert rate <= slots * RATE + TASKS / 10
