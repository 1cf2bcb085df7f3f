"""Arguments of the landing of an export are checked before the vendor is given a job."""

from __future__ import annotations

import pytest
from airflow.sdk import DAG, ObjectStoragePath, task
from airflow_runs import connect
from exported import CONN, export

from airflow_provider_assets.exports import asset_export
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio.errors import InvalidRequestError

pytestmark = pytest.mark.airflow


def accepted(sandbox) -> int:
    return sandbox.stats()["totals"]["accepted"]


def test_a_wrong_argument_of_the_landing_fails_the_archive_task_and_costs_nothing(
    airflow, sandbox, folder
):
    run = airflow(export(folder.as_uri(), layout="fils"))
    assert run.states["export.archive"] == "failed"
    assert isinstance(run.error, InvalidRequestError)
    assert "layout" in run.error.message
    assert accepted(sandbox) == 0


def test_a_vendor_that_cannot_convert_is_given_no_job_to_convert(airflow, monkeypatch, folder):
    with running(
        "--vendor", "roma", "--items", "0", "--day", "2026-01-06=3", "--job-seconds", "0.2"
    ) as sandbox:
        connect(monkeypatch, "roma", sandbox.roma["connection"])
        run = airflow(
            lambda: asset_export(
                "export", conn_id="roma", destination=folder.as_uri(), target_format="webp"
            )
        )
        assert "ROMA Connect cannot convert files" in run.error.message
        assert accepted(sandbox) == 0


def check(destination="file:///tmp/landed", *, default_args=None, **arguments) -> None:
    """What the archive task does before it lists anything."""
    with DAG("ahead", schedule=None, default_args=default_args or {}):
        group = asset_export("export", conn_id=CONN, destination=destination, **arguments)
    group.children["export.archive"].check_ahead(AssetArchiveHook.for_conn(CONN).vendor)


WRONG = [
    {"layout": "fils"},
    {"sha256": "yes"},
    {"max_ratio": 0},
    {"part_size": 1000},
    {"max_memory": 1 << 20},
    {"metadata": "csv"},
    {"target_format": "we bp"},
    {"object_options": {"storage_clas": "x"}},
    {"object_options": {"storage_class": "STANDARD_IA"}},  # of a local folder
    {"object_options": {"storage_clas": "{{ params.x }}"}},
    {"object_options": ["storage_class"]},
    {"destination": "file://elsewhere/tmp", "plans": "file:///tmp/plans"},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_what_is_wrong_is_found_wherever_it_was_given(sandbox, wrong):
    (name,) = wrong.keys() - {"plans"}
    with pytest.raises(InvalidRequestError, match=name):
        check(**wrong)
    if name != "destination":
        with pytest.raises(InvalidRequestError, match=name):
            check(default_args=wrong)
        with pytest.raises(InvalidRequestError, match=name):
            check(landing_args=wrong)


@pytest.mark.parametrize(
    "right",
    [
        {},
        {"target_format": "webp", "sha256": True, "metadata": None},
        {"destination": "s3://bucket/{{ run_id }}/", "object_options": {"storage_class": "any"}},
        {"destination": ObjectStoragePath("file:///tmp/landed")},
        {"object_options": {"content_type": "image/png"}},
        # Its connection, or the extra, may be only where the landing runs.
        {"destination": "gs://absent@bucket/", "object_options": {"storage_class": "NEARLINE"}},
        {"object_options": {"tags": {"run": "{{ run_id }}"}}},
        {"object_options": "{{ params.options }}"},
        {"name": "{% if params.x %}a{% endif %}", "target_format": "{{ params.format }}"},
    ],
    ids=str,
)
def test_what_only_the_landing_can_know_is_left_to_it(sandbox, right):
    check(**right)


def test_results_of_tasks_are_left_to_the_landing(sandbox):
    @task
    def options():
        return {"storage_class": "STANDARD_IA"}

    with DAG("ahead", schedule=None):
        given = {"object_options": options(), "target_format": options()["storage_class"]}
        group = asset_export("export", conn_id=CONN, destination="file:///tmp/landed", **given)
    group.children["export.archive"].check_ahead(AssetArchiveHook.for_conn(CONN).vendor)
