"""Exports of ROMA Connect in every dialect."""

from __future__ import annotations

import json

import pytest
from roma_client import Caller

from airflow_provider_assets.sandbox import running


@pytest.fixture(scope="module")
def roma():
    with running("--vendor", "roma", "--items", "240", "--advance", "poll") as sandbox:
        yield sandbox


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
def test_every_dialect_is_spelled_as_its_documents_say(roma, dialect, words, key, after):
    roma.configure(roma_dialect=dialect)
    caller = Caller(roma)
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
    roma.job(job_id, "finish")
    done = caller.job(job_id)
    assert done["status"] == words[1]
    assert ("entities" in done) is (dialect == "nested")
    assert isinstance(done["end_time"], int) is (dialect in ("old2022", "nested"))
    archive_id = (done.get("entities") or done)["archive_id"]
    assert caller.download(archive_id).status_code == 200
    gone = caller.job(job_id)
    assert (gone["status"], bool(gone.get("archive_id") or gone.get("entities"))) == after
    roma.fault("job:failed:1")
    bad = caller.job(export())
    assert bad["status"] == words[2]
    assert bad[key][0]["error_code"]


def test_each_dialect_refuses_the_body_of_the_other(roma):
    caller, body = Caller(roma), {"apps": "billing", "tasks": [{"task_id": "x"}]}
    path = f"{caller.base}/assets/export"
    assert caller.call("POST", path, body=json.dumps(body).encode()).status_code == 400
    roma.configure(roma_dialect="old2022")
    assert caller.export(roma.roma["apps"][:1]).status_code == 400
