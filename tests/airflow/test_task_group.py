"""``asset_export`` as a part of a DAG: what it stands between, and who gets which argument."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk import DAG, Asset, TaskGroup, task
from airflow.serialization.serialized_objects import DagSerialization
from exported import CONN

from airflow_provider_assets.exports import asset_export

pytestmark = pytest.mark.airflow


def build(destination="file:///tmp/landed", **arguments):
    return asset_export("export", conn_id=CONN, destination=destination, **arguments)


def test_tasks_stand_before_and_behind_the_whole_group_and_use_what_has_landed(
    airflow, sandbox, folder
):
    @task
    def started():
        assert not folder.exists()

    @task
    def use(manifests):
        return [manifest["uri"] for manifest in manifests]

    @task
    def end():
        return len(list(folder.iterdir()))

    def tasks():
        export = build(folder.as_uri(), poll_interval=0.1)
        started() >> export >> end()
        use(export.output)

    dag = airflow.dag(tasks)
    run = airflow.run(dag)
    assert run.state == "success", run.tries
    assert run.result("use") == [run.result("export.land", 0)["uri"]]
    assert run.result("end") == 4, "the archive, its manifest, plans and metadata"
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert stored.task_dict["export.archive"].upstream_task_ids == {"started"}
    assert stored.task_dict["export.land"].downstream_task_ids == {"end", "use"}


def test_what_every_operator_has_goes_to_both_tasks_and_the_rest_to_whom_it_belongs():
    minute, asset = timedelta(minutes=1), Asset("landed")
    with DAG("arguments", schedule=None):
        children = build(
            retries=3,
            pool="exports",
            execution_timeout=minute,
            select={"types": ["upscale"]},
            deferrable=True,
            on_partial="land",
            layout="files",
            archive_args={"queue": "small"},
            landing_args={"outlets": [asset], "retries": 5},
        ).children
    archive, land = children["export.archive"], children["export.land"]
    assert (archive.retries, land.retries) == (3, 5)
    assert {archive.pool, land.pool} == {"exports"}
    assert archive.execution_timeout == land.execution_timeout == minute
    assert (archive.select, archive.deferrable) == ({"types": ["upscale"]}, True)
    assert (archive.on_partial, land.partial_kwargs["on_partial"]) == ("land", "land")
    assert land.partial_kwargs["layout"] == "files"
    assert (archive.queue, land.queue) == ("small", "default")
    assert (archive.outlets, land.outlets) == ([], [asset])


def test_an_export_in_another_group_knows_its_landing():
    with DAG("nested", schedule=None), TaskGroup("nightly"):
        assert build().output.operator.task_id == "nightly.export.land"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("wndow", "'wndow' is not an argument"),
        ("wait_for_completion", "'wait_for_completion' is not an argument"),
        ("task_id", "'task_id' is not an argument"),
        ("outlets", "use landing_args={'outlets': ...}"),
        ("inlets", "archive_args={'inlets': ...}"),
    ],
)
def test_an_argument_that_belongs_to_no_task_or_to_one_is_refused_by_name(name, text):
    with DAG("refused", schedule=None), pytest.raises(TypeError) as refused:
        build(**{name: None})
    assert text in str(refused.value)
