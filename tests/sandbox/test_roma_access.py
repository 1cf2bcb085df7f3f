"""ROMA Connect and IAM by hand: who is let in, and what can be listed."""

from __future__ import annotations

import datetime as dt

import pytest
import requests
from roma_client import Caller, token_of

from airflow_provider_assets.sandbox import running


@pytest.fixture(scope="module")
def roma():
    with running("--vendor", "roma", "--items", "240", "--advance", "poll") as sandbox:
        yield sandbox


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
