"""What every registered vendor must do, whoever wrote it; run under both drivers."""

from __future__ import annotations

import json

import pytest
from vendor_contract import HTML, always

from airflow_provider_assets.sansio.errors import (
    AssetsError,
    AuthenticationError,
    InvalidRequestError,
    ProtocolError,
    RateLimitedError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.jobs import JobState
from airflow_provider_assets.sansio.messages import HttpResponse

# --- errors ---


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (300, ProtocolError),
        (302, ProtocolError),
        (400, InvalidRequestError),
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, InvalidRequestError),
        (408, VendorUnavailableError),
        (429, RateLimitedError),
        (500, VendorUnavailableError),
        (503, VendorUnavailableError),
    ],
)
@pytest.mark.parametrize("body", [b"{}", b"[]", b"", HTML, b'{"message": "no such thing"}'])
def test_an_error_status_has_a_class_whatever_the_body(contract, status, kind, body):
    contract.fault = always(status, body)
    with pytest.raises(kind) as raised:
        contract.run(contract.vendor.check())
    assert raised.value.vendor == contract.vendor.spec.name
    assert raised.value.status == status
    assert contract.vendor.spec.title in raised.value.message
    assert ("no such thing" in raised.value.message) is (b"no such" in body and status >= 400)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Sat, 10 Jan 2026 08:01:52 GMT"}, 12.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "soon"}, None),
        ({}, None),
    ],
)
def test_what_the_vendor_asks_to_wait_is_told(contract, headers, seconds):
    contract.fault = always(429, **headers)
    with pytest.raises(RateLimitedError) as raised:
        contract.run(contract.vendor.check())
    assert raised.value.retry_after == seconds


@pytest.mark.parametrize("body", [b"", HTML, b"[]", b"{}", b'"text"', b"null"])
def test_a_success_without_the_promised_body_is_an_error_of_ours(contract, body):
    job = contract.submitted()[0]
    reference = contract.reference()
    (file, *_) = contract.run(contract.vendor.files(reference))
    contract.fault = always(200, body)
    for flow in (contract.vendor.select({}, None), contract.vendor.link(reference, file)):
        with pytest.raises(AssetsError):
            contract.run(flow)
    try:  # an object may lack the status, and then the job runs on
        (answer,) = contract.run(contract.vendor.poll([job]))
    except AssetsError:
        return
    assert isinstance(answer, AssetsError) or answer.state is not JobState.SUCCEEDED


def test_a_late_401_is_told_after_one_more_try_at_most(contract):
    job = contract.submitted()[0]
    contract.run(contract.vendor.poll([job]))
    contract.seen.clear()
    contract.fault = lambda r: HttpResponse(401, {}, b"") if "/auth/" not in r.url else None
    with pytest.raises(AuthenticationError, match=contract.wire.connection.conn_id):
        contract.run(contract.vendor.poll([job]))
    assert len([r for r in contract.seen if "/auth/" not in r.url]) <= 2


@pytest.mark.parametrize(
    ("body", "headers", "told"),
    [
        (b'{"error_msg": "no", "error_code": "R.1", "request_id": "r-1"}', {}, "(code R.1, request id r-1)"),
        (b'{"error_msg": "no", "error_details": "since locked"}', {}, "no: since locked"),
        (b'{"error_msg": "no", "error_details": ""}', {}, "400: no"),
        (b'{"error_msg": "no", "error_details": {"a": 1}}', {}, "400: no"),
        (b'{"reason": "no", "traceId": "1-abc"}', {}, "no (request id 1-abc)"),
        (b'{"reason": "no", "trace_id": "2-abc"}', {"x-request-id": "h-1"}, "no (request id 2-abc)"),
        (b'{"message": "no", "code": 400}', {"x-request-id": "h-1"}, "no (request id h-1)"),
        (HTML, {"x-request-id": "h-1"}, "HTTP 400 (request id h-1)"),
    ],
)  # fmt: skip
def test_what_the_vendors_support_asks_for_is_told(contract, body, headers, told):
    contract.fault = always(400, body, **headers)
    with pytest.raises(InvalidRequestError) as raised:
        contract.run(contract.vendor.check())
    assert raised.value.message.endswith(told)


@pytest.mark.parametrize("odd", ["x" * 129, "two words", "a\\nb", "", "https://x.test/?sig=s"])
def test_a_request_id_that_is_none_is_not_told(contract, odd):
    contract.fault = always(400, json.dumps({"message": "no", "request_id": odd}).encode())
    with pytest.raises(InvalidRequestError) as raised:
        contract.run(contract.vendor.check())
    assert raised.value.message.endswith(": no")


# --- secrets ---


def test_secrets_are_never_shown(contract):
    reference = contract.reference()
    (file, *_) = contract.run(contract.vendor.files(reference))
    shown = [contract.run(contract.vendor.link(reference, file)), reference, reference.to_dict()]
    for status in (400, 401, 403, 429, 500):
        contract.fault = always(status)
        with pytest.raises(AssetsError) as raised:
            contract.run(contract.vendor.select({}, None))
        shown += [raised.value, raised.value.__dict__]
    shown += [contract.vendor, contract.vendor.__dict__, contract.wire.connection, *contract.seen]
    text = "\n".join(f"{thing!r} {thing!s}" for thing in shown)
    for secret in contract.wire.secrets:
        assert secret not in text
    assert any(secret in repr(r.headers) for r in contract.seen for secret in contract.wire.secrets)
