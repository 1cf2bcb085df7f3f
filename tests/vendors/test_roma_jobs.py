from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from roma_samples import (
    APP,
    APPS,
    BASE,
    EXPORT,
    FULL,
    JOB,
    STATUS,
    SUCCESS,
    TASK,
    error,
    job,
    page,
    reference,
    roma,
)
from vendor_script import NOW, Clock, Script, reply

from airflow_provider_assets.sansio.batching import Batches
from airflow_provider_assets.sansio.downloads import ArchiveFile
from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AuthenticationError,
    BusyError,
    InvalidRequestError,
    ProtocolError,
    RateLimitedError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.jobs import ArchiveJob, ArchiveRequest, Item, JobState
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.vendors.base import FRESH_SECONDS
from airflow_provider_assets.vendors.connection import VendorConnection
from airflow_provider_assets.vendors.huawei_roma import HuaweiRoma

DAY = 86400


@pytest.fixture
def script():
    return Script(roma())


def polled(script, data):
    (found,) = script.run(script.vendor.poll([job()]), (STATUS, reply(data)))
    return found


def submitted(script, **items):
    script.run(
        script.vendor.submit(ArchiveRequest("huawei_roma", items)), (EXPORT, reply({"job_id": JOB}))
    )
    return json.loads(script.seen[-1].body)


def test_an_export_always_names_apps_and_tasks_and_is_sent_once(script):
    assert submitted(script, apps=(APP,)) == {"apps": [{"id": APP}], "tasks": []}
    assert submitted(script, tasks=(TASK,)) == {"apps": [], "tasks": [{"id": TASK}]}
    assert not script.seen[-1].idempotent
    assert ("Content-Type", "application/json;charset=utf-8") in script.seen[-1].headers


def test_the_dialect_of_2022_names_one_app_and_task_ids():
    script = Script(roma(old_export_body=True))
    assert submitted(script, apps=("billing-app",), tasks=(TASK,)) == {
        "apps": "billing-app",
        "tasks": [{"task_id": TASK}],
    }
    with pytest.raises(InvalidRequestError, match="exactly one application"):
        submitted(script, apps=("a", "b"))
    found = script.run(
        script.vendor.select({"apps": {}}, None),
        (APPS.format(0), page("apps", {"id": APP, "name": "billing-app"})),
    )
    assert found.items == [Item("apps", "billing-app")]
    assert script.vendor.spec.single == {"apps"}
    assert roma().spec.single == frozenset()


@pytest.mark.parametrize(("apps", "tasks"), [(0, 1), (1, 100)])
def test_the_dialect_of_2022_refuses_tasks_that_have_no_place_beside_an_app(apps, tasks):
    named = {"apps": [f"app {i}" for i in range(apps)], "tasks": [f"task{i}" for i in range(tasks)]}
    script = Script(roma(old_export_body=True))
    why = f"old_export_body: {tasks} tasks are selected.* up to 99, and only beside an application"
    with pytest.raises(InvalidRequestError, match=why):
        script.run(script.vendor.expand(named))
    named |= {"apps": ["a", "b"], "tasks": named["tasks"][:99]}
    found = script.run(script.vendor.expand(named))
    spec = script.vendor.spec
    batches = Batches(
        found.items,
        lambda i, j: found.items[i:j],
        ArchiveRequest("huawei_roma", {}),
        spec.max_batch,
        spec.single,
    )
    assert [{kind: len(ids) for kind, ids in one.items.items()} for one in batches] == [
        {"apps": 1},
        {"apps": 1, "tasks": len(named["tasks"])},
    ]


def test_a_submit_without_a_job_id_is_a_protocol_error(script):
    with pytest.raises(ProtocolError, match="job_id"):
        script.run(
            script.vendor.submit(ArchiveRequest("huawei_roma", {"apps": (APP,)})),
            (EXPORT, reply({})),
        )


@pytest.mark.parametrize(
    "refusal",
    [
        error(403, "another export job is running"),
        error(403, "An asset export task already exists."),
        error(409, "The job is in progress"),
        error(403, "refused", details="The instance is being exported"),
    ],
)
def test_busy_is_never_mistaken_for_a_missing_permission(script, refusal):
    with pytest.raises(BusyError) as raised:
        script.run(
            script.vendor.submit(ArchiveRequest("huawei_roma", {"apps": (APP,)})), (EXPORT, refusal)
        )
    assert raised.value.retryable
    assert "permission" not in raised.value.message


