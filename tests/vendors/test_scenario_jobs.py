from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from scenario_samples import BATCH, JOB, JOBS, STATUS, reference, request, scenario
from vendor_script import NOW, reply

from airflow_provider_assets.sansio.downloads import ArchiveFile
from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    InvalidRequestError,
    JobFailedError,
    JobTimeoutError,
    ProtocolError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.jobs import (
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    JobState,
)
from airflow_provider_assets.sansio.messages import HttpResponse
from airflow_provider_assets.vendors.base import FRESH_SECONDS


@pytest.fixture
def script():
    return scenario()


@pytest.mark.parametrize(
    "body",
    [
        {"jobId": "job_1"},
        {"job": {"jobId": "job_1"}},
        {"jobId": "job_1", "job": {"status": "queued"}},
    ],
)
def test_a_submission_names_its_archive_by_our_tag(script, body):
    job = script.run(
        script.vendor.submit(request(prefer_original=True, archive_name="nightly")),
        ("POST /assets/download", reply(body)),
    )
    assert job == JOB
    headers = dict(script.seen[0].headers)
    assert headers["Content-Type"] == headers["Accept"] == "application/json"
    assert json.loads(script.seen[0].body) == {
        "query": {"assetIds": ["a", "b"], "inferenceIds": [], "modelIds": []},
        "options": {
            "fileNameTemplate": "<id>",
            "flat": True,
            "archiveName": "nightly-tag-1",
            "preferOriginal": True,
        },
    }


@pytest.mark.parametrize("answer", [reply({}), reply({"job": 1}), reply({"jobId": "x"}, 269)])
def test_a_reply_without_a_job_is_no_submission(script, answer):
    with pytest.raises(ProtocolError, match="no job id") as raised:
        script.run(script.vendor.submit(request()), ("POST /assets/download", answer))
    assert (raised.value.vendor, raised.value.status) == ("scenario", answer.status)


def test_an_archive_of_any_name_ends_with_its_tag_if_it_has_one(script):
    def name_of(one):
        script.run(script.vendor.submit(one), ("POST /assets/download", reply({"jobId": "j"})))
        return json.loads(script.seen[-1].body)["options"]["archiveName"]

    assert name_of(request(archive_name="a" * 128)) == "a" * 122 + "-tag-1"
    assert name_of(replace(request(archive_name="nightly"), tag="")) == "nightly"


def listed(*jobs, token=None):
    return reply({"jobs": list(jobs), **({"nextPaginationToken": token} if token else {})})


SINCE = JOBS.format("2026-01-10T07%3A56%3A40.000Z")


def test_a_lost_job_is_found_by_its_exact_name_only(script):
    name = f"{request().stem}-tag-1"
    near = {"jobId": "near", "status": "success", "metadata": {"input": [{"n": f"{name}0"}]}}
    ours = {"jobId": "ours", "status": "queued", "metadata": {"input": [{"n": name}]}}
    job = script.run(
        script.vendor.find(request(), NOW),
        (SINCE, listed(near, token="t")),
        (f"{SINCE}&paginationToken=t", listed(ours, token="never asked for")),
    )
    assert (job.job_id, job.submitted_at) == ("ours", NOW)
    assert script.run(script.vendor.find(request(), NOW), (SINCE, listed(near))) is None


def test_of_the_jobs_with_its_name_one_that_has_not_failed_is_found_and_its_age(script):
    metadata = {"input": [{"n": f"{request().stem}-tag-1"}]}
    failed = {"jobId": "failed", "status": "failure", "metadata": metadata}
    later = {"jobId": "later", "status": "queued", "metadata": metadata}
    later["createdAt"] = "2026-01-10T09:00:00.000Z"
    job = script.run(script.vendor.find(request(), NOW), (SINCE, listed(failed, later)))
    assert job.job_id == "later"
    assert job.submitted_at == datetime(2026, 1, 10, 9, tzinfo=timezone.utc).timestamp()
    assert script.run(script.vendor.find(request(), NOW), (SINCE, listed(failed))) is None


