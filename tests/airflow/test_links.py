"""The links of a task in Airflow's user interface."""

from __future__ import annotations

import pytest
from airflow.models.dagbag import DBDagBag
from airflow.utils.session import create_session
from airflow_runs import connect
from exported import export

from airflow_provider_assets.destinations import open_destination
from airflow_provider_assets.sansio.groups import grouped
from airflow_provider_assets.sansio.jobs import ArchiveJob, ArchiveReference, ArchiveRequest
from airflow_provider_assets.triggers.archive import AssetArchiveTrigger

pytestmark = pytest.mark.airflow


def shown(dag, run, task_id, map_index=-1):
    """The links that Airflow's API answers for a task, by name."""
    with create_session() as session:
        task = DBDagBag().get_latest_version_of_dag(dag.dag_id, session=session).get_task(task_id)
        (instance,) = (
            ti for ti in run.instances() if (ti.task_id, ti.map_index) == (task_id, map_index)
        )
        found = {name: task.get_extra_links(instance, name) for name in task.extra_links}
    return {name: address for name, address in found.items() if address}


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferred"])
def test_tasks_link_to_the_job_and_to_what_landed(airflow, sandbox, folder, deferrable):
    dag = airflow.dag(export(folder.as_uri(), deferrable=deferrable, report=True))
    run = airflow.run(dag)
    assert run.state == "success", run.tries
    (manifest,) = run.results("export.land")
    job = manifest["facts"]["job_id"]
    (address,) = shown(dag, run, "export.archive").values()
    assert address.endswith(f"/v1/jobs/{job}")
    assert address.startswith("http://127.0.0.1:")
    assert shown(dag, run, "export.land", 0) == {
        "Destination": folder.as_uri(),
        "Manifest": manifest["manifest_uri"],
    }
    assert shown(dag, run, "export.report") == {"Report": run.result("export.report")["uri"]}


def test_the_link_to_the_job_is_there_while_the_task_is_deferred(
    airflow, sandbox, folder, monkeypatch
):
    seen = {}
    dag = airflow.dag(export(folder.as_uri(), deferrable=True))
    original = AssetArchiveTrigger.run

    async def run(self):
        from airflow.models.xcom import XComModel

        with create_session() as session:
            found = session.query(XComModel).filter(XComModel.dag_id == dag.dag_id)
            seen.update({one.key: one.value for one in found})
        async for event in original(self):
            yield event

    monkeypatch.setattr(AssetArchiveTrigger, "run", run)
    assert airflow.run(dag).state == "success"
    assert "/v1/jobs/" in seen["link_vendor_job"]


def test_mapped_landings_are_named_after_their_batches(airflow, sandbox, folder):
    run = airflow(export(folder.as_uri()), run={"logical_date": "2026-01-09"})
    assert run.state == "success", run.tries
    names = [ti.rendered_map_index for ti in run.instances() if ti.task_id == "export.land"]
    assert names == ["batch 1/2 · 1000 items", "batch 2/2 · 3 items"]


def test_a_group_of_batches_is_named_after_all_of_them():
    from airflow_provider_assets.transfers.archive_to_object_storage import (
        ArchiveToObjectStorageOperator,
    )

    def reference(index, conn_id="scenario_default"):
        request = ArchiveRequest("scenario", {"asset_ids": ("a", "b")}, index=index, of=9)
        return ArchiveReference(conn_id, request, ArchiveJob("scenario", "j")).to_dict()

    def label(archive):
        task = ArchiveToObjectStorageOperator(
            task_id="land", archive=archive, destination="file:///tmp/x"
        )
        return task.label

    (group,) = grouped([reference(3), reference(4)], 1)
    assert label(group) == "batches 4-5/9 · 4 items"
    assert label(reference(0, "art")) == "batch 1/9 · 2 items · art"  # mapped over connections
    assert label({"rubbish": 1}) == ""
    unknown = ArchiveRequest("scenario", {}, {"job_id": "j"})
    job = ArchiveJob("scenario", "j")
    assert label(ArchiveReference("scenario_default", unknown, job).to_dict()) == "job j"


PAGES = {
    "https://s3.eu-west-1.amazonaws.com": "https://console.aws.amazon.com/s3/object/b?prefix=a%2Fm%201",
    "https://s3.cn-north-1.amazonaws.com.cn": "https://console.amazonaws.cn/s3/object/b?prefix=a%2Fm%201",
    "https://minio.corp:9000": "https://minio.corp:9000/b/a/m%201",
}


@pytest.mark.parametrize("endpoint", PAGES)
def test_objects_of_s3_are_shown_by_the_console_or_have_their_own_address(monkeypatch, endpoint):
    connect(
        monkeypatch,
        "aws_links",
        {
            "conn_type": "aws",
            "login": "key",
            "password": "hidden",
            "extra": {"endpoint_url": endpoint, "region_name": "eu-west-1"},
        },
    )
    target = open_destination("s3://aws_links@b/a/")
    assert target.browser_url("m 1") == PAGES[endpoint]
    folder = target.browser_url()
    assert folder.endswith(("/s3/buckets/b?prefix=a%2F", "/b/a/"))
