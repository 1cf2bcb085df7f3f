"""What the vendor sees when a task fails half-way: every batch once."""

from __future__ import annotations

import pytest
from exported import archive, archives, export, exportable, ids_in, read

from airflow_provider_assets.sansio import errors

pytestmark = pytest.mark.airflow
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferred"])
# 1003 items that day: two batches.
TWO_BATCHES = {"logical_date": "2026-01-09"}


def accepted(sandbox):
    return sandbox.stats()["totals"]["accepted"]


@MODES
def test_a_retry_resumes_with_the_jobs_of_the_failed_try(airflow, sandbox, statsd, deferrable):
    # Five failed polls of four requests each end a wait; a deferral takes one look before.
    sandbox.fault(f"bulk_poll:500html:{24 if deferrable else 20}")
    run = airflow(lambda: archive(deferrable=deferrable, retries=1), run=TWO_BATCHES)
    assert run.state == "success", run.tries
    assert [type(one.error) for one in run.tries] == [errors.VendorUnavailableError]
    jobs = [reference["job"]["job_id"] for reference in run.result("archive")]
    assert len(set(jobs)) == accepted(sandbox) == 2
    counted = statsd.sums()
    assert (counted["submitted"], counted["reattached"]) == (2, 2)


@MODES
def test_a_vendor_that_is_unavailable_for_a_moment_costs_no_try(airflow, sandbox, deferrable):
    sandbox.fault("bulk_poll:reset:8")
    run = airflow(lambda: archive(deferrable=deferrable), run=TWO_BATCHES)
    assert run.state == "success", run.tries


@MODES
def test_a_job_that_the_vendor_denies_right_after_its_submission_is_waited_for(
    airflow, sandbox, deferrable
):
    sandbox.fault("poll:404:2")  # of the job and of its download
    run = airflow(lambda: archive(deferrable=deferrable, retries=1))
    assert run.state == "success", run.tries
    assert not run.tries
    assert accepted(sandbox) == 1


@MODES
@pytest.mark.parametrize(
    "doubt", ["accept-then-reset", "accept-then-500html", "accept-then-200html"]
)
def test_a_job_whose_acceptance_was_not_heard_is_found_again(
    airflow, sandbox, statsd, deferrable, doubt
):
    sandbox.fault(f"submit:{doubt}:1")
    run = airflow(lambda: archive(deferrable=deferrable, retries=1), run=TWO_BATCHES)
    assert run.state == "success", run.tries
    assert len(run.tries) == 1
    assert accepted(sandbox) == 2
    assert statsd.sums()["reattached"] == 1


@pytest.fixture
def silent(sandbox):
    """A Scenario whose jobs do not repeat what was submitted: that they do is not documented."""
    sandbox.configure(echo_input=False)
    yield sandbox
    sandbox.configure(echo_input=True)


@MODES
@pytest.mark.parametrize("doubt", ["accept-then-reset", "accept-then-500html"])
def test_a_job_that_cannot_be_found_is_submitted_once_more_and_no_other_is_adopted(
    airflow, silent, folder, deferrable, doubt
):
    # A neighbour's job of the same assets and hour, just as silent about itself.
    neighbour = airflow(archive, run=TWO_BATCHES).result("archive")
    silent.reset_stats()
    silent.fault(f"submit:{doubt}:1")
    run = airflow(
        export(folder.as_uri(), deferrable=deferrable, archive_args={"retries": 1}), run=TWO_BATCHES
    )
    assert run.state == "success", run.tries
    assert len(run.tries) == 1
    assert accepted(silent) == 3, "two batches, and the one whose acceptance was not heard"
    jobs = [reference["job"]["job_id"] for reference in run.result("export.archive")]
    assert len(set(jobs)) == 2
    assert not set(jobs) & {reference["job"]["job_id"] for reference in neighbour}
    landed = [name for data in archives(read(folder)).values() for name in ids_in(data)]
    assert sorted(landed) == exportable(silent, "2026-01-08", "2026-01-09")


def test_a_crash_after_the_first_of_two_batches_submits_only_the_second(airflow, sandbox):
    sandbox.fault("submit:500:1,after=1")
    run = airflow(lambda: archive(retries=1), run=TWO_BATCHES)
    assert run.state == "success", run.tries
    found = sorted(
        item
        for reference in run.result("archive")
        for item in reference["request"]["items"]["asset_ids"]
    )
    assert found == exportable(sandbox, "2026-01-08", "2026-01-09")
    assert (accepted(sandbox), sandbox.stats()["totals"]["submits"]) == (2, 3)


def test_items_that_come_late_do_not_change_a_plan_that_was_recorded(airflow, sandbox):
    """A retry exports what the first attempt planned; its batches keep their jobs."""
    sandbox.fault("poll:500:20")
    before = exportable(sandbox, "2026-01-09", "2026-01-10")
    dag = airflow.dag(
        lambda: archive(
            retries=1, on_retry_callback=lambda _: sandbox.add_items("scenario", "2026-01-09", 1)
        )
    )
    run = airflow.run(dag, "2026-01-10")
    assert run.state == "success"
    (reference,) = run.result("archive")
    assert sorted(reference["request"]["items"]["asset_ids"]) == before
    assert accepted(sandbox) == 1


def test_only_the_failed_batch_is_submitted_again(airflow, sandbox):
    sandbox.fault("job:failed:1,after=1")
    run = airflow(lambda: archive(deferrable=True, retries=1), run=TWO_BATCHES)
    assert run.state == "success", run.tries
    assert [type(one.error) for one in run.tries] == [errors.JobFailedError]
    assert accepted(sandbox) == 3


def test_a_new_run_of_the_same_day_starts_from_scratch(airflow, sandbox, folder):
    dag = airflow.dag(export(folder.as_uri()))
    for _ in range(2):
        assert airflow.run(dag).state == "success"
    assert accepted(sandbox) == 2


def test_an_archive_that_is_gone_before_it_lands_asks_for_a_new_export(airflow, sandbox, folder):
    def lose(context):
        (reference,) = context["ti"].xcom_pull(task_ids="export.archive")
        sandbox.job(reference["job"]["job_id"], "expire")

    run = airflow(export(folder.as_uri(), archive_args={"on_success_callback": lose}))
    assert type(run.error) is errors.ArchiveExpiredError
    assert "clear the" in str(run.error)
    assert "export again" in str(run.error)


def test_a_cleared_task_starts_from_scratch_although_its_job_is_remembered(airflow, sandbox):
    """A clear raises ``max_tries``, the fence of what the task remembers."""
    dag = airflow.dag(lambda: archive(retries=1))
    run = airflow.run(dag)
    (before,) = run.result("archive")
    again = airflow.clear(dag, run)
    assert again.state == "success"
    (after,) = again.result("archive")
    assert before["job"]["job_id"] != after["job"]["job_id"]
    assert accepted(sandbox) == 2
