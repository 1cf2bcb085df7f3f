from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta, timezone

import pytest
from vendor_script import NOW, Clock, Script, reply

from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    InvalidRequestError,
    JobFailedError,
    JobTimeoutError,
    ProtocolError,
    QuotaExceededError,
    RateLimitedError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.jobs import (
    ArchiveFile,
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    JobState,
)
from airflow_provider_assets.sansio.plan import Item
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors.connection import Connection
from airflow_provider_assets.vendors.scenario import Scenario

OPTIONS = {"file_name_template": "<id>", "flat": True}
JOB = ArchiveJob("scenario", "job_1", submitted_at=NOW)
LIST = "GET /assets?pageSize=100&sortBy=createdAt&sortDirection=asc"
JOBS = "GET /jobs?types=assets-download&updatedAfter={}&pageSize=100"
BATCH = "GET /assets/download/job_1"
STATUS = "GET /jobs/job_1"


def scenario(**connection):
    given = {"login": "k", "password": "s", **connection}
    return Script(Scenario(Connection("s", "scenario", **given), clock=Clock()))


@pytest.fixture
def script():
    return scenario()


def assets(*ids, token=None, **changes):
    more = {"nextPaginationToken": token} if token else {}
    return reply({"assets": [{"id": i, "status": "success", **changes} for i in ids], **more})


def request(**options):
    return ArchiveRequest(
        "scenario", {"asset_ids": ("a", "b")}, {**OPTIONS, **options}, tag="tag-1"
    )


def reference(job=JOB, **options):
    return ArchiveReference("s", request(**options), job)


# --- credentials ---


@pytest.mark.parametrize(
    ("connection", "header"),
    [
        ({}, "Basic " + base64.b64encode(b"k:s").decode()),
        ({"login": ""}, "Bearer s"),
        ({"extra": {"auth_type": "bearer"}}, "Bearer s"),
        ({"password": "", "extra": {"auth_type": "bearer", "token": "t"}}, "Bearer t"),
    ],
)
def test_key_and_secret_or_a_bearer_token(connection, header):
    script = scenario(**connection)
    script.run(script.vendor.check(), ("GET /assets?pageSize=1", assets()))
    assert dict(script.seen[0].headers)["Authorization"] == header


@pytest.mark.parametrize(
    ("connection", "named"),
    [
        ({"login": "", "password": ""}, "API key"),
        ({"password": "", "extra": {"auth_type": "bearer"}}, "bearer token"),
    ],
)
def test_missing_credentials_are_named(connection, named):
    script = scenario(**connection)
    with pytest.raises(InvalidRequestError, match=named):
        script.run(script.vendor.check())


def test_a_project_restricts_every_call():
    script = scenario(extra={"project_id": "proj_1"})
    script.run(script.vendor.check(), ("GET /assets?pageSize=1&projectId=proj_1", assets()))


@pytest.mark.parametrize(
    ("body", "error", "wait"),
    [
        ({"message": "slow down"}, RateLimitedError, None),
        ({"details": {"actionName": "x"}}, RateLimitedError, None),
        ([], RateLimitedError, None),
        ({"details": {"actionName": "x", "actionLimit": 5}}, QuotaExceededError, None),
        ({"remainingSeconds": 17}, QuotaExceededError, 17.0),
    ],
)
def test_a_plans_ceiling_is_a_quota_and_not_a_rate(script, body, error, wait):
    with pytest.raises(error) as raised:
        script.run(script.vendor.check(), ("GET /assets?pageSize=1", reply(body, 429)))
    assert raised.value.retry_after == wait
    assert ("ceiling" in raised.value.message) is (error is QuotaExceededError)


# --- options ---


def test_options_are_completed_and_the_id_is_in_every_template(script):
    validate = script.vendor.validate
    assert validate(options={}) == OPTIONS
    assert validate(options={"file_name_template": "<prompt>"})["file_name_template"] == (
        "<prompt>-<id>"
    )
    assert validate(options={"file_name_template": ""})["file_name_template"] == "<id>"
    kept = {"file_name_template": "<id>/<num>", "flat": False, "prefer_original": True}
    assert validate(options=kept) == kept


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"file_name_template": 1}, "file_name_template"),
        ({"archive_name": "x" * 129}, "129"),
        ({"archive_name": "a/b"}, "archive_name"),
        ({"flat": "yes"}, "flat"),
        ({"prefer_original": 1}, "prefer_original"),
    ],
)
def test_a_wrong_option_is_named(script, options, named):
    with pytest.raises(InvalidRequestError, match=named):
        script.vendor.validate(options=options)


# --- what to export ---


def test_inferences_and_models_become_their_assets(script):
    found = script.run(
        script.vendor.expand({"asset_ids": ["a"], "inference_ids": ["i"], "model_ids": ["m"]}),
        (f"{LIST}&inferenceId=i", assets("b")),
        (f"{LIST}&modelId=m", assets("c")),
    )
    assert found == [Item("asset_ids", i) for i in "abc"]


def test_an_empty_page_with_a_token_is_not_the_end(script):
    found = script.run(
        script.vendor.select({}, None),
        (LIST, assets(token="t1")),
        (f"{LIST}&paginationToken=t1", assets("a")),
    )
    assert found == [Item("asset_ids", "a")]


