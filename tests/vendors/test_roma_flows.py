from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from vendor_script import NOW, Clock, Script, reply

from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AuthenticationError,
    BusyError,
    InvalidRequestError,
    ProtocolError,
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
from airflow_provider_assets.sansio.messages import HttpResponse
from airflow_provider_assets.sansio.plan import Item
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors.connection import Connection
from airflow_provider_assets.vendors.huawei_roma import HuaweiRoma

BASE = "https://roma.ap-southeast-1.myhuaweicloud.com"
IAM = "https://iam.ap-southeast-1.myhuaweicloud.com"
APP = "b1e0c0de-0000-4000-8000-000000000001"
TASK = "15366328208d4d77b76532fe9f4006a6"
JOB = "ff80808199aa00010199aa0001020304"
STATUS = f"GET /v2/p0/instances/i1/assets/jobs/{JOB}"
EXPORT = "POST /v2/p0/instances/i1/assets/export"
SUCCESS = {"id": JOB, "type": "exportAsset", "status": "SUCCEEDED", "archive_id": "arch-77aa"}
FULL = {"region": "ap-southeast-1", "instance_id": "i1", "project_id": "p0"}
TOKEN = {"token": {"expires_at": "2026-01-11T08:00:00.000000Z", "project": {"id": "p0"}}}
GRANT = f"POST {IAM}/v3/auth/tokens?nocatalog=true"


def error(status, message, code="ROMA.00000199", details=""):
    body = {"error_code": code, "error_msg": message, "error_details": details, "request_id": "r"}
    return reply(body, status)


def roma(**changes):
    extra = {**FULL, **changes}
    return HuaweiRoma(
        Connection("r", "huawei_roma", login="AK", password="SK-secret", extra=extra), clock=Clock()
    )


@pytest.fixture
def script():
    return Script(roma())


@pytest.fixture
def by_token():
    return Script(roma(auth_type="token", account="acme", project_id=""))


def granted(value):
    return reply(TOKEN, 201, x_subject_token=value)


def job(**changes):
    return ArchiveJob("huawei_roma", JOB, submitted_at=NOW, **changes)


def reference(known, **items):
    return ArchiveReference("r", ArchiveRequest("huawei_roma", items), known)


def polled(script, data):
    (found,) = script.run(script.vendor.poll([job()]), (STATUS, reply(data)))
    return found


# --- the connection ---


def test_a_region_names_the_addresses_and_an_explicit_one_wins():
    assert roma().base_url == BASE
    assert roma(base_url="https://roma.ae-ad-1.example.test/").base_url == (
        "https://roma.ae-ad-1.example.test"
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"region": ""}, "region among"),
        ({"region": "mars-1"}, "'mars-1'"),
        ({"instance_id": ""}, "instance_id"),
        ({"auth_type": "token"}, "account"),
        ({"auth_type": "basic"}, "neither aksk nor token"),
        ({"iam_url": "http://iam.example.test"}, "iam_url"),
        ({"project_id": "", "region": "", "base_url": "https://x.test"}, "project_id"),
    ],
)
def test_an_incomplete_connection_is_refused_by_the_name_of_what_it_lacks(changes, named):
    with pytest.raises(InvalidRequestError, match=named):
        roma(**changes)


def test_a_connection_without_credentials_is_refused():
    with pytest.raises(InvalidRequestError, match="login"):
        HuaweiRoma(Connection("r", extra=FULL), clock=Clock())
    with pytest.raises(InvalidRequestError, match="password"):
        HuaweiRoma(Connection("r", login="AK", extra=FULL), clock=Clock())


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, "https://iam.ap-southeast-1.myhuaweicloud.com"),
        ({"region": "ru-northwest-2"}, "https://iam.myhuaweicloud.com"),
        ({"iam_url": "https://iam.example.test/"}, "https://iam.example.test"),
    ],
)
def test_projects_are_looked_up_at_the_regions_iam(changes, url):
    script = Script(roma(project_id="", **changes))
    region = script.vendor.connection.text("region")
    script.run(
        script.vendor.submit(ArchiveRequest("huawei_roma", {"apps": (APP,)})),
        (f"GET {url}/v3/projects?name={region}", reply({"projects": [{"id": "p0"}]})),
        (EXPORT, reply({"job_id": JOB})),
    )


INSTANCES = "GET /v2/p0/instances?offset=0&limit=100"


def test_checking_finds_the_connections_own_instance(script):
    known = {"total": 1, "instances": [{"id": "i1", "name": "prod"}]}
    assert "i1" in script.run(script.vendor.check(), (INSTANCES, reply(known)))
    unlisted = {"total": 101, "instances": [{"id": "other"}]}
    assert script.run(script.vendor.check(), (INSTANCES, reply(unlisted)))


