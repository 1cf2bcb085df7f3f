"""What every registered vendor must do, whoever wrote it; run under both drivers."""

from __future__ import annotations

import json

import pytest
from vendor_contract import HTML, always
from vendor_script import NOW

from airflow_provider_assets.sansio.errors import (
    AssetsError,
    AuthenticationError,
    InvalidRequestError,
    TransientError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.jobs import ArchiveJob, ArchiveReference, JobState
from airflow_provider_assets.sansio.messages import HttpResponse
from airflow_provider_assets.sansio.waiter import ensure_succeeded
from airflow_provider_assets.vendors.base import FRESH_SECONDS

# --- jobs ---


@pytest.fixture
def cancel_job():
    """Imported where it is used: Airflow takes seconds to load, and no other test here needs it."""
    from airflow_provider_assets.hooks.client import cancel_job

    return cancel_job


def test_a_submit_is_sent_once_and_gives_a_running_job(contract):
    requests = contract.requests()
    contract.seen.clear()
    job = contract.run(contract.vendor.submit(requests[0]))
    sent_once = [request for request in contract.seen if not request.idempotent]
    assert len(sent_once) == contract.vendor.spec.submits
    assert (job.vendor, job.state, job.submitted_at) == (
        contract.vendor.spec.name,
        JobState.RUNNING,
        NOW,
    )
    assert ArchiveJob.from_dict(json.loads(json.dumps(job.to_dict()))) == job


def test_an_ambiguous_submit_is_raised_and_not_repeated(contract):
    request = contract.requests()[0]
    contract.seen.clear()
    contract.fault = lambda r: None if r.idempotent else HttpResponse(502, {}, HTML)
    try:
        contract.run(contract.vendor.submit(request))
    except VendorUnavailableError:
        pass
    else:
        assert all(r.idempotent for r in contract.seen)  # nothing is started by submitting
    assert len([r for r in contract.seen if not r.idempotent]) <= 1


def test_a_tagged_job_is_found_again_and_an_unknown_one_is_not(contract):
    request = contract.requests()[0]
    assert contract.run(contract.vendor.find(request, NOW)) is None
    job = contract.run(contract.vendor.submit(request))
    found = contract.run(contract.vendor.find(request, NOW))
    assert found is None or found.job_id == job.job_id


def test_every_word_of_the_vendor_has_its_state(contract):
    job = contract.submitted()[0]
    for word, state in contract.vendor.spec.statuses.items():
        for spelling in (word, word.upper(), word.title()):
            contract.wire.word = spelling
            (polled,) = contract.run(contract.vendor.poll([job]))
            assert (polled.state, polled.job_id) == (state, job.job_id)
            assert polled.submitted_at == NOW


def test_an_unknown_word_counts_as_running(contract):
    job = contract.submitted()[0]
    contract.wire.word = "perhaps"
    (polled,) = contract.run(contract.vendor.poll([job]))
    assert (polled.state, polled.vendor_status) == (JobState.RUNNING, "perhaps")


def test_a_job_the_vendor_does_not_know_ends_without_stopping_the_others(contract):
    jobs = contract.submitted()
    contract.wire.word = ""
    contract.clock.now += FRESH_SECONDS
    for job in contract.run(contract.vendor.poll(jobs)):
        assert job.state.is_terminal
        with pytest.raises(AssetsError):
            ensure_succeeded(job)


def test_a_job_that_the_vendor_does_not_know_yet_is_asked_for_again(contract):
    jobs = contract.submitted()
    known, contract.wire.word = contract.wire.word, ""
    contract.clock.now += FRESH_SECONDS - 1
    for answer in contract.run(contract.vendor.poll(jobs)):
        assert isinstance(answer, TransientError) or answer.state is JobState.RUNNING
    contract.wire.word = known
    assert [job.job_id for job in contract.run(contract.vendor.poll(jobs))] == [
        j.job_id for j in jobs
    ]


def test_many_jobs_are_answered_in_order_and_in_bulk_where_there_is_a_bulk_call(contract):
    jobs = contract.submitted()
    contract.seen.clear()
    polled = contract.run(contract.vendor.poll(jobs))
    assert [job.job_id for job in polled] == [job.job_id for job in jobs]
    asked = [request for request in contract.seen if request.method == "GET"]
    assert len(asked) == (1 if contract.vendor.spec.poll.bulk > 1 else len(jobs))


def test_an_error_about_one_job_is_that_jobs_answer_and_hides_no_other(contract):
    bad, *others = contract.submitted()
    contract.wire.word = contract.wire.finished
    contract.fault = lambda r: HttpResponse(403, {}, b"{}") if r.url.endswith(bad.job_id) else None
    first, *rest = contract.run(contract.vendor.poll([bad, *others]))
    if contract.vendor.spec.poll.bulk == 1:  # else the bulk call has told of it
        assert isinstance(first, AuthenticationError)
    assert [job.job_id for job in rest] == [job.job_id for job in others]
    assert all(job.state is JobState.SUCCEEDED for job in rest)


def test_cancelling_never_raises_for_a_refusal(contract, cancel_job):
    job = contract.submitted()[0]
    assert contract.run(contract.vendor.cancel(job)) is contract.vendor.spec.cancellable
    said = contract.run(cancel_job(contract.vendor, job, asked=True))
    assert ("is cancelled" in said) is contract.vendor.spec.cancellable
    for status in (404, 409):
        contract.fault = always(status)
        assert contract.run(contract.vendor.cancel(job)) is False
        said = contract.run(cancel_job(contract.vendor, job, asked=True))
        assert "cannot cancel" in said or "no longer be cancelled" in said


def test_only_what_is_ours_is_cancelled_unasked(contract, cancel_job):
    said = contract.run(cancel_job(contract.vendor, contract.submitted()[0], asked=None))
    assert ("set cancel_on_kill" in said) is not contract.vendor.spec.submits


# --- bytes ---


def test_a_finished_archive_has_files_with_safe_names_and_links(contract):
    reference = contract.reference()
    assert ensure_succeeded(reference.job).state is JobState.SUCCEEDED
    assert ArchiveReference.from_dict(json.loads(json.dumps(reference.to_dict()))) == reference
    files = contract.run(contract.vendor.files(reference))
    assert len({file.key for file in files}) == len({file.name for file in files}) == len(files)
    for file in files:
        assert not {"/", "\\", "\0"} & set(file.name)
        assert not file.name.startswith(".")
        link = contract.run(contract.vendor.link(reference, file))
        assert link.url.startswith("https://")
        assert link.url not in repr(link)


def test_what_cannot_be_a_format_is_refused_without_a_job(contract):
    with pytest.raises(InvalidRequestError, match="target_format"):
        contract.vendor.check_target_format("../x")


def test_credentials_go_to_the_apis_host_only(contract):
    reference = contract.reference()
    (file, *_) = contract.run(contract.vendor.files(reference))
    link = contract.run(contract.vendor.link(reference, file))
    if any(secret in repr(link.headers) for secret in contract.wire.secrets):
        assert link.url.startswith(contract.vendor.base_url)


def test_the_address_of_a_job_is_the_apis_own_and_needs_a_login(contract):
    job = contract.submitted()[0]
    address = contract.run(contract.vendor.job_url(job))
    if address:  # Topaz has none of a batch
        assert address.startswith(contract.vendor.base_url)
        assert "?" not in address
        assert job.job_id in address
