from __future__ import annotations

import pytest
from topaz_samples import DAY, PAGE, UNKNOWN, A, B, C, D, job_of, page, reference, status
from vendor_script import NOW, Clock, Script, reply

from airflow_provider_assets.sansio.errors import (
    AuthenticationError,
    RateLimitedError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.jobs import ArchiveJob, JobState
from airflow_provider_assets.sansio.messages import HttpResponse
from airflow_provider_assets.vendors.base import FRESH_SECONDS
from airflow_provider_assets.vendors.connection import VendorConnection
from airflow_provider_assets.vendors.topaz import Topaz


@pytest.fixture
def script():
    return Script(Topaz(VendorConnection("t", "topaz", password="the-key"), clock=Clock()))


def test_a_submit_sends_nothing_and_the_same_request_has_the_same_job(script):
    first, again, other = job_of(script, A, B), job_of(script, A, B), job_of(script, B)
    assert first == again
    assert first.job_id != other.job_id
    assert (first.state, first.done, first.total) == (JobState.RUNNING, 0, 2)
    assert first.job_id == "topaz-8b4e1fd98fbe199a"  # as earlier releases named it
    assert first.submitted_at == NOW
    assert ArchiveJob.from_dict(first.to_dict()) == first


def test_one_process_is_asked_for_alone(script):
    job = job_of(script, A)
    (job,) = script.run(script.vendor.poll([job]), (f"GET /status/{A}", reply(status())))
    assert job.state is JobState.SUCCEEDED
    assert (job.vendor_status, job.progress, job.done, job.total) == ("Completed", 1.0, 1, 1)
    assert job.reason == ""
    assert job.details == {"kind": "output", "process_ids": [A]}


def test_a_batch_runs_until_its_last_process_has_ended(script):
    job = job_of(script, A, B, C)
    (job,) = script.run(
        script.vendor.poll([job]),
        (PAGE, page(status(A), status(B, "Processing", eta=5), status(C, "Queued", eta=9))),
    )
    assert job.state is JobState.RUNNING
    assert (job.vendor_status, job.done, job.eta) == ("Processing, Queued", 1, 9.0)
    assert job.progress == pytest.approx(1 / 3)
    (job,) = script.run(
        script.vendor.poll([job]), (PAGE, page(status(B), status(C, "Processing", eta=None)))
    )
    assert (job.state, job.done, job.eta) == (JobState.RUNNING, 2, None)
    (job,) = script.run(script.vendor.poll([job]), (f"GET /status/{C}", reply(status(C))))
    assert (job.state, job.done) == (JobState.SUCCEEDED, 3)


def test_many_jobs_share_the_pages_and_paging_stops_when_all_are_seen(script):
    jobs = [job_of(script, A, B), job_of(script, C)]
    polled = script.run(
        script.vendor.poll(jobs),
        (PAGE, page(status(A), status("foreign"), cursor="2")),
        (f"{PAGE}&cursor=2", page(status(C), status(B, "Pending"), cursor="3")),
    )
    assert [job.state for job in polled] == [JobState.RUNNING, JobState.SUCCEEDED]
    assert [job.job_id for job in polled] == [job.job_id for job in jobs]


def test_ended_jobs_are_not_asked_for(script):
    (ended,) = script.run(
        script.vendor.poll([job_of(script, A)]), (f"GET /status/{A}", reply(status()))
    )
    running = job_of(script, B)
    polled = script.run(
        script.vendor.poll([ended, running]), (f"GET /status/{B}", reply(status(B, "Pending")))
    )
    assert polled[0] == ended
    assert polled[1].state is JobState.RUNNING


def test_an_id_that_the_pages_lack_is_asked_for_alone(script):
    waited = job_of(script, A, B)
    script.vendor.clock.now += FRESH_SECONDS
    (job,) = script.run(
        script.vendor.poll([waited]), (PAGE, page(status(A))), (f"GET /status/{B}", UNKNOWN)
    )
    assert job.state is JobState.SUCCEEDED
    assert job.details["failed"] == {B: "Unknown"}
    assert "1 of 2 not available" in job.reason
    assert "7 days" in job.reason


@pytest.mark.parametrize(
    ("answer", "age"), [(UNKNOWN, 59), (HttpResponse(404, {}, b"<html>Not Found</html>"), DAY)]
)
def test_a_404_that_does_not_prove_that_a_process_is_lost_is_asked_for_again(script, answer, age):
    """One that counts as lost is left out of the export for good."""
    waited = job_of(script, A, B)
    script.vendor.clock.now += age
    exchanges = [(PAGE, page(status(A))), (f"GET /status/{B}", answer)]
    (told,) = script.run(script.vendor.poll([waited]), *exchanges)
    assert isinstance(told, VendorUnavailableError)
    (job,) = script.run(script.vendor.poll([waited]), (PAGE, page(status(A), status(B))))
    assert (job.state, job.failed) == (JobState.SUCCEEDED, {})


def test_a_process_of_unknown_age_that_the_vendor_does_not_know_has_failed(script):
    (job,) = script.run(script.vendor.poll([ArchiveJob("topaz", A)]), (f"GET /status/{A}", UNKNOWN))
    assert (job.state, job.failed) == (JobState.FAILED, {A: "Unknown"})


def test_a_process_that_cannot_be_asked_for_is_the_answer_of_its_job_only(script):
    jobs = [job_of(script, A), job_of(script, B)]
    spoiled, seen = script.run(
        script.vendor.poll(jobs),
        (PAGE, reply({"message": "no"}, 403)),
        (f"GET /status/{A}", reply({"message": "no"}, 403)),
        (f"GET /status/{B}", reply(status(B))),
    )
    assert isinstance(spoiled, AuthenticationError)
    assert seen.state is JobState.SUCCEEDED
    with pytest.raises(RateLimitedError):
        script.run(script.vendor.poll(jobs), (PAGE, reply({}, 429)))
    with pytest.raises(AuthenticationError):
        script.run(script.vendor.poll(jobs), (PAGE, reply({}, 401)))


def test_paging_ends_where_single_questions_are_cheaper(script):
    (job,) = script.run(
        script.vendor.poll([job_of(script, A, B)]),
        (PAGE, page(cursor="2")),
        (f"{PAGE}&cursor=2", page(cursor="3")),
        (f"GET /status/{A}", reply(status(A))),
        (f"GET /status/{B}", reply(status(B))),
    )
    assert job.state is JobState.SUCCEEDED


@pytest.mark.parametrize(
    ("words", "state", "failed"),
    [
        (("Completed", "Failed"), JobState.SUCCEEDED, {B: "Failed"}),
        (("Failed", "Cancelled"), JobState.FAILED, {A: "Failed", B: "Cancelled"}),
        (("Cancelled", "canceled"), JobState.CANCELLED, {A: "Cancelled", B: "canceled"}),
    ],
)
def test_one_image_is_enough_to_succeed_and_the_rest_is_named(script, words, state, failed):
    listed = page(status(A, words[0]), status(B, words[1]))
    (job,) = script.run(script.vendor.poll([job_of(script, A, B)]), (PAGE, listed))
    assert (job.state, job.details["failed"]) == (state, failed)
    assert B in job.reason


def test_what_failed_early_is_remembered_and_a_long_list_is_cut(script):
    ids = [f"{n}" for n in range(8)]
    (job,) = script.run(
        script.vendor.poll([job_of(script, *ids, A)]),
        (PAGE, page(*(status(i, "Failed") for i in ids), status(A, "Pending"))),
    )
    assert job.details["open"] == [A]
    (job,) = script.run(script.vendor.poll([job]), (f"GET /status/{A}", reply(status(A))))
    assert list(job.details["failed"]) == ids
    assert "open" not in job.details
    named = ", ".join(f"{n} Failed" for n in range(5))
    assert job.reason == f"8 of 9 not available: {named} and 3 more"


def test_a_list_of_few_failures_is_whole(script):
    ids = [f"{n}" for n in range(5)]
    (job,) = script.run(
        script.vendor.poll([job_of(script, *ids, A)]),
        (PAGE, page(*(status(i, "Failed") for i in ids), status(A))),
    )
    named = ", ".join(f"{n} Failed" for n in range(5))
    assert job.reason == f"5 of 6 not available: {named}"


@pytest.mark.parametrize(
    ("kind", "old"), [("output", "modification_time"), ("input", "creation_time")]
)
def test_an_image_past_its_7_days_is_expired(script, kind, old):
    stale = status(**{old: NOW - 7 * DAY - 1})
    (job,) = script.run(
        script.vendor.poll([job_of(script, A, kind=kind)]), (f"GET /status/{A}", reply(stale))
    )
    assert job.state is JobState.EXPIRED
    assert job.details["failed"] == {A: "Expired"}
    last = status(**{old: NOW - 7 * DAY})
    (job,) = script.run(
        script.vendor.poll([job_of(script, A, kind=kind)]), (f"GET /status/{A}", reply(last))
    )
    assert job.state is JobState.SUCCEEDED


def test_an_input_is_there_whatever_became_of_its_process(script):
    job = job_of(script, A, B, kind="input")
    (job,) = script.run(
        script.vendor.poll([job]), (PAGE, page(status(A, "Failed"), status(B, "Processing")))
    )
    assert job.state is JobState.SUCCEEDED


def test_a_process_submitted_elsewhere_is_its_own_job(script):
    job = ArchiveJob("topaz", A)
    (job,) = script.run(script.vendor.poll([job]), (f"GET /status/{A}", reply(status())))
    assert (job.state, job.done, job.total) == (JobState.SUCCEEDED, 1, 1)
    files = script.run(script.vendor.files(reference(job)), (f"GET /status/{A}", reply(status())))
    assert [file.key for file in files] == [A]


def test_cancelling_asks_for_every_open_process_and_tolerates_refusals(script):
    refusal = reply({"code": 409, "message": "Job is not cancellable"}, 409)
    assert script.run(
        script.vendor.cancel(job_of(script, A, B, C)),
        (f"DELETE /cancel/{A}", refusal),
        (f"DELETE /cancel/{B}", reply(status=204)),
        (f"DELETE /cancel/{C}", UNKNOWN),
    )
    # A killed process has only seconds left, so none is sent again.
    assert not any(request.idempotent for request in script.seen)
    assert not script.run(script.vendor.cancel(job_of(script, A)), (f"DELETE /cancel/{A}", refusal))


def test_a_cancel_that_fails_does_not_leave_the_other_processes_running(script):
    with pytest.raises(VendorUnavailableError, match=r"HTTP 500.*; 2 of 4 processes may still be"):
        script.run(
            script.vendor.cancel(job_of(script, A, B, C, D)),
            (f"DELETE /cancel/{A}", reply(status=204)),
            (f"DELETE /cancel/{B}", reply({"message": "no"}, 500)),
            (f"DELETE /cancel/{C}", reply({"message": "no"}, 403)),
            (f"DELETE /cancel/{D}", reply(status=204)),
        )


@pytest.mark.parametrize(("status", "error"), [(401, AuthenticationError), (429, RateLimitedError)])
def test_a_cancel_that_would_fail_for_every_process_is_not_repeated(script, status, error):
    with pytest.raises(error, match="2 of 3 processes may still be running"):
        script.run(
            script.vendor.cancel(job_of(script, A, B, C)),
            (f"DELETE /cancel/{A}", reply(status=204)),
            (f"DELETE /cancel/{B}", reply({"message": "no"}, status)),
        )


def test_a_cancel_that_a_gateway_answers_with_404_is_not_taken_for_one_that_came_too_late(script):
    page = HttpResponse(404, {}, b"<html>Not Found</html>")
    with pytest.raises(VendorUnavailableError, match=r"in front of .*; 1 of 1 processes may still"):
        script.run(script.vendor.cancel(job_of(script, A)), (f"DELETE /cancel/{A}", page))


def test_collecting_inputs_cancels_no_process(script):
    assert not script.run(script.vendor.cancel(job_of(script, A, kind="input")))