@pytest.mark.parametrize(("known", "named"), [([{"id": "other"}], "other"), ([], "none")])
def test_checking_names_the_instances_there_are_if_ours_is_not(script, known, named):
    with pytest.raises(InvalidRequestError, match=rf"'i1'; it has {named}"):
        script.run(
            script.vendor.check(), (INSTANCES, reply({"total": len(known), "instances": known}))
        )


def test_there_are_no_options(script):
    assert script.vendor.validate(options={}) == {}


# --- credentials ---


def test_every_request_is_signed_when_it_is_made(script):
    known = {"total": 1, "instances": [{"id": "i1"}]}
    script.run(script.vendor.check(), (INSTANCES, reply(known)))
    headers = dict(script.seen[0].headers)
    assert headers["X-Sdk-Date"] == "20260110T080140Z"
    assert headers["X-Project-Id"] == "p0"
    assert headers["Authorization"].startswith("SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;")


def test_a_refused_signature_is_not_tried_again(script):
    with pytest.raises(AuthenticationError, match="APIG refuses"):
        script.run(script.vendor.check(), (INSTANCES, error(401, "APIG refuses", "APIG.0301")))


def test_a_token_refused_with_401_is_renewed_once(by_token):
    refused = error(401, "token rejected", "APIG.1002")
    by_token.run(
        by_token.vendor.submit(ArchiveRequest("huawei_roma", {"apps": (APP,)})),
        (GRANT, granted("MIIone")),
        (EXPORT, refused),
        (GRANT, granted("MIItwo")),
        (EXPORT, reply({"job_id": JOB})),
    )
    tokens = [dict(r.headers).get("X-Auth-Token") for r in by_token.seen]
    assert tokens == [None, "MIIone", None, "MIItwo"]
    with pytest.raises(AuthenticationError, match="token rejected"):
        by_token.run(
            by_token.vendor.poll([job()]),
            (STATUS, refused),
            (GRANT, granted("MIIthree")),
            (STATUS, refused),
        )


def test_a_wrong_password_is_said_by_iam(by_token):
    wrong = {"error": {"code": 401, "message": "Wrong user name or password", "title": "Un"}}
    with pytest.raises(AuthenticationError, match=r"Wrong user name.*connection 'r'"):
        by_token.run(by_token.vendor.check(), (GRANT, reply(wrong, 401)))


# --- what to export ---


def test_apps_and_tasks_are_named_explicitly(script):
    found = script.run(script.vendor.expand({"tasks": [TASK], "apps": [APP, APP]}))
    assert found == [Item("apps", APP), Item("tasks", TASK)]


def page(key, *entries, total=None):
    return reply(
        {"total": len(entries) if total is None else total, "size": len(entries), key: entries}
    )


APPS = "GET /v2/p0/instances/i1/apps?offset={}&limit=100"
TASKS = "GET /v2/p0/fdi/instances/i1/tasks?offset={}&limit=100"


def test_an_empty_query_takes_all_apps_and_tasks_over_all_pages(script):
    found = script.run(
        script.vendor.select({}, None),
        (APPS.format(0), page("apps", {"id": "b"}, {"id": "c"}, total=3)),
        (APPS.format(2), page("apps", {"id": "a"}, total=3)),
        (TASKS.format(0), page("entities", {"task_id": TASK})),
    )
    assert found == [
        Item("apps", "a"),
        Item("apps", "b"),
        Item("apps", "c"),
        Item("tasks", TASK),
    ]


def test_a_listing_that_shrinks_while_it_is_read_ends(script):
    found = script.run(
        script.vendor.select({"apps": True}, None),
        (APPS.format(0), page("apps", {"id": "a"}, total=2)),
        (APPS.format(1), page("apps", total=2)),
    )
    assert found == [Item("apps", "a")]


def test_filters_are_passed_on_to_their_own_listing(script):
    script.run(
        script.vendor.select({"apps": {"name": "bill", "owner": True}}, None),
        (APPS.format(0) + "&name=bill&owner=true", page("apps")),
    )
    script.run(
        script.vendor.select({"tasks": {"status": 1}, "apps": False}, None),
        (TASKS.format(0) + "&status=1", page("entities")),
    )


@pytest.mark.parametrize(
    ("query", "named"),
    [({"apps": {"nmae": "x"}}, "nmae"), ({"tasks": ["x"]}, "true or filters")],
)
def test_an_unknown_filter_is_refused(script, query, named):
    with pytest.raises(InvalidRequestError, match=named):
        script.run(script.vendor.select(query, None))


