"""One verdict on completeness: over all batches, in whatever attempt they ended, by every task."""

from __future__ import annotations

import pytest
from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy
from airflow_runs import connect
from exported import archive

from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio import errors
from airflow_provider_assets.sansio.jobs import ArchiveJob, JobState
from airflow_provider_assets.sansio.verdict import ensure_complete
from airflow_provider_assets.sensors.archive import AssetArchiveSensor
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)

pytestmark = pytest.mark.airflow
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferred"])
TOPAZ = "topaz_incomplete"


class Always(RetryPolicy):
    """Retries whatever has happened, as policies of others do."""

    def evaluate(self, exception, try_number, max_tries, context=None):
        return RetryDecision.retry()


@pytest.fixture(scope="module")
def _topaz():
    with running("--vendor", "topaz", "--items", "8", "--job-seconds", "0.2") as topaz:
        yield topaz


@pytest.fixture
def processes(_topaz, monkeypatch):
    """Ids of three processes, of which the first has failed."""
    connect(monkeypatch, TOPAZ, _topaz.topaz["connection"])
    ids = [one["id"] for one in _topaz.items("topaz") if one["kept"]][:3]
    _topaz.job(ids[0], "fail")
    return ids


def collect(processes, **arguments):
    return archive(conn_id=TOPAZ, items={"process_ids": processes}, **arguments)


@MODES
def test_a_retry_does_not_forgive_what_an_earlier_attempt_found_missing(
    airflow, processes, deferrable
):
    run = airflow(
        lambda: collect(processes, deferrable=deferrable, retries=1, retry_policy=Always())
    )
    assert [type(one.error) for one in run.tries] == [errors.PartialArchiveError] * 2
    assert processes[0] in str(run.error)
    assert 'on_partial="land"' in str(run.error)


@MODES
def test_a_sensor_judges_completeness_as_the_operator_does(airflow, processes, deferrable):
    def build(**arguments):
        def dag():
            submitted = collect(processes, wait_for_completion=False, on_partial="land")
            AssetArchiveSensor(
                task_id="wait",
                archives=submitted.output,
                deferrable=deferrable,
                poke_interval=0.1,
                **arguments,
            )

        return dag

    run = airflow(build())
    assert type(run.error) is errors.PartialArchiveError
    assert processes[0] in str(run.error)
    assert airflow(build(on_partial="land")).state == "success"
    assert type(airflow(build(on_partial="ignore")).error) is errors.InvalidRequestError


def test_the_verdict_is_on_all_jobs_and_names_at_most_ten_items():
    lost = {f"item-{n}": "Failed" for n in range(12)}
    jobs = [
        ArchiveJob("topaz", "whole", JobState.SUCCEEDED),
        ArchiveJob("topaz", "short", JobState.SUCCEEDED, details={"failed": lost}),
        ArchiveJob("topaz", "shorter", JobState.SUCCEEDED, details={"failed": {"x": "Cancelled"}}),
    ]
    with pytest.raises(errors.PartialArchiveError) as caught:
        ensure_complete(jobs, "fail")
    text = str(caught.value)
    assert "topaz job short: 12 items are missing: item-0 (Failed)" in text
    assert "item-9 (Failed) and 2 more" in text
    assert "item-10" not in text
    assert "topaz job shorter: 1 items are missing: x (Cancelled)" in text
    assert len(ensure_complete(jobs, "land")) == 2
    assert ensure_complete(jobs[:1], "fail") == []


# --- what a landing finds ----------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["archive", "files"])
def test_a_landing_names_the_items_that_the_vendor_reports_as_failed(
    airflow, processes, folder, layout
):
    def build(on_partial):
        def dag():
            collected = collect(processes, on_partial="land")
            ArchiveToObjectStorageOperator.partial(
                task_id="land",
                destination=f"{folder.as_uri()}/{on_partial}",
                layout=layout,
                on_partial=on_partial,
                retries=2,
            ).expand(archive=collected.output)

        return dag

    run = airflow(build("fail"))
    assert [type(one.error) for one in run.tries] == [errors.PartialArchiveError]
    assert f"{processes[0]} (Failed)" in str(run.error)
    assert "of the 3 requested items" in str(run.error)
    assert airflow(build("land")).state == "success"
