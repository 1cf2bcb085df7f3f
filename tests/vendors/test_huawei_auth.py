from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest
from vendor_script import Clock, reply

from airflow_provider_assets.sansio import flow as flows
from airflow_provider_assets.sansio.errors import InvalidRequestError, ProtocolError
from airflow_provider_assets.sansio.flow import pause
from airflow_provider_assets.sansio.messages import HttpRequest
from airflow_provider_assets.vendors.huawei_auth import Account, KeyAuth, Shared, TokenAuth

IAM = "https://iam.ap-southeast-1.myhuaweicloud.com"
USER = Account(IAM, "exporter", "secret", domain="acme", region="ap-southeast-1")
TOKEN = {
    "token": {
        "expires_at": "2026-01-11T08:00:00.000000Z",
        "project": {"id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9", "name": "ap-southeast-1"},
    }
}
PROJECTS = {"projects": [{"id": "0a1b2c3d4e5f60718293a4b5c6d7e8f9"}]}


def drive(flow, *replies):
    """Perform *flow*; returns its result and the requests it made."""
    left, seen = list(replies), []

    def perform(request):
        seen.append(request)
        return left.pop(0)

    result = flows.run(flow, perform=perform, sleep=lambda seconds: None)
    assert not left
    return result, seen


# --- AK/SK ---


def test_a_configured_project_is_not_looked_up():
    auth = KeyAuth(replace(USER, project_id="p1"), clock=Clock())
    assert drive(auth.project_id()) == ("p1", [])
    signed, seen = drive(auth.authorize(HttpRequest("GET", "https://roma.example.test/x")))
    assert seen == []
    assert dict(signed.headers)["X-Project-Id"] == "p1"


def test_a_missing_project_is_looked_up_once_by_the_regions_name():
    auth = KeyAuth(USER, clock=Clock())
    project, (request,) = drive(auth.project_id(), reply(PROJECTS))
    assert project == "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
    assert request.full_url == f"{IAM}/v3/projects?name=ap-southeast-1"
    assert "X-Project-Id" not in dict(request.headers)
    assert dict(request.headers)["Authorization"].startswith("SDK-HMAC-SHA256 Access=exporter")
    assert drive(auth.project_id()) == (project, [])


@pytest.mark.parametrize("projects", [[], [{"id": "a"}, {"id": "b"}]])
def test_an_ambiguous_project_has_to_be_configured(projects):
    with pytest.raises(InvalidRequestError, match="project_id"):
        drive(KeyAuth(USER, clock=Clock()).project_id(), reply({"projects": projects}))


def test_a_refused_key_cannot_be_renewed():
    assert not KeyAuth(USER, clock=Clock()).renew(HttpRequest("GET", "https://x"))


def test_an_account_shows_no_secret():
    assert "secret" not in repr(replace(USER, name="the-secret-key"))


# --- tokens ---


def granted(value="MIIone", **changes):
    token = {"token": {**TOKEN["token"], **changes}}
    return reply(token, 201, x_subject_token=value)


def token_of(auth, *replies):
    request, seen = drive(auth.authorize(HttpRequest("GET", "https://x")), *replies)
    return dict(request.headers)["X-Auth-Token"], seen


def test_a_token_is_granted_once_for_user_account_and_project():
    auth = TokenAuth(USER, clock=Clock())
    value, (request,) = token_of(auth, granted())
    assert value == "MIIone"
    assert (request.method, request.full_url) == ("POST", f"{IAM}/v3/auth/tokens?nocatalog=true")
    assert request.headers == (("Content-Type", "application/json;charset=utf8"),)
    assert json.loads(request.body) == {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {
                    "user": {"name": "exporter", "password": "secret", "domain": {"name": "acme"}}
                },
            },
            "scope": {"project": {"name": "ap-southeast-1"}},
        }
    }
    assert token_of(auth) == ("MIIone", [])
    assert drive(auth.project_id()) == ("0a1b2c3d4e5f60718293a4b5c6d7e8f9", [])


def test_every_new_token_is_told_so_that_it_can_be_masked():
    told = []
    auth = TokenAuth(USER, clock=Clock(), on_token=told.append)
    token_of(auth, granted())
    token_of(auth)
    assert told == ["MIIone"]


def test_a_configured_project_scopes_the_token():
    auth = TokenAuth(replace(USER, project_id="p1"), clock=Clock())
    _, (request,) = token_of(auth, granted())
    assert json.loads(request.body)["auth"]["scope"] == {"project": {"id": "p1"}}
    assert drive(auth.project_id()) == ("p1", [])


def test_a_token_is_renewed_30_minutes_before_its_end():
    clock = Clock()
    auth = TokenAuth(USER, clock=clock)
    token_of(auth, granted())
    end = 1768118400.0  # 2026-01-11T08:00:00Z
    clock.now = end - 1801
    assert token_of(auth)[0] == "MIIone"
    clock.now = end - 1800
    assert token_of(auth, granted("MIItwo"))[0] == "MIItwo"


@pytest.mark.parametrize("end", [None, "soon", "2026-01-11T08:00:00"])
def test_an_unreadable_end_means_24_hours(end):
    clock = Clock()
    auth = TokenAuth(USER, clock=clock)
    token_of(auth, granted(expires_at=end))
    clock.now += 23.4 * 3600
    assert token_of(auth)[0] == "MIIone"
    clock.now += 0.2 * 3600
    assert token_of(auth, granted("MIItwo"))[0] == "MIItwo"


def test_only_the_refused_token_is_dropped():
    auth = TokenAuth(USER, clock=Clock())
    old, _ = drive(auth.authorize(HttpRequest("GET", "https://x")), granted("MIIone"))
    assert auth.renew(old)
    assert token_of(auth, granted("MIItwo"))[0] == "MIItwo"
    assert auth.renew(old)  # a slower flow was refused with the old one, too
    assert token_of(auth) == ("MIItwo", [])


@pytest.mark.parametrize(
    "answer",
    [
        reply(TOKEN, 201),
        reply({}, 201, x_subject_token="x"),
        reply({"token": {}}, 201, x_subject_token="x"),
        reply({"token": {"project": {}}}, 201, x_subject_token="x"),
        reply([], 201, x_subject_token="x"),
    ],
)
def test_a_grant_without_token_or_project_is_a_protocol_error(answer):
    with pytest.raises(ProtocolError):
        token_of(TokenAuth(USER, clock=Clock()), answer)


# --- sharing ---


def test_flows_that_meet_share_one_grant():
    fetches = []

    def fetch():
        fetches.append(1)
        yield from pause(1)
        return "value"

    shared = Shared(fetch)
    first, second = shared.get(), shared.get()
    assert next(first).seconds == 1
    assert 0 < next(second).seconds < 1  # waits for the first
    with pytest.raises(StopIteration, match="value"):
        first.send(None)
    with pytest.raises(StopIteration, match="value"):
        second.send(None)
    assert fetches == [1]


def test_a_flow_that_dies_while_fetching_leaves_no_one_waiting():
    def fetch():
        yield from pause(1)
        return "value"

    shared = Shared(fetch)
    dead = shared.get()
    next(dead)
    dead.close()
    assert drive(shared.get())[0] == "value"


def test_threads_share_one_grant():
    auth, asked, barrier = TokenAuth(USER, clock=Clock()), [], threading.Barrier(8)

    def perform(request):
        asked.append(request)
        return granted()

    def work():
        barrier.wait()
        flows.run(
            auth.project_id(), perform=perform, sleep=lambda seconds: threading.Event().wait(0.001)
        )

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1