@pytest.mark.parametrize(
    "refusal",
    [
        error(403, "No permission to export assets while running", "APIG.1005"),
        error(403, "Export failed because the instance is not running"),
        error(403, "archive not available", details="already downloaded"),
        reply([], 403),
    ],
)
def test_any_other_403_is_a_missing_permission(script, refusal):
    with pytest.raises(AuthenticationError):
        script.run(
            script.vendor.submit(ArchiveRequest("huawei_roma", {"apps": (APP,)})), (EXPORT, refusal)
        )


def test_throttling_and_error_pages_are_transient(script):
    with pytest.raises(RateLimitedError, match="throttled"):
        script.run(script.vendor.poll([job()]), (STATUS, error(429, "throttled", "APIGW.0308")))
    html = HttpResponse(502, {"content-type": "text/html"}, b"<html>Bad Gateway</html>")
    (answer,) = script.run(script.vendor.poll([job()]), (STATUS, html))
    assert isinstance(answer, VendorUnavailableError)


@pytest.mark.parametrize("word", ["RUNNING", "Running", "waiting", "PROCESSING", "rolling over"])
def test_a_running_job_tells_its_progress(script, word):
    found = polled(script, {"id": JOB, "status": word, "progress_percent": 0.35})
    assert (found.state, found.vendor_status, found.progress) == (JobState.RUNNING, word, 0.35)
    assert (found.vendor, found.submitted_at, found.details) == ("huawei_roma", NOW, {})


def test_the_name_of_a_package_is_kept_whole(script):
    name = "a" * 200
    found = polled(script, {"status": "SUCCEEDED", "archive_id": name})
    assert found.details == {"archive_id": name}


@pytest.mark.parametrize(
    "data",
    [
        {"status": "SUCCEEDED", "archive_id": "arch-77aa", "end_time": "2026-01-10T08:01:10Z"},
        {"status": "Success", "entities": {"archive_id": "arch-77aa"}, "end_time": 1768032070000},
        {"status": "succeeded", "entities": None, "archive_id": "arch-77aa"},
    ],
)
def test_success_of_any_edition_names_the_package(script, data):
    found = polled(script, data)
    assert (found.state, found.details) == (JobState.SUCCEEDED, {"archive_id": "arch-77aa"})
    assert ArchiveJob.from_dict(found.to_dict()) == found


@pytest.mark.parametrize("key", ["reasons", "reason"])
def test_a_failure_tells_its_reasons_under_either_key(script, key):
    reason = {
        "resource_type": "application",
        "resource_name": "billing-app",
        "error_code": "ROMA.00000101",
        "error_msg": "resource is locked",
    }
    found = polled(script, {"status": "Failed", key: [reason, "?", {}]})
    assert (found.state, found.code) == (JobState.FAILED, "ROMA.00000101")
    assert found.reason == "application billing-app: resource is locked; resource: no message"


@pytest.mark.parametrize("reasons", [None, "locked", [{}]])
def test_a_failure_may_have_no_readable_reason(script, reasons):
    found = polled(script, {"status": "FAILED", "reasons": reasons})
    assert (found.state, found.code) == (JobState.FAILED, None)


@pytest.mark.parametrize("data", [{"status": "Finished"}, {"status": "SUCCEEDED"}])
def test_a_package_that_is_no_longer_named_is_gone(script, data):
    found = polled(script, data)
    assert found.state is JobState.EXPIRED
    assert "downloaded once" in found.reason


def test_a_job_the_vendor_does_not_know_is_expired_and_ended_jobs_are_not_asked_for(script):
    done = job(state=JobState.SUCCEEDED)
    script.vendor.clock.now += FRESH_SECONDS
    found = script.run(
        script.vendor.poll([done, job()]), (STATUS, error(404, "no such job", "ROMA.00000102"))
    )
    assert found[0] == done
    assert (found[1].state, found[1].vendor_status) == (JobState.EXPIRED, "unknown to the vendor")


@pytest.mark.parametrize(
    ("answer", "age", "doubt"),
    [
        (error(404, "no such job", "ROMA.00000102"), 59, "no such job.*what is so new"),
        (error(404, "the API is not published", "APIGW.0101"), DAY, "not published.*in front of"),
        (error(404, "instance not found", "APIG.3030"), None, "instance not found.*in front of"),
        (HttpResponse(404, {}, b"<html>Not Found</html>"), DAY, "HTTP 404; .*in front of its API"),
    ],
)
def test_a_404_that_does_not_prove_that_a_job_is_lost_is_asked_for_again(
    script, answer, age, doubt
):
    """A job that counts as lost is exported once more."""
    since = None if age is None else NOW - age
    (told,) = script.run(script.vendor.poll([replace(job(), submitted_at=since)]), (STATUS, answer))
    assert isinstance(told, VendorUnavailableError)
    assert told.status == 404
    assert re.search(doubt, told.message)


