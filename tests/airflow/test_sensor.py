"""A sensor ends the same way whether it pokes or is deferred."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta

import pytest
from airflow.sdk import ObjectStoragePath, task
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException
from exported import CONN, MANIFEST, archive, archives, exportable, ids_in, read

from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.sansio.errors import InvalidRequestError, JobTimeoutError
from airflow_provider_assets.sensors.archive import AssetArchiveSensor
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)
from airflow_provider_assets.triggers.archive import BACKSTOP

pytestmark = pytest.mark.airflow
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferred"])
SKIPS = pytest.mark.parametrize("skips", ["soft_fail", "never_fail"])


def waiting(**arguments):
    arguments = {"poke_interval": 0.1, **arguments}

    def build():
        submitted = archive(wait_for_completion=False)
        AssetArchiveSensor(task_id="wait", archives=submitted.output, **arguments)

    return build


@MODES
def test_a_timeout_is_a_sensors_timeout_and_is_not_tried_again(airflow, sandbox, deferrable):
    sandbox.fault("job:stuck")
    run = airflow(waiting(deferrable=deferrable, timeout=0.5, retries=2))
    assert isinstance(run.error, AirflowSensorTimeout)
    assert len(run.tries) == 1


@MODES
@SKIPS
def test_a_failure_skips_where_that_is_wanted(airflow, sandbox, deferrable, skips):
    sandbox.fault("job:failed")
    run = airflow(waiting(deferrable=deferrable, **{skips: True}))
    assert run.states["wait"] == "skipped", run.tries


@MODES
def test_a_timeout_skips_where_that_is_wanted(airflow, sandbox, deferrable):
    sandbox.fault("job:stuck")
    run = airflow(waiting(deferrable=deferrable, timeout=0.5, soft_fail=True))
    assert run.states["wait"] == "skipped", run.tries


@MODES
def test_no_archives_are_waited_for_at_once(airflow, sandbox, deferrable):
    @task
    def none():
        return []

    run = airflow(
        lambda: AssetArchiveSensor(task_id="wait", archives=none(), deferrable=deferrable)
    )
    assert run.result("wait") == []
    assert sandbox.stats()["totals"]["requests"] == 0


def deferred(airflow, **arguments):
    """How a sensor leaves for the triggerer."""
    caught = []

    class Sensor(AssetArchiveSensor):
        def defer(self, **how):
            caught.append(how)
            raise AirflowSkipException

    def build():
        submitted = archive(wait_for_completion=False)
        Sensor(task_id="wait", archives=submitted.output, deferrable=True, **arguments)

    airflow(build)
    return caught[0]


def test_our_deadline_comes_before_airflows(airflow, sandbox):
    sandbox.fault("job:stuck")
    how = deferred(airflow, timeout=100)
    assert how["timeout"] == timedelta(seconds=100) + BACKSTOP
    assert 0 < how["trigger"].deadline - time.time() <= 100


def test_a_deferred_sensor_ends_at_its_execution_timeout(airflow, sandbox):
    """Airflow itself forgets the limit while a task is deferred."""
    sandbox.fault("job:stuck")
    how = deferred(airflow, timeout=100, execution_timeout=timedelta(seconds=5))
    assert how["timeout"] == timedelta(seconds=5) + BACKSTOP
    assert how["trigger"].deadline - time.time() <= 5


def test_an_execution_timeout_is_no_sensors_timeout_and_may_be_retried(airflow, sandbox):
    sandbox.fault("job:stuck")
    limits = {"timeout": 100, "execution_timeout": timedelta(seconds=0.5)}
    run = airflow(waiting(deferrable=True, retries=1, **limits))
    assert [type(one.error) for one in run.tries] == [JobTimeoutError] * 2


@pytest.mark.parametrize(("given", "expected"), [({}, None), ({"poke_interval": 7}, 7.0)])
def test_the_pace_is_the_vendors_own_unless_one_is_given(airflow, sandbox, given, expected):
    sandbox.fault("job:stuck")
    assert deferred(airflow, **given)["trigger"].poll_interval == expected


@MODES
def test_jobs_that_were_started_elsewhere_are_waited_for_and_land(
    airflow, sandbox, folder, deferrable
):
    @task
    def ids(references):
        return [one["job"]["job_id"] for one in references]

    def build():
        elsewhere = archive(wait_for_completion=False)
        waited = AssetArchiveSensor(
            task_id="wait",
            conn_id=CONN,
            job_ids=ids(elsewhere.output),
            deferrable=deferrable,
            poke_interval=0.1,
        )
        ArchiveToObjectStorageOperator.partial(
            task_id="land", destination=ObjectStoragePath(folder.as_uri())
        ).expand(archive=waited.output)

    run = airflow(build)
    assert run.state == "success", run.tries
    found = read(folder)
    (data,) = archives(found).values()
    assert sorted(ids_in(data)) == exportable(sandbox, "2026-01-06", "2026-01-07")
    (manifest,) = (json.loads(one) for key, one in found.items() if key.endswith(MANIFEST))
    assert "contents" not in manifest, "a comparison goes by the names of the files"
    assert sandbox.stats()["totals"]["accepted"] == 1


@pytest.mark.parametrize("name", [None, "mine"])
def test_jobs_that_were_started_elsewhere_are_numbered_in_a_name_of_ones_own(
    airflow, sandbox, folder, name
):
    wanted = exportable(sandbox, "2026-01-06", "2026-01-07")

    @task
    def ids(exports):
        return [one["job"]["job_id"] for references in exports for one in references]

    def build():
        elsewhere = AssetArchiveOperator.partial(
            task_id="archive", conn_id=CONN, wait_for_completion=False
        ).expand(items=[{"asset_ids": wanted[:2]}, {"asset_ids": wanted[2:]}])
        waited = AssetArchiveSensor(
            task_id="wait", conn_id=CONN, job_ids=ids(elsewhere.output), poke_interval=0.1
        )
        ArchiveToObjectStorageOperator.partial(
            task_id="land", destination=folder.as_uri(), name=name
        ).expand(archive=waited.output)

    run = airflow(build)
    assert run.state == "success", run.tries
    landed = archives(read(folder))
    assert sorted(one for data in landed.values() for one in ids_in(data)) == wanted
    if name:
        assert sorted(landed) == ["mine-001.zip", "mine-002.zip"]
    else:
        assert all(re.fullmatch(r"scenario-[0-9a-f]{8}\.zip", one) for one in landed)
    facts = [(one["facts"]["batch"], one["facts"]["batches"]) for one in run.results("land")]
    assert facts == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    "given",
    [
        {"job_ids": ["job_1"]},
        {"conn_id": CONN},
        {"conn_id": CONN, "job_ids": ["job_1"], "archives": []},
        {"conn_id": CONN, "job_ids": "['job_1', 'job_2']"},
        {"conn_id": CONN, "job_ids": [1]},
    ],
)
def test_ids_of_jobs_are_texts_and_exclude_archives(airflow, sandbox, given):
    run = airflow(lambda: AssetArchiveSensor(task_id="wait", **given))
    assert isinstance(run.error, InvalidRequestError)
    assert "job_ids" in str(run.error)
