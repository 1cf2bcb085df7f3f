from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from vendor_script import NOW

from airflow_provider_assets.sansio.messages import HttpRequest
from airflow_provider_assets.vendors.huawei_signature import sign

QUERY = (("offset", "0"), ("limit", "100"), ("name", "a b&c=d/é~*+"), ("name", "Z"), ("Empty", ""))


@pytest.mark.parametrize(
    "request_",
    [
        HttpRequest("GET", "https://roma.example.test/v2/p/instances/i/apps", QUERY),
        HttpRequest("GET", "https://roma.example.test:8443/v2/p/"),
        HttpRequest("GET", "http://127.0.0.1:8080/v2/p/instances/a%20b%2Fc/x~y*(é)"),
        HttpRequest(
            "POST",
            "https://roma.example.test/v2/p/instances/i/assets/export",
            (),
            (("Content-Type", "application/json;charset=utf-8"), ("X-Odd", "  spaced  ")),
            '{"apps":"é"}'.encode(),
        ),
        HttpRequest("POST", "https://roma.example.test/v2/p", (), (), b""),
        HttpRequest("GET", "http://[::1]:8080/v2/p"),
    ],
)
@pytest.mark.parametrize("temporary", ["", "a-security-token/=="])
@pytest.mark.parametrize("project", ["", "0a1b"])
def test_a_signature_is_that_of_the_vendors_own_sdk_byte_for_byte(request_, project, temporary):
    signer = pytest.importorskip("huaweicloudsdkcore.signer.signer")
    credentials = pytest.importorskip("huaweicloudsdkcore.auth.credentials")
    sdk_request = pytest.importorskip("huaweicloudsdkcore.sdk_request")
    keys = {"access_key": "AK", "secret_key": "SK", "security_token": temporary}
    ours = dict(sign(request_, **keys, moment=NOW, project_id=project).headers)
    parts = urlsplit(request_.url)
    theirs = sdk_request.SdkRequest(
        method=request_.method,
        schema=parts.scheme,
        host=parts.netloc,
        resource_path=parts.path,
        query_params=list(request_.params),
        header_params=dict(request_.headers)
        | {"X-Sdk-Date": "20260110T080140Z"}
        | ({"X-Project-Id": project} if project else {})
        | ({"X-Security-Token": temporary} if temporary else {}),
        body=request_.body or "",
    )
    signed = signer.Signer(credentials.BasicCredentials("AK", "SK", "p")).sign(theirs)
    assert ours["Authorization"] == signed.header_params["Authorization"]
    assert ours.get("X-Security-Token", "") == temporary
    assert ours["X-Sdk-Date"] == "20260110T080140Z"
    assert ours["Host"] == parts.netloc


def test_the_host_is_signed_as_http_clients_send_it():
    def host(url):
        signed = sign(HttpRequest("GET", url), access_key="AK", secret_key="SK", moment=NOW)
        headers = dict(signed.headers)
        assert set(headers) == {"Host", "X-Sdk-Date", "Authorization"}
        return headers["Host"]

    assert host("https://Roma.Example.test:443/x") == "roma.example.test"
    assert host("http://roma.example.test:80/x") == "roma.example.test"
    assert host("http://roma.example.test:443/x") == "roma.example.test:443"