NAMELESS = {"status": "SUCCEEDED", "end_time": "2026-01-10T08:01:30Z"}  # ten seconds ago


def test_a_package_that_has_no_id_yet_is_not_taken_for_one_that_is_gone(script):
    (late,) = script.run(script.vendor.poll([job()]), (STATUS, reply(NAMELESS)))
    assert isinstance(late, VendorUnavailableError)
    assert "no id yet" in late.message
    named = job(details={"archive_id": "arch-77aa"})
    gone = {
        "no longer new": (job(), {**NAMELESS, "end_time": "2026-01-10T08:00:30Z"}),
        "downloaded": (job(), {**NAMELESS, "status": "Finished"}),
        "of no known time": (job(), {**NAMELESS, "end_time": None}),
        "had an id": (named, NAMELESS),
    }
    for why, (known, answer) in gone.items():
        (found,) = script.run(script.vendor.poll([known]), (STATUS, reply(answer)))
        assert found.state is JobState.EXPIRED, why


@pytest.mark.parametrize("word", ["RUNNING", "rolling over"])
def test_a_late_answer_about_a_finished_job_does_not_end_in_another_export(script, word):
    """Only a verdict on the job leads to one, which JobTimeoutError would be."""
    done = reference(job(state=JobState.SUCCEEDED, details={"archive_id": "arch-77aa"}))
    flow = script.vendor.link(done, ArchiveFile("arch-77aa"))
    with pytest.raises(VendorUnavailableError, match=f"late answer shows it as {word}"):
        script.run(flow, (STATUS, reply({"status": word})))


def test_a_job_of_unknown_age_that_the_vendor_does_not_know_is_expired(script):
    unknown = replace(job(), submitted_at=None)
    (found,) = script.run(script.vendor.poll([unknown]), (STATUS, error(404, "no such job")))
    assert found.state is JobState.EXPIRED


def test_nothing_can_be_cancelled_or_found_again(script):
    request = ArchiveRequest("huawei_roma", {"apps": (APP,)})
    assert not script.run(script.vendor.cancel(job()))
    assert script.run(script.vendor.find(request, NOW)) is None


# --- bytes ---


def test_the_package_is_one_file_whose_container_is_not_known(script):
    done = reference(job(state=JobState.SUCCEEDED, details={"archive_id": "arch-77aa"}))
    (file,) = script.run(script.vendor.files(done))
    assert file == ArchiveFile("arch-77aa", done.request.stem)
    assert "." not in file.name
    with pytest.raises(InvalidRequestError, match="target_format"):
        script.run(script.vendor.files(done, target_format="zip"))


def test_a_link_is_the_apis_own_address_with_credentials_for_one_get(script):
    done = reference(job(state=JobState.SUCCEEDED, details={"archive_id": "arch/77"}))
    link = script.run(script.vendor.link(done, ArchiveFile("arch/77")), (STATUS, reply(SUCCESS)))
    assert link.url == f"{BASE}/v2/p0/instances/i1/assets/archives/arch%2F77"
    assert (link.head_url, link.expires_at) == (None, None)
    assert dict(link.headers)["Authorization"].startswith("SDK-HMAC-SHA256")
    assert "SDK-HMAC" not in repr(link)


def test_a_package_that_is_gone_is_never_asked_for(script):
    done = reference(job(state=JobState.SUCCEEDED, details={"archive_id": "arch-77aa"}))
    with pytest.raises(ArchiveExpiredError, match="downloaded once"):
        script.run(
            script.vendor.link(done, ArchiveFile("arch-77aa")),
            (STATUS, reply({"status": "Finished"})),
        )


def test_a_refusal_is_classified_by_its_words_even_if_one_of_them_is_the_secret() -> None:
    connection = VendorConnection("r", "huawei_roma", login="AK", password="existing", extra=FULL)
    refused = error(403, "an existing export holds the test asset")
    told = HuaweiRoma(connection, clock=Clock()).error_for(
        HttpRequest("POST", BASE), HttpResponse(refused.status, {}, refused.body)
    )
    assert isinstance(told, BusyError)
    assert "an *** export holds the test asset" in str(told)