def test_the_vendors_exclusive_bounds_hold_the_half_open_window(script):
    start = datetime(2026, 1, 9, tzinfo=timezone.utc)
    window = Window(start, start + timedelta(days=1))
    bounds = "updatedAfter=2026-01-08T23%3A59%3A59.999Z&updatedBefore=2026-01-10T00%3A00%3A00.000Z"
    found = script.run(
        script.vendor.select({"by": "updatedAt", "types": ["txt2img", "uploaded"]}, window),
        (
            f"{LIST.replace('createdAt', 'updatedAt')}&{bounds}&types=txt2img%2Cuploaded",
            reply(
                {
                    "assets": [
                        {"id": "in", "updatedAt": "2026-01-09T00:00:00.000Z"},
                        {"id": "out", "updatedAt": "2026-01-10T00:00:00.000Z"},
                        {"id": "silent"},
                        {"id": "pending", "status": "pending"},
                    ]
                }
            ),
        ),
    )
    assert [item.id for item in found] == ["in", "silent"]


def test_the_trash_takes_no_other_filter_and_no_sorting(script):
    script.run(
        script.vendor.select({"deleted": True}, None),
        ("GET /assets?pageSize=100&deleted=true", assets()),
    )
    with pytest.raises(InvalidRequestError, match="modelId"):
        script.run(script.vendor.select({"deleted": True, "modelId": "m"}, None))


@pytest.mark.parametrize(
    ("query", "named"), [({"by": "id"}, "by"), ({"type": "a", "types": ["b"]}, "exclude")]
)
def test_a_query_that_the_vendor_refuses_is_not_sent(script, query, named):
    with pytest.raises(InvalidRequestError, match=named):
        script.run(script.vendor.select(query, None))


def test_metadata_is_asked_for_200_at_a_time(script):
    ids = [f"a{n}" for n in range(201)]
    found = script.run(
        script.vendor.metadata(ids),
        ("POST /assets/get-bulk", assets(*ids[:199])),
        ("POST /assets/get-bulk", assets("a200")),
    )
    assert list(found) == [*ids[:199], "a200"]
    assert [len(json.loads(r.body)["assetIds"]) for r in script.seen] == [200, 1]


# --- jobs ---


@pytest.mark.parametrize("body", [{"jobId": "job_1"}, {"job": {"jobId": "job_1"}}])
def test_a_submission_names_its_archive_by_our_tag(script, body):
    job = script.run(
        script.vendor.submit(request(prefer_original=True, archive_name="nightly")),
        ("POST /assets/download", reply(body)),
    )
    assert job == JOB
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
    with pytest.raises(ProtocolError, match="no job id"):
        script.run(script.vendor.submit(request()), ("POST /assets/download", answer))


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
        (f"{SINCE}&paginationToken=t", listed(ours)),
    )
    assert (job.job_id, job.submitted_at) == ("ours", NOW)
    assert script.run(script.vendor.find(request(), NOW), (SINCE, listed(near))) is None


def test_many_jobs_share_the_list_and_one_it_lacks_is_asked_for_alone(script):
    jobs = [ArchiveJob("scenario", f"job_{n}", submitted_at=NOW) for n in (1, 2)]
    first, second = script.run(
        script.vendor.poll(jobs),
        (SINCE, listed({"jobId": "job_2", "status": "success"}, token="t")),
        (f"{SINCE}&paginationToken=t", listed()),
        (STATUS, reply({"job": {"jobId": "job_1", "status": "failure", "metadata": 1}})),
    )
    assert (first.state, second.state) == (JobState.FAILED, JobState.SUCCEEDED)


def test_progress_and_the_vendors_reason_are_told(script):
    record = {
        "jobId": "job_1",
        "status": "failure",
        "progress": 0.5,
        "metadata": {"error": "no space", "hint": "ask for less"},
    }
    (job,) = script.run(script.vendor.poll([JOB]), (STATUS, reply({"job": record})))
    assert (job.progress, job.reason) == (0.5, "no space; ask for less")


def test_a_job_that_only_its_download_knows_is_read_there(script):
    (job,) = script.run(
        script.vendor.poll([JOB]),
        (STATUS, reply({}, 404)),
        (BATCH, reply({"jobId": "job_1", "jobStatus": "finalizing"})),
    )
    assert (job.state, job.vendor_status) == (JobState.RUNNING, "finalizing")
    with pytest.raises(ProtocolError, match="lacks a job"):
        script.run(script.vendor.poll([JOB]), (STATUS, reply({})))


@pytest.mark.parametrize(("status", "agreed"), [(200, True), (400, False), (403, False)])
def test_cancelling_is_asked_for_once(script, status, agreed):
    line = "POST /jobs/job_1/action"
    assert script.run(script.vendor.cancel(JOB), (line, reply({}, status))) is agreed
    assert not script.seen[0].idempotent


# --- bytes ---


def test_one_zip_or_one_converted_file_an_asset(script):
    (file,) = script.run(script.vendor.files(reference()))
    assert file.name.endswith(".zip")
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


@pytest.mark.parametrize("metadata", [None, {}])
def test_a_link_that_is_late_is_waited_for_and_then_transient(script, metadata):
    late = [
        (BATCH, reply({"jobStatus": "success"})),
        (STATUS, reply({"job": {"jobId": "job_1", "status": "success", "metadata": metadata}})),
    ]
    with pytest.raises(VendorUnavailableError, match="no download URL yet"):
        link_of(script, *late * 5)
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
    with pytest.raises(error or ArchiveExpiredError):
        link_of(script, *exchanges)