def test_the_window_takes_what_was_changed_in_it_and_what_tells_no_time(script):
    window = Window(
        datetime(2026, 1, 9, tzinfo=timezone.utc), datetime(2026, 1, 10, tzinfo=timezone.utc)
    )
    first, last = 1767916800, 1768003200
    tasks = {
        "first": first * 1000,
        "seconds": first,
        "text": str(first * 1000),
        "iso": "2026-01-09T23:59:59Z",
        "naive": "2026-01-09 12:00:00",
        "garbled": "yesterday",
        "zero": 0,
        "none": None,
        "end": last * 1000,
        "before": "2026-01-08T23:59:59.999Z",
    }
    entries = [{"task_id": name, "last_modified_time": time} for name, time in tasks.items()]
    created = {"task_id": "created", "created_date": last}
    found = script.run(
        script.vendor.select({"tasks": {}}, window),
        (TASKS.format(0), page("entities", *entries, created)),
    )
    assert {item.id for item in found} == set(tasks) - {"end", "before"}


def test_a_listing_of_another_shape_is_a_protocol_error(script):
    with pytest.raises(ProtocolError):
        script.run(script.vendor.select({}, None), (APPS.format(0), reply({"apps": "none"})))


# --- jobs ---


def submitted(script, **items):
    script.run(
        script.vendor.submit(ArchiveRequest("huawei_roma", items)),
        (EXPORT, reply({"job_id": JOB})),
    )
    return json.loads(script.seen[-1].body)


def test_an_export_always_names_apps_and_tasks_and_is_sent_once(script):
    assert submitted(script, apps=(APP,)) == {"apps": [{"id": APP}], "tasks": []}
    assert submitted(script, tasks=(TASK,)) == {"apps": [], "tasks": [{"id": TASK}]}
    assert not script.seen[-1].idempotent


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
    assert found == [Item("apps", "billing-app")]


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
            script.vendor.submit(ArchiveRequest("huawei_roma", {"apps": (APP,)})),
            (EXPORT, refusal),
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
            script.vendor.submit(ArchiveRequest("huawei_roma", {"apps": (APP,)})),
            (EXPORT, refusal),
        )


def test_throttling_and_error_pages_are_transient(script):
    with pytest.raises(RateLimitedError, match="throttled"):
        script.run(script.vendor.poll([job()]), (STATUS, error(429, "throttled", "APIGW.0308")))
    html = HttpResponse(502, {"content-type": "text/html"}, b"<html>Bad Gateway</html>")
    with pytest.raises(VendorUnavailableError):
        script.run(script.vendor.poll([job()]), (STATUS, html))


@pytest.mark.parametrize("word", ["RUNNING", "Running", "waiting", "PROCESSING", "rolling over"])
def test_a_running_job_tells_its_progress(script, word):
    found = polled(script, {"id": JOB, "status": word, "progress_percent": 0.35})
    assert (found.state, found.vendor_status, found.progress) == (JobState.RUNNING, word, 0.35)
    assert found.submitted_at == NOW


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
    assert (found.state, found.facts) == (JobState.SUCCEEDED, {"archive_id": "arch-77aa"})
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
    found = script.run(
        script.vendor.poll([done, job()]), (STATUS, error(404, "no such job", "ROMA.00000102"))
    )
    assert found[0] == done
    assert (found[1].state, found[1].vendor_status) == (JobState.EXPIRED, "unknown to the vendor")


def test_nothing_can_be_cancelled_or_found_again(script):
    request = ArchiveRequest("huawei_roma", {"apps": (APP,)})
    assert not script.run(script.vendor.cancel(job()))
    assert script.run(script.vendor.find(request, NOW)) is None


# --- bytes ---


def test_the_package_is_one_file_whose_container_is_not_known(script):
    done = reference(job(state=JobState.SUCCEEDED, facts={"archive_id": "arch-77aa"}))
    (file,) = script.run(script.vendor.files(done))
    assert file.key == "arch-77aa"
    assert "." not in file.name
    with pytest.raises(InvalidRequestError, match="target_format"):
        script.run(script.vendor.files(done, target_format="zip"))


def test_a_link_is_the_apis_own_address_with_credentials_for_one_get(script):
    done = reference(job(state=JobState.SUCCEEDED, facts={"archive_id": "arch/77"}))
    link = script.run(script.vendor.link(done, ArchiveFile("arch/77")), (STATUS, reply(SUCCESS)))
    assert link.url == f"{BASE}/v2/p0/instances/i1/assets/archives/arch%2F77"
    assert link.single_use
    assert (link.head_url, link.expires_at) == (None, None)
    assert dict(link.headers)["Authorization"].startswith("SDK-HMAC-SHA256")
    assert "SDK-HMAC" not in repr(link)


def test_a_package_that_is_gone_is_never_asked_for(script):
    done = reference(job(state=JobState.SUCCEEDED, facts={"archive_id": "arch-77aa"}))
    with pytest.raises(ArchiveExpiredError, match="downloaded once"):
        script.run(
            script.vendor.link(done, ArchiveFile("arch-77aa")),
            (STATUS, reply({"status": "Finished"})),
        )
