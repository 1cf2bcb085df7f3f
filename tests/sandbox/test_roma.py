"""ROMA Connect by hand: who is let in, every dialect, and packages that can be had once."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import socket
import tarfile
import zipfile
from urllib.parse import urlsplit

import pytest
import requests
from roma_client import Caller, token_of

from airflow_provider_assets.sandbox import running


@pytest.fixture(scope="module")
def roma():
    with running("--vendor", "roma", "--items", "240", "--advance", "poll") as sandbox:
        yield sandbox


def ready(sandbox, caller=None, count=2):
    caller = caller or Caller(sandbox)
    job_id = caller.export(sandbox.roma["apps"][:count]).json()["job_id"]
    sandbox.job(job_id, "finish")
    answer = caller.job(job_id)
    return job_id, answer.get("archive_id") or answer["entities"]["archive_id"]


# Who is let in


def test_a_signature_is_good_for_a_quarter_of_an_hour(roma):
    now = dt.datetime.now(dt.timezone.utc)
    for minutes, status in ((-14, 200), (14, 200), (-16, 401), (16, 401)):
        caller = Caller(roma, moment=now + dt.timedelta(minutes=minutes))
        reply = caller.call("GET", f"{caller.base}/apps")
        assert reply.status_code == status
        assert status == 200 or "timestamp" in reply.json()["error_msg"]


def test_a_signature_covers_method_path_query_and_body(roma):
    caller = Caller(roma)
    url = f"{roma.roma['base_url']}{caller.base}/apps?limit=5&offset=0"
    good = caller.signed("GET", url)
    assert requests.get(url, headers=good, timeout=10).status_code == 200
    assert (
        requests.get(url.replace("limit=5", "limit=6"), headers=good, timeout=10).status_code == 401
    )
    assert requests.get(url.replace("apps", "appz"), headers=good, timeout=10).status_code != 200
    assert requests.get(url, headers=good, data=b"x", timeout=10).status_code == 401
    naked = {name: value for name, value in good.items() if name != "Authorization"}
    assert requests.get(url, headers=naked, timeout=10).status_code == 401


def test_an_unknown_access_key_is_refused(roma):
    reply = Caller(roma, access_key="NOBODY").export(roma.roma["apps"][:1])
    assert (reply.status_code, reply.json()["error_code"]) == (401, "APIGW.0301")


def test_a_token_is_had_for_a_password_and_dies_after_a_day(start):
    sandbox = start("--vendor", "roma", "--items", "4")
    reply = token_of(sandbox)
    assert reply.status_code == 201
    body = reply.json()["token"]
    issued, expires = (
        dt.datetime.fromisoformat(body[f"{n}_at"].replace("Z", "+00:00"))
        for n in ("issued", "expires")
    )
    assert expires - issued == dt.timedelta(days=1)
    caller = Caller(sandbox, token=reply.headers["X-Subject-Token"])
    assert caller.call("GET", f"{caller.base}/apps").status_code == 200
    sandbox.advance(86_401)
    late = caller.call("GET", f"{caller.base}/apps")
    assert (late.status_code, late.json()["error_code"]) == (401, "APIG.1002")


def test_tokens_can_be_made_invalid_at_once(roma):
    caller = Caller(roma, token=token_of(roma).headers["X-Subject-Token"])
    roma.forget_tokens()
    assert caller.call("GET", f"{caller.base}/apps").status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "no"},
        {"user": "no"},
        {"account": "no"},
        {"scope": {"project": {"name": "nowhere-1"}}},
    ],
)
def test_no_token_is_had_for_wrong_credentials(roma, wrong):
    reply = token_of(roma, **wrong)
    assert (reply.status_code, reply.json()["error"]["title"]) == (401, "Unauthorized")


def test_projects_are_found_by_name_none_one_or_several(roma):
    caller = Caller(roma)
    found = {
        name: len(caller.call("GET", "/v3/projects", name=name).json()["projects"])
        for name in ("sandbox-1", "sandbox-twice", "nowhere")
    }
    assert found == {"sandbox-1": 1, "sandbox-twice": 2, "nowhere": 0}


def test_iam_words_its_errors_in_its_own_way(roma):
    roma.fault("auth:429:1")
    assert token_of(roma).json()["error"]["code"] == 429


def test_an_unknown_instance_is_not_found(roma):
    caller = Caller(roma)
    assert caller.call("GET", caller.base[:-2] + "zz/apps").json()["error_code"] == "APIG.3030"


# What can be listed


def test_paging_reaches_every_app_and_task_and_no_more_than_that(roma):
    caller = Caller(roma)
    for path, name, known in (
        (f"{caller.base}/apps", "apps", roma.roma["apps"]),
        (f"{caller.fdi}/tasks", "entities", roma.roma["tasks"]),
    ):
        ids, total = [], 1
        while len(ids) < total:
            page = caller.call("GET", path, offset=len(ids), limit=50).json()
            assert page["size"] == len(page[name])
            total = page["total"]
            ids += [one.get("id") or one["task_id"] for one in page[name]]
        assert ids == known
        assert len(caller.call("GET", path).json()[name]) == 20
        assert caller.call("GET", path, limit=1000).status_code == 400


def test_filters_find_all_and_only_their_own(roma):
    caller = Caller(roma)
    apps = caller.call("GET", f"{caller.base}/apps", limit=500).json()["apps"]
    named = caller.call("GET", f"{caller.base}/apps", limit=500, name="BILL").json()["apps"]
    assert named == [one for one in apps if "bill" in one["name"]]
    tasks = caller.call("GET", f"{caller.fdi}/tasks", limit=999).json()["entities"]
    for name, value in (("status", 1), ("execute_status", "SUCCESS"), ("task_type", "timing")):
        found = caller.call("GET", f"{caller.fdi}/tasks", limit=999, **{name: value}).json()
        expected = [one for one in tasks if str(one[name]).lower() == str(value).lower()]
        assert found["entities"] == expected
    newest = caller.call(
        "GET", f"{caller.fdi}/tasks", limit=999, sort_field="last_modified_time", sort_type="DESC"
    ).json()["entities"]
    moments = [one["last_modified_time"] for one in newest]
    assert moments == sorted(moments, reverse=True)


# Exports


def test_one_export_of_a_user_runs_at_a_time(roma):
    first, second = Caller(roma), Caller(roma, access_key="SANDBOXAK2", secret_key="sandbox-sk-2")
    job_id = first.export(roma.roma["apps"][:1]).json()["job_id"]
    busy = first.export(roma.roma["apps"][:1])
    assert (busy.status_code, busy.json()["error_msg"]) == (403, "another export job is running")
    other = second.export(roma.roma["apps"][:1])
    assert other.status_code == 200
    roma.job(job_id, "finish")
    roma.job(other.json()["job_id"], "finish")
    again = first.export(roma.roma["apps"][:1])
    assert again.status_code == 200
    roma.job(again.json()["job_id"], "finish")


def test_busy_and_forbidden_are_both_403_and_differ_in_their_words(roma):
    roma.fault("submit:busy:1")
    roma.fault("submit:403:1")
    busy, forbidden = (Caller(roma).export(roma.roma["apps"][:1]) for _ in range(2))
    assert (busy.status_code, forbidden.status_code) == (403, 403)
    assert (busy.json()["error_code"], forbidden.json()["error_code"]) == (
        "ROMA.00000199",
        "APIG.1005",
    )


def test_an_export_holds_at_most_a_hundred_items_and_at_least_one(roma):
    caller = Caller(roma)
    assert caller.export(roma.roma["apps"][:51], roma.roma["tasks"][:50]).status_code == 400
    assert caller.export([]).status_code == 400
    assert roma.stats()["totals"]["accepted"] == 0


def test_each_poll_moves_an_export_on_and_the_archive_is_named_at_the_end(roma):
    caller = Caller(roma)
    job_id = caller.export(roma.roma["apps"][:1]).json()["job_id"]
    seen = [caller.job(job_id) for _ in range(3)]
    assert [one["status"] for one in seen] == ["RUNNING", "RUNNING", "SUCCEEDED"]
    assert [bool(one.get("archive_id")) for one in seen] == [False, False, True]


def test_an_export_of_what_does_not_exist_fails_with_a_reason(roma):
    caller = Caller(roma)
    job = caller.job(caller.export(["no-such-app"]).json()["job_id"])
    assert job["status"] == "FAILED"
    assert job["reasons"][0]["resource_name"] == "no-such-app"


@pytest.mark.parametrize(
    ("dialect", "words", "key", "after"),
    [
        ("sdk", ("RUNNING", "SUCCEEDED", "FAILED"), "reasons", ("SUCCEEDED", True)),
        ("docs2025", ("Running", "SUCCEEDED", "Failed"), "reason", ("SUCCEEDED", False)),
        ("old2022", ("Running", "Success", "Failed"), "reasons", ("Finished", False)),
        ("nested", ("Running", "Success", "Failed"), "reasons", ("Finished", False)),
    ],
)
def test_every_dialect_is_spelled_as_its_documents_say(start, dialect, words, key, after):
    sandbox = start(
        "--vendor", "roma", "--items", "6", "--roma-dialect", dialect, "--advance", "poll"
    )
    caller = Caller(sandbox)
    apps = caller.call("GET", f"{caller.base}/apps").json()["apps"]
    old = dialect == "old2022"
    ids = {"apps": apps[0]["name"] if old else [{"id": apps[0]["id"]}], "tasks": []}

    def export():
        body = json.dumps(ids).encode()
        reply = caller.call("POST", f"{caller.base}/assets/export", body=body)
        assert reply.status_code == 200, reply.text
        return reply.json()["job_id"]

    job_id = export()
    assert caller.job(job_id)["status"] == words[0]
    sandbox.job(job_id, "finish")
    done = caller.job(job_id)
    assert done["status"] == words[1]
    assert ("entities" in done) is (dialect == "nested")
    assert isinstance(done["end_time"], int) is (dialect in ("old2022", "nested"))
    archive_id = (done.get("entities") or done)["archive_id"]
    assert caller.download(archive_id).status_code == 200
    gone = caller.job(job_id)
    assert (gone["status"], bool(gone.get("archive_id") or gone.get("entities"))) == after
    sandbox.fault("job:failed:1")
    bad = caller.job(export())
    assert bad["status"] == words[2]
    assert bad[key][0]["error_code"]


def test_each_dialect_refuses_the_body_of_the_other(start):
    body = {"apps": "billing", "tasks": [{"task_id": "x"}]}
    sandbox = start("--vendor", "roma", "--items", "6")
    caller = Caller(sandbox)
    path = f"{caller.base}/assets/export"
    assert caller.call("POST", path, body=json.dumps(body).encode()).status_code == 400
    old = Caller(start("--vendor", "roma", "--items", "6", "--roma-dialect", "old2022"))
    assert old.export(sandbox.roma["apps"][:1]).status_code == 400


# The package that can be had once


def test_a_package_is_gone_after_one_download_and_a_new_export_has_another(roma):
    caller = Caller(roma)
    job_id, archive_id = ready(roma)
    body = caller.download(archive_id).content
    assert hashlib.sha256(body).hexdigest() == roma.archive(job_id)["sha256"]
    second = caller.download(archive_id)
    assert (second.status_code, second.json()["error_details"]) == (403, "already downloaded")
    assert roma.stats()["archives"][archive_id] == {"gets": 2, "bytes": len(body)}
    _, another = ready(roma)
    assert another != archive_id
    assert caller.download(another).content == body


def test_a_head_consumes_the_package_as_well(roma):
    _, archive_id = ready(roma)
    assert Caller(roma).download(archive_id, method="HEAD").status_code == 200
    assert Caller(roma).download(archive_id).status_code == 403


def test_nobody_else_can_have_it_and_an_expired_one_is_gone(roma):
    job_id, archive_id = ready(roma)
    other = Caller(roma, access_key="SANDBOXAK2", secret_key="sandbox-sk-2")
    assert other.download(archive_id).status_code == 403
    roma.job(job_id, "expire")
    assert Caller(roma).download(archive_id).status_code == 403


@pytest.mark.parametrize("kind", ["503", "429,retry_after=1", "401", "502html"])
def test_what_fails_before_the_body_leaves_the_package_alone(roma, kind):
    _, archive_id = ready(roma)
    roma.fault(f"download:{kind.replace(',', ':1,', 1) if ',' in kind else kind + ':1'}")
    assert Caller(roma).download(archive_id).status_code >= 400
    assert Caller(roma).download(archive_id).status_code == 200


def test_a_connection_can_drop_before_or_after_the_package_is_spent(roma):
    _, spared = ready(roma)
    roma.fault("download:drop:1")
    with pytest.raises(requests.ConnectionError):
        Caller(roma).download(spared)
    assert Caller(roma).download(spared).status_code == 200
    _, spent = ready(roma)
    roma.fault("download:accept-then-reset:1")
    with pytest.raises(requests.ConnectionError):
        Caller(roma).download(spent)
    assert Caller(roma).download(spent).status_code == 403


@pytest.mark.parametrize("fault", ["reset@100", "truncate@100"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_that_breaks_is_noticed_and_the_package_is_spent(start, framing, fault):
    sandbox = start("--vendor", "roma", "--items", "6", "--roma-framing", framing)
    _, archive_id = ready(sandbox)
    sandbox.fault(f"download:{fault}:1")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        Caller(sandbox).download(archive_id)
    assert Caller(sandbox).download(archive_id).status_code == 403


def test_framings_differ_as_they_should(start):
    for framing in ("length", "chunked", "close"):
        sandbox = start("--vendor", "roma", "--items", "6", "--roma-framing", framing)
        job_id, archive_id = ready(sandbox)
        reply = Caller(sandbox).download(archive_id)
        assert hashlib.sha256(reply.content).hexdigest() == sandbox.archive(job_id)["sha256"]
        assert ("Content-Length" in reply.headers) is (framing == "length")
        assert (reply.headers.get("Transfer-Encoding") == "chunked") is (framing == "chunked")


def test_a_truncated_body_without_a_length_looks_complete(start):
    sandbox = start("--vendor", "roma", "--items", "6", "--roma-framing", "close")
    _, archive_id = ready(sandbox)
    sandbox.fault("download:truncate@77:1")
    assert len(Caller(sandbox).download(archive_id).content) == 77


def test_a_client_that_dies_has_spent_the_package(start):
    sandbox = start("--vendor", "roma", "--items", "6", "--item-bytes", "3000000")
    _, archive_id = ready(sandbox)
    caller = Caller(sandbox)
    url = f"{sandbox.roma['base_url']}{caller.base}/assets/archives/{archive_id}"
    headers = caller.signed("GET", url)
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port)) as wire:
        lines = [f"GET {place.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items()), "", ""]
        wire.sendall("\r\n".join(lines).encode())
        assert wire.recv(100).startswith(b"HTTP/1.1 200")
    assert caller.download(archive_id).status_code == 403
    assert sandbox.stats()["archives"][archive_id]["gets"] == 2


def test_containers_hold_what_they_are_told_to(start):
    for container in ("zip", "targz", "opaque"):
        sandbox = start("--vendor", "roma", "--items", "6", "--roma-container", container)
        job_id, archive_id = ready(sandbox)
        body, truth = Caller(sandbox).download(archive_id).content, sandbox.archive(job_id)
        names = {one["name"] for one in truth["entries"]}
        if container == "zip":
            assert set(zipfile.ZipFile(io.BytesIO(body)).namelist()) == names
        elif container == "targz":
            with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as archive:
                assert set(archive.getnames()) == names
        else:
            assert body[:2] not in (b"PK", b"\x1f\x8b")


def test_a_day_holds_exactly_what_it_was_given(start):
    sandbox = start("--vendor", "roma", "--items", "30", "--day", "2025-12-24=11")
    found = sandbox.items("roma", start="2025-12-24", end="2025-12-25")
    assert sorted(one["kind"] for one in found) == ["app"] * 6 + ["task"] * 5
