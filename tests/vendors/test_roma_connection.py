from __future__ import annotations

import pytest
from roma_samples import APP, BASE, EXPORT, FULL, GRANT, IAM, JOB, STATUS, error, granted, job, roma
from vendor_script import Clock, Script, reply

from airflow_provider_assets.sansio.errors import AuthenticationError, InvalidRequestError
from airflow_provider_assets.sansio.jobs import ArchiveRequest
from airflow_provider_assets.vendors.connection import VendorConnection
from airflow_provider_assets.vendors.huawei_roma import HuaweiRoma


@pytest.fixture
def script():
    return Script(roma())


@pytest.fixture
def by_token():
    return Script(roma(auth_type="token", account="acme", project_id=""))


def test_a_region_names_the_addresses_and_an_explicit_one_wins():
    assert roma().base_url == BASE
    assert roma(base_url="https://roma.ae-ad-1.example.test/").base_url == (
        "https://roma.ae-ad-1.example.test"
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"region": ""}, "set region to one of"),
        ({"region": "mars-1"}, "'mars-1'"),
        ({"instance_id": ""}, "instance_id"),
        ({"auth_type": "token"}, "account"),
        ({"instance_id": "i" * 65}, "instance_id has 65 characters.*at most 64"),
        ({"project_id": "p" * 65}, "project_id has 65 characters"),
        ({"auth_type": "token", "account": "acme", "security_token": "s"}, "security_token"),
        ({"auth_type": "basic"}, "must be aksk or token"),
        ({"auth_type": "Token"}, "account"),
        ({"iam_url": "http://iam.example.test"}, "iam_url"),
        ({"base_url": "http://roma.example.test"}, "base_url"),
        ({"project_id": "", "region": "", "base_url": "https://x.test"}, "project_id"),
    ],
)
def test_an_incomplete_connection_is_refused_by_the_name_of_what_it_lacks(changes, named):
    with pytest.raises(InvalidRequestError, match=named):
        roma(**changes)


def test_a_connection_without_credentials_is_refused():
    with pytest.raises(InvalidRequestError, match="login"):
        HuaweiRoma(VendorConnection("r", extra=FULL), clock=Clock())
    with pytest.raises(InvalidRequestError, match="password"):
        HuaweiRoma(VendorConnection("r", login="AK", extra=FULL), clock=Clock())


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


def test_temporary_keys_send_their_security_token_with_every_request():
    script = Script(roma(security_token="temporary", project_id=""))
    script.run(
        script.vendor.submit(ArchiveRequest("huawei_roma", {"apps": (APP,)})),
        (f"GET {IAM}/v3/projects?name=ap-southeast-1", reply({"projects": [{"id": "p0"}]})),
        (EXPORT, reply({"job_id": JOB})),
    )
    for request in script.seen:
        assert ("X-Security-Token", "temporary") in request.headers
        assert ";x-security-token," in dict(request.headers)["Authorization"]
    assert "temporary" not in repr(script.seen) + repr(script.vendor.connection)
    refused = error(403, "the token temporary is of another user")
    with pytest.raises(AuthenticationError, match=r"the token \*\*\* is of another user"):
        script.run(script.vendor.check(), (INSTANCES, refused))


def test_the_parts_of_a_path_may_hold_any_letter():
    script = Script(roma(project_id="p/{}", instance_id="i" * 64))
    script.run(
        script.vendor.submit(ArchiveRequest("huawei_roma", {"apps": (APP,)})),
        (f"POST /v2/p%2F%7B%7D/instances/{'i' * 64}/assets/export", reply({"job_id": JOB})),
    )


def test_every_new_token_is_told_so_that_logs_can_mask_it(by_token):
    told = []
    by_token.vendor.on_secret = told.append
    by_token.run(
        by_token.vendor.submit(ArchiveRequest("huawei_roma", {"apps": (APP,)})),
        (GRANT, granted("MIIone")),
        (EXPORT, reply({"job_id": JOB})),
    )
    assert told == ["MIIone"]


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