def test_many_jobs_share_the_list_and_one_it_lacks_is_asked_for_alone(script):
    jobs = [ArchiveJob("scenario", f"job_{n}", submitted_at=NOW) for n in (1, 2)]
    other = {"jobId": "of another export", "status": "failure"}
    first, second = script.run(
        script.vendor.poll(jobs),
        (SINCE, listed(other, {"jobId": "job_2", "status": "success"}, token="t")),  # one each now
        (STATUS, reply({"job": {"jobId": "job_1", "status": "failure", "metadata": 1}})),
    )
    assert (first.state, second.state) == (JobState.FAILED, JobState.SUCCEEDED)
    assert [job.submitted_at for job in (first, second)] == [NOW, NOW]  # deadlines count from it


def test_progress_and_the_vendors_reason_are_told(script):
    record = {
        "jobId": "job_1",
        "status": "failure",
        "progress": 0.5,
        "metadata": {"error": "no space", "hint": "ask for less"},
    }
    (job,) = script.run(script.vendor.poll([JOB]), (STATUS, reply({"job": record})))
    assert (job.progress, job.reason) == (0.5, "no space; ask for less")
    assert job.vendor == "scenario"
    record |= {"progress": 1.5, "metadata": {"error": "e" * 300}}
    (job,) = script.run(script.vendor.poll([JOB]), (STATUS, reply({"job": record})))
    assert (job.progress, job.reason) == (1.0, "e" * 300)


def test_a_job_that_only_its_download_knows_is_read_there(script):
    (job,) = script.run(
        script.vendor.poll([JOB]),
        (STATUS, reply({}, 404)),
        (BATCH, reply({"jobId": "job_1", "jobStatus": "finalizing"})),
    )
    assert (job.state, job.vendor_status) == (JobState.RUNNING, "finalizing")
    (error,) = script.run(script.vendor.poll([JOB]), (STATUS, reply({})))
    assert isinstance(error, ProtocolError)
    assert "lacks a job" in error.message


NO_JOB = reply({"status": "error", "code": "NOT_FOUND", "message": "Job not found"}, 404)
PAGE = HttpResponse(404, {}, b"<html>Not Found</html>")


@pytest.mark.parametrize(
    ("first", "second", "age"),
    [(NO_JOB, NO_JOB, 59), (PAGE, NO_JOB, 86400), (NO_JOB, PAGE, 86400), (PAGE, PAGE, None)],
)
def test_a_404_that_does_not_prove_that_a_job_is_lost_is_asked_for_again(
    script, first, second, age
):
    known = replace(JOB, submitted_at=None if age is None else NOW - age)
    (told,) = script.run(script.vendor.poll([known]), (STATUS, first), (BATCH, second))
    assert isinstance(told, VendorUnavailableError)
    assert told.status == 404


@pytest.mark.parametrize("since", [NOW - FRESH_SECONDS, None])
def test_a_job_that_the_vendor_does_not_know_is_expired(script, since):
    known = replace(JOB, submitted_at=since)
    (job,) = script.run(script.vendor.poll([known]), (STATUS, NO_JOB), (BATCH, NO_JOB))
    assert (job.state, job.vendor_status) == (JobState.EXPIRED, "unknown to the vendor")


# --- bytes ---


def test_options_that_only_name_things_do_not_shape_what_is_exported(script):
    given = {"archive_name": "nightly", "file_name_template": "<seed>", "prefer_original": True}
    options = script.vendor.validate(options=given)
    assert script.vendor.spec.shaping(options) == {"flat": True, "prefer_original": True}


def test_one_zip_or_one_converted_file_an_asset(script):
    (file,) = script.run(script.vendor.files(reference()))
    assert file == ArchiveFile("job_1", f"{request().stem}.zip")
    files = script.run(script.vendor.files(reference(), target_format="webp"))
    assert files == [ArchiveFile("a", "a.webp"), ArchiveFile("b", "b.webp")]
    with pytest.raises(InvalidRequestError, match="target_format"):
        script.run(script.vendor.files(reference(), target_format="../x"))
    link = script.run(
        script.vendor.link(reference(), files[0], target_format="webp"),
        ("POST /assets/a/download", reply({"url": "https://cdn.example.test/a.webp"})),
    )
    assert link.url == "https://cdn.example.test/a.webp"
    assert json.loads(script.seen[0].body) == {"targetFormat": "webp"}
    assert script.seen[0].idempotent is True  # so it is sent again after an error


