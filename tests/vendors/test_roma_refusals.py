"""What a refused download of a package means: only its words say whether the package is gone."""

from __future__ import annotations

import json

import pytest
from roma_samples import STATUS, SUCCESS, job, reference, roma
from vendor_live import live
from vendor_script import Script, reply

from airflow_provider_assets.landing import LandingOptions, Source, land, open_store
from airflow_provider_assets.sansio.downloads import ArchiveFile
from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AuthenticationError,
    ProtocolError,
    RateLimitedError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.jobs import JobState

REQUEST_ID = "5f1b2c3d4e5f60718293a4b5c6d7e8f9"


@pytest.fixture
def refused():
    """The verdict on a refusal with these words."""
    script = Script(roma())
    done = reference(job(state=JobState.SUCCEEDED, details={"archive_id": "arch-77aa"}))
    link = script.run(script.vendor.link(done, ArchiveFile("arch-77aa")), (STATUS, reply(SUCCESS)))

    def judge(status, message="", details="", code="ROMA.00000101"):
        body = {
            "error_code": code,
            "error_msg": message,
            "error_details": details,
            "request_id": REQUEST_ID,
        }
        return link.refused(status, {}, json.dumps(body).encode())

    judge.link = link
    return judge


@pytest.mark.parametrize("status", [403, 404, 410])
@pytest.mark.parametrize(
    ("message", "details"),
    [
        ("archive not available", "already downloaded"),
        ("The asset package has expired", ""),
        ("The archive does not exist.", ""),
        ("download failed", "archive file arch-77aa not found"),
        ("no such package", ""),
    ],
)
def test_a_package_is_gone_where_the_words_say_so(refused, status, message, details):
    error = refused(status, message, details)
    assert type(error) is ArchiveExpiredError
    assert (error.code, error.status) == ("ROMA.00000101", status)
    for told in (message, details, "ROMA.00000101", REQUEST_ID, "export it again"):
        assert told in error.message
    assert "credentials" not in error.message


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("The user does not have permission to download", "ROMA.00000101"),
        ("token expired", "ROMA.00000101"),
        ("Incorrect IAM authentication information: verify signature failed", "APIGW.0301"),
        ("something else", "APIG.1005"),
    ],
)
def test_a_refusal_for_lack_of_permission_is_not_a_package_that_is_gone(refused, message, code):
    error = refused(403, message, code=code)
    assert type(error) is AuthenticationError
    assert (error.code, error.vendor) == (code, "huawei_roma")
    for told in (
        message,
        code,
        REQUEST_ID,
        "check the credentials and permissions of connection 'r', and its project_id",
    ):
        assert told in error.message


@pytest.mark.parametrize(
    "message",
    [
        "resource is locked",
        "",
        "instance not found",
        "archive not available",
        "no permission, or the archive does not exist",
    ],
)
def test_words_that_say_neither_prove_nothing(refused, message):
    error = refused(403, message)
    assert type(error) is ProtocolError
    assert error.status == 403
    assert "does not say whether the package is still there" in error.message
    assert REQUEST_ID in error.message


def test_a_page_without_words_proves_nothing_either(refused):
    for body in (b"", b"<html>403 Forbidden</html>", b"[1]", b'{"error_msg": 7}'):
        assert type(refused.link.refused(403, {}, body)) is ProtocolError


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuthenticationError), (429, RateLimitedError), (503, VendorUnavailableError)],
)
def test_a_status_that_is_clear_needs_no_words(refused, status, kind):
    error = refused(status, "already downloaded")
    assert type(error) is kind
    assert error.status == status


def test_only_credentials_among_the_headers_are_secret(refused):
    assert {name.lower() for name, _ in refused.link.headers} >= {"host", "x-sdk-date"}
    assert refused.link.secret_headers == {"authorization", "x-auth-token", "x-security-token"}


@pytest.mark.parametrize(
    ("words", "kind", "told"),
    [
        ("", AuthenticationError, "no permission"),
        (
            ",body.error_code=ROMA.00000777,body.error_msg=odd words,body.error_details=odder",
            ProtocolError,
            "odd words: odder (code ROMA.00000777, request id ",
        ),
        (
            ",body.error_code=ROMA.00000101,body.error_msg=the package has been removed",
            ArchiveExpiredError,
            "the package has been removed",
        ),
    ],
)
def test_the_landing_tells_what_roma_connect_says(sandbox, tmp_path, words, kind, told):
    sandbox.reset()
    part = live(sandbox.roma, asynchronous=False)
    items = part.run(part.vendor.expand({"apps": sandbox.roma["apps"][:1]})).items
    (done,) = part.export(items)
    (file,) = part.run(part.vendor.files(done))
    source = Source(file, lambda: part.run(part.vendor.link(done, file)), single_use=True)
    sandbox.fault(f"roma.download:403:1{words}")
    with pytest.raises(kind) as raised:
        land([source], open_store(tmp_path.as_uri()), options=LandingOptions())
    assert told in raised.value.message
    assert sandbox.roma["connection"]["password"] not in raised.value.message
    # It was still there, and now it is not.
    land([source], open_store(tmp_path.as_uri()), options=LandingOptions(), name="a")
    with pytest.raises(ArchiveExpiredError, match="already downloaded"):
        land([source], open_store(tmp_path.as_uri()), options=LandingOptions(), name="b")
