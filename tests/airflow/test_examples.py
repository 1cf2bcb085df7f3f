"""Every example DAG runs on a real Airflow against the sandbox, and what it lands is there."""

from __future__ import annotations

import json
import runpy
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from airflow_runs import connect, register

from airflow_provider_assets.sandbox import running

pytestmark = pytest.mark.airflow
FOLDER = Path(__file__).parent.parent.parent / "dags_examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
# Topaz lists seven days, by the clock of this machine.
TODAY = datetime.now(timezone.utc).date()
YESTERDAY = (TODAY - timedelta(days=1)).isoformat()
LANDINGS = {
    "roma_full_backup": {"huawei_roma"},
    "roma_instance_export": {"huawei_roma"},
    "scenario_nightly_export": {"scenario"},
    "three_vendors_one_bucket": {"huawei_roma", "scenario", "topaz"},
    "topaz_collect_outputs": {"topaz"},
}


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


def example(path):
    return runpy.run_path(str(path))["dag"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_exports_from_its_vendors(path, airflow, connections, tmp_path, monkeypatch):
    monkeypatch.setenv("EXPORT_TO", tmp_path.as_uri())
    dag = example(path)
    assert dag.dag_id == path.stem
    register(dag)
    run = airflow.run(dag, TODAY.isoformat())
    assert run.state == "success", run.states
    manifests = [json.loads(found.read_text()) for found in tmp_path.rglob("*.manifest.json")]
    assert {manifest["facts"]["vendor"] for manifest in manifests} == LANDINGS[path.stem]
    assert all(manifest["entries"] for manifest in manifests)


def test_a_full_backup_of_another_week_lands_beside_the_first(
    airflow, connections, tmp_path, monkeypatch
):
    monkeypatch.setenv("EXPORT_TO", tmp_path.as_uri())
    dag = example(FOLDER / "roma_full_backup.py")
    register(dag)
    for week in (TODAY - timedelta(days=7), TODAY):
        assert airflow.run(dag, week.isoformat()).state == "success"
    names = sorted(found.name for found in tmp_path.glob("*.manifest.json"))
    assert len(names) == 2
    assert all(name.startswith("huawei_roma-") for name in names)
    assert [TODAY.strftime("%Y%m%d") in name for name in names] == [False, True]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_fits_on_a_page(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 40
