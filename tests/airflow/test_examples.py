"""Every example DAG runs on a real Airflow against the sandbox, and what it lands is there."""

from __future__ import annotations

import json
import runpy
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pytest
from airflow.utils.types import DagRunType
from airflow_runs import connect, register

from airflow_provider_assets.sandbox import running

pytestmark = [pytest.mark.airflow, pytest.mark.long]
FOLDER = Path(__file__).parent.parent.parent / "dags_examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
# Topaz lists seven days, by the clock of this machine.
TODAY = datetime.now(timezone.utc).date()
YESTERDAY = (TODAY - timedelta(days=1)).isoformat()
LANDINGS = {
    "export_to_warehouse": {"scenario"},
    "reconcile_and_repair": {"scenario"},
    "roma_export_everything": {"huawei_roma"},
    "roma_instance_export": {"huawei_roma"},
    "scenario_backfill": {"scenario"},
    "scenario_incremental": {"scenario"},
    "scenario_nightly_export": {"scenario"},
    "scenario_partitioned": {"scenario"},
    "three_vendors_one_bucket": {"huawei_roma", "scenario", "topaz"},
    "topaz_collect_outputs": {"topaz"},
}
# A run by hand has no partition.
RUNS = {"scenario_partitioned": {"partition_key": YESTERDAY, "run_type": DagRunType.SCHEDULED}}


@pytest.fixture(scope="module")
def vendors():
    flags = ("--items", "4", "--day", f"{YESTERDAY}=6", "--job-seconds", "0.2")
    with running(*flags) as sandbox:
        yield sandbox


@pytest.fixture
def connections(vendors, monkeypatch):
    for vendor in ("scenario", "topaz", "roma"):
        connection = getattr(vendors, vendor)["connection"]
        connect(monkeypatch, f"{connection['conn_type']}_default", connection)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_exports_from_its_vendors(
    path, airflow, vendors, connections, tmp_path, monkeypatch
):
    monkeypatch.setenv("EXPORT_TO", tmp_path.as_uri())
    monkeypatch.setenv("WAREHOUSE", str(tmp_path / "warehouse.duckdb"))
    dag = runpy.run_path(str(path))["dag"]
    assert dag.dag_id == path.stem
    register(dag)
    run = airflow.run(dag, TODAY.isoformat(), **RUNS.get(path.stem, {}))
    assert run.state == "success", run.states
    manifests = [json.loads(found.read_text()) for found in tmp_path.rglob("*.manifest.json")]
    assert {manifest["facts"]["vendor"] for manifest in manifests} == LANDINGS[path.stem]
    assert all(manifest["entries"] for manifest in manifests)
    if path.stem == "export_to_warehouse":
        # Each item is there once, however often it is exported.
        assert airflow.run(dag, TODAY.isoformat()).state == "success"
        with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as warehouse:
            found = warehouse.sql("SELECT item_id FROM assets WHERE uri IS NOT NULL").fetchall()
        made = vendors.items("scenario", start=YESTERDAY, end=TODAY.isoformat())
        assert sorted(found) == sorted((one["id"],) for one in made if one["exportable"])
    if path.stem != "roma_export_everything":
        return
    # What has not changed lands again, under the date of its own run.
    later = TODAY + timedelta(days=7)
    assert airflow.run(dag, later.isoformat()).state == "success"
    names = sorted(found.name for found in tmp_path.glob("*.manifest.json"))
    dates = [moment.strftime("huawei_roma-%Y%m%d") for moment in (TODAY, later)]
    assert [name.partition("T")[0] for name in names] == dates


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_fits_on_a_page(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 40
