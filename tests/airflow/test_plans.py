"""Items of large batches are kept beside the destination, and references hold their address."""

from __future__ import annotations

import gzip
import json

import pytest
from airflow.models.task_state_store import TaskStateStoreModel
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from exported import CONN, archive, archives, export, exportable, ids_in, read
from sqlalchemy import select

from airflow_provider_assets.batches.ledger import KEY
from airflow_provider_assets.deliveries.batch_landing import BatchLanding
from airflow_provider_assets.exports import asset_export
from airflow_provider_assets.sansio import errors

pytestmark = pytest.mark.airflow
LARGE = {"logical_date": "2026-01-09"}  # 1003 assets: a batch of 1000 and one of 3
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferred"])


def plans(stored):
    return {key: data for key, data in stored.items() if ".plans/" in key}


def stored_bytes(run, task_id):
    """Bytes of the XComs and of the batches' state of a task in Airflow's database."""
    with create_session() as session:
        xcoms = select(XComModel).where(
            XComModel.dag_id == run.dag_run.dag_id,
            XComModel.run_id == run.dag_run.run_id,
            XComModel.task_id == task_id,
        )
        states = select(TaskStateStoreModel).where(
            TaskStateStoreModel.dag_id == run.dag_run.dag_id,
            TaskStateStoreModel.run_id == run.dag_run.run_id,
            TaskStateStoreModel.task_id == task_id,
        )
        return (
            sum(len(json.dumps(one.value)) for one in session.scalars(xcoms)),
            sum(len(one.key + one.value) for one in session.scalars(states) if one.key != KEY),
        )


@MODES
def test_a_batch_of_a_thousand_items_costs_airflow_less_than_a_kilobyte_each(
    airflow, sandbox, s3, deferrable
):
    run = airflow(export("s3://s3_test@exports/nightly/", deferrable=deferrable), run=LARGE)
    assert run.state == "success", run.tries
    stored = s3()
    large, _ = run.result("export.archive")
    assert large["request"]["version"] == 2
    key = large["request"]["plan"]["uri"].removeprefix("s3://s3_test@exports/")
    head = json.loads(gzip.decompress(stored[key]).splitlines()[0])
    assert len(head["items"]["asset_ids"]) == 1000
    found = sorted(i for data in archives(stored).values() for i in ids_in(data))
    assert found == exportable(sandbox, "2026-01-08", "2026-01-09")
    xcoms, states = stored_bytes(run, "export.archive")
    assert 0 < xcoms < 2 * 1024, (xcoms, states)
    assert 0 < states < 2 * 1024


def test_few_items_stay_in_the_reference(airflow, sandbox, folder):
    run = airflow(export(folder.as_uri(), metadata=None))
    (reference,) = run.result("export.archive")
    assert len(reference["request"]["items"]["asset_ids"]) == 7
    assert plans(read(folder)) == {}


def test_without_a_place_for_plans_all_items_stay_in_the_references(airflow, sandbox):
    run = airflow(archive, run=LARGE)
    counts = [len(one["request"]["items"]["asset_ids"]) for one in run.result("archive")]
    assert counts == [1000, 3]


def test_a_retry_submits_what_the_plan_says_and_lists_nothing_again(airflow, sandbox, folder):
    sandbox.fault("submit:500:1")
    body = export(folder.as_uri(), retries=1)
    run = airflow(body, run=LARGE)
    assert run.state == "success", run.tries
    assert len(run.tries) == 1
    found = sorted(i for data in archives(read(folder)).values() for i in ids_in(data))
    assert found == exportable(sandbox, "2026-01-08", "2026-01-09")


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_plan_that_is_gone_or_changed_is_named_with_the_remedy(
    airflow, sandbox, folder, monkeypatch, damage
):
    land = BatchLanding.land

    def harm(self, *arguments):
        for path in folder.glob(".plans/*"):
            path.unlink() if damage == "missing" else path.write_bytes(b"changed")
        return land(self, *arguments)

    monkeypatch.setattr(BatchLanding, "land", harm)
    run = airflow(export(folder.as_uri(), retries=2), run=LARGE)
    assert {type(one.error) for one in run.tries} == {errors.InvalidRequestError}
    assert "clear the archive task to export again" in str(run.error)
    assert [one.number for one in run.tries] == [1, 1], "another attempt cannot bring them back"


def test_unpacked_files_and_plans_do_not_mix(airflow, sandbox, folder):
    dag = airflow.dag(
        lambda: asset_export(
            "export", conn_id=CONN, destination=folder.as_uri(), layout="files", poll_interval=0.1
        )
    )
    assert airflow.run(dag, **LARGE).state == "success"
    kept = plans(read(folder))
    assert kept
    again = airflow.run(dag, **LARGE)
    assert [one["skipped"] for one in again.results("export.land")] == [True, True]
    assert plans(read(folder)).items() >= kept.items()
    images = {key for key in read(folder) if key.endswith(".png")}
    assert len(images) == 1003
