"""One request of a download: redirects, the waits that hosts ask for, and failures that are final."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from email.utils import formatdate

import pytest
from landing_kit import big, contents, leftovers, linked, over_http_and_https, small
from origin import Fault, http_origin

from airflow_provider_assets.landing import LandingOptions, land
from airflow_provider_assets.landing.cancel import CancelToken
from airflow_provider_assets.landing.source.connections import Connections
from airflow_provider_assets.landing.source.download import Download
from airflow_provider_assets.sansio.errors import InvalidRequestError, TransferInterruptedError

NOW = 1_768_032_000.0


# --- redirects -------------------------------------------------------------------------------


def test_a_redirect_from_https_to_http_is_not_followed(local, trusted, quick):
    with http_origin() as other, http_origin(trusted) as origin:
        origin.fault = lambda seen, number: Fault(location=f"{other.url}/export.zip")
        with pytest.raises(InvalidRequestError, match="redirects the download to http"):
            land([linked(origin, small())], local, options=quick)
        assert len(origin.seen) == 1
        assert not other.seen


def test_a_redirect_from_http_to_https_is_followed(local, trusted, quick):
    with http_origin() as origin, http_origin(trusted) as other:
        linked(other, small())
        origin.fault = lambda seen, number: Fault(location=f"{other.url}/export.zip")
        land([linked(origin, small())], local, options=quick)
    assert contents(local, "export.zip") == small()


def test_a_redirect_in_a_circle_ends(local, origin, quick):
    origin.fault = lambda seen, number: Fault(location="/export.zip")
    with pytest.raises(InvalidRequestError, match="redirected more than 5 times"):
        land([linked(origin, small())], local, options=quick)
    assert len(origin.seen) == 6


def test_a_redirect_to_a_private_address_is_not_followed(local, origin):
    options = LandingOptions(private_hosts=frozenset({"127.0.0.1"}))
    origin.fault = lambda seen, number: Fault(location="http://169.254.169.254/latest/meta-data/")
    with pytest.raises(InvalidRequestError, match=r"169\.254\.169\.254.*allow_private_downloads"):
        land([linked(origin, small())], local, options=options)
    assert len(origin.seen) == 1


# --- waits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "1"},
        {"Retry-After-Ms": "1000"},
        {"Retry-After": formatdate(NOW + 1, usegmt=True)},
    ],
    ids=["seconds", "milliseconds", "a date"],
)
def test_a_busy_host_is_given_the_time_that_it_asks_for(local, origin, headers):
    busy = Fault(status=503, headers=headers)
    origin.fault = lambda seen, number: busy if number == 1 else None
    options = LandingOptions(now=lambda: NOW, jitter=lambda: 0.0)
    began = time.monotonic()
    land([linked(origin, small())], local, options=options)
    assert time.monotonic() - began >= 1
    assert contents(local, "export.zip") == small()


# --- the end ---------------------------------------------------------------------------------


@pytest.mark.parametrize("single_use", [False, True])
def test_an_untrusted_certificate_is_not_tried_again(
    local, certificate, monkeypatch, quick, single_use
):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with http_origin(certificate) as origin:
        source = linked(origin, small(), single_use=single_use)
        with pytest.raises(InvalidRequestError, match="REQUESTS_CA_BUNDLE"):
            land([source], local, options=quick)
        assert not origin.seen
    assert not leftovers(local)


@over_http_and_https
@pytest.mark.parametrize("in_head", [False, True])
def test_a_server_that_drips_for_ever_ends_as_an_interruption(local, origin, in_head):
    origin.fault = lambda seen, number: Fault(drip=0.02, drip_head=in_head)
    options = LandingOptions(stall_seconds=0.2, attempts=2, jitter=lambda: 0.0)
    with pytest.raises(TransferInterruptedError, match=r"2 times in a row.*only \d+ bytes"):
        land([linked(origin, big())], local, options=options)
    assert not leftovers(local)


@over_http_and_https
def test_a_server_that_drips_once_costs_only_a_request(local, origin):
    origin.fault = lambda seen, number: Fault(drip=0.02) if number == 2 else None
    options = LandingOptions(stall_seconds=0.5, jitter=lambda: 0.0)
    land([linked(origin, big())], local, options=options)
    assert contents(local, "export.zip") == big()


@over_http_and_https
@pytest.mark.parametrize("number", [1, 2])
def test_a_part_that_does_not_tell_its_place_costs_only_a_request(local, origin, quick, number):
    lost = Fault(headers={"Content-Range": "bytes"})
    origin.fault = lambda seen, count: lost if count == number else None
    options = replace(quick, attempts=2, concurrency=1)
    land([linked(origin, big())], local, options=options)
    assert contents(local, "export.zip") == big()


@over_http_and_https
def test_a_stream_that_is_cancelled_does_not_look_finished(origin):
    origin.ranged = origin.announce_length = False
    origin.fault = lambda seen, number: Fault(stall=1_000_000)
    cancel, connections = CancelToken(), Connections(LandingOptions(stall_seconds=10))
    download = Download(linked(origin, big()), connections.options, cancel)
    download.open(connections, 1 << 20)
    with cancel.on_cancel(connections.interrupt):
        threading.Timer(0.2, cancel.set).start()
        with pytest.raises(TransferInterruptedError, match="cancelled"):
            download.read_stream(memoryview(bytearray(4 << 20)))
    connections.close()
