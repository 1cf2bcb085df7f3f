"""Details of the wire that the sandbox cannot produce, with requests-mock in place of a server."""

from __future__ import annotations

from email.utils import formatdate

import pytest
import requests
import requests_mock

from airflow_provider_assets.network import transport
from airflow_provider_assets.sansio.errors import RateLimitedError, VendorUnavailableError
from airflow_provider_assets.sansio.messages import HttpRequest
from airflow_provider_assets.vendors import vendor_class
from airflow_provider_assets.vendors.connection import VendorConnection

NOW = 1_768_032_000.0
URL = "https://api.cloud.scenario.com/v1/assets"


@pytest.fixture
def wire():
    with requests_mock.Mocker() as mocker:
        yield mocker


@pytest.fixture
def perform():
    connection = VendorConnection("c", "scenario", login="k", password="s")
    vendor = vendor_class("scenario")(connection, clock=lambda: NOW)
    return transport.Transport(vendor.error_for).perform


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": formatdate(NOW + 90, usegmt=True)}, 90),
        ({"Retry-After": formatdate(NOW - 90, usegmt=True)}, 0),
        ({"retry-after-ms": "45500"}, 45.5),
        ({"Retry-After": "120"}, 120),
    ],
    ids=["a date", "a date that is over", "milliseconds", "seconds"],
)
def test_the_vendors_waiting_time_is_read_in_every_form(wire, perform, headers, wait):
    wire.get(URL, status_code=429, headers=headers, json={"message": "Slow down"})
    with pytest.raises(RateLimitedError) as caught:
        perform(HttpRequest("GET", URL))
    assert caught.value.retry_after == wait


def test_a_wait_that_exceeds_the_budget_is_raised_after_one_request(wire, perform):
    wire.get(URL, status_code=429, headers={"Retry-After": "31"})
    with pytest.raises(RateLimitedError):
        perform(HttpRequest("GET", URL))
    assert wire.call_count == 1


@pytest.mark.parametrize(
    "fault",
    [
        requests.exceptions.SSLError("certificate of /private?key=1"),
        requests.exceptions.ProxyError("proxy user:password@proxy"),
        requests.exceptions.ChunkedEncodingError("broken"),
        requests.exceptions.ContentDecodingError("no gzip"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_every_fault_of_the_library_is_the_vendor_being_away_and_quotes_nothing(
    wire, perform, fault
):
    wire.post(URL, exc=fault)
    with pytest.raises(VendorUnavailableError, match=type(fault).__name__) as caught:
        perform(HttpRequest("POST", URL, idempotent=False))
    assert str(fault) not in str(caught.value)
    assert wire.call_count == 1