def link_of(script, *exchanges):
    return script.run(script.vendor.link(reference(), ArchiveFile("job_1")), *exchanges)


def test_the_link_is_the_download_url(script):
    answer = {"jobStatus": "success", "downloadUrl": "https://cdn.example.test/a.zip"}
    assert link_of(script, (BATCH, reply(answer))).url == "https://cdn.example.test/a.zip"


@pytest.mark.parametrize(
    "metadata",
    [
        {"archiveUrl": "https://cdn.example.test/a.zip"},
        {"downloadUrl": "https://cdn.example.test/a.zip", "archiveUrl": ""},
        {"output": {"files": [1, "name.zip", "https://cdn.example.test/a.zip"]}},
    ],
)
@pytest.mark.parametrize("batch", [reply({}, 404), reply({"jobStatus": "success"})])
def test_the_link_may_stand_in_the_jobs_metadata(script, metadata, batch):
    record = {"jobId": "job_1", "status": "success", "metadata": metadata}
    link = link_of(script, (BATCH, batch), (STATUS, reply({"job": record})))
    assert link.url == "https://cdn.example.test/a.zip"


URL = "https://cdn.example.test/a.zip"
SUCCEEDED = {"jobId": "job_1", "status": "success", "metadata": {"archiveUrl": URL}}


@pytest.mark.parametrize(
    "exchanges",
    [
        [(BATCH, reply({"jobStatus": "finalizing", "downloadUrl": URL}))],
        [(BATCH, reply({"jobStatus": "finalizing"})), (STATUS, reply({"job": SUCCEEDED}))],
        [
            (BATCH, reply({"jobStatus": "success"})),
            (STATUS, reply({"job": {**SUCCEEDED, "status": "queued", "metadata": {}}})),
            (BATCH, reply({"jobStatus": "success", "downloadUrl": URL})),
        ],
    ],
)
def test_a_job_that_has_succeeded_may_be_running_in_a_late_answer(script, exchanges):
    done = reference(replace(JOB, state=JobState.SUCCEEDED))
    assert script.run(script.vendor.link(done, ArchiveFile("job_1")), *exchanges).url == URL
    failed = (BATCH, reply({"jobStatus": "failure", "downloadUrl": URL}))
    with pytest.raises(JobFailedError):
        script.run(script.vendor.link(done, ArchiveFile("job_1")), failed)


@pytest.mark.parametrize("metadata", [None, {}])
def test_a_link_that_is_late_is_waited_for_and_then_transient(script, metadata):
    late = [
        (BATCH, reply({"jobStatus": "success"})),
        (STATUS, reply({"job": {"jobId": "job_1", "status": "success", "metadata": metadata}})),
    ]
    with pytest.raises(VendorUnavailableError, match="no download URL yet") as raised:
        link_of(script, *late * 5)
    assert raised.value.vendor == "scenario"
    assert script.slept == [2.0] * 4


@pytest.mark.parametrize(
    ("exchanges", "error"),
    [
        ([(BATCH, reply({"jobStatus": "failure"}))], JobFailedError),
        ([(BATCH, reply({"jobStatus": "queued"}))], JobTimeoutError),
        ([(BATCH, reply({}, 404)), (STATUS, reply({}, 404)), (BATCH, reply({}, 404))], None),
    ],
)
def test_a_job_that_did_not_succeed_has_no_link(script, exchanges, error):
    script.vendor.clock.now += FRESH_SECONDS
    with pytest.raises(error or ArchiveExpiredError):
        link_of(script, *exchanges)


def test_assets_of_a_job_that_was_started_elsewhere_cannot_be_converted(script):
    unknown = ArchiveReference("s", ArchiveRequest("scenario", {}, {"job_id": "job_1"}), JOB)
    with pytest.raises(InvalidRequestError, match="started elsewhere"):
        script.run(script.vendor.files(unknown, target_format="webp"))
