"""Both transports behind proxies, certificates and servers that drip; what follows holds for each of them."""

from __future__ import annotations

import time
import traceback

import pytest
from certificates import Certificate
from origin import Fault, Origin, http_origin
from proxy import http_proxy
from transport_kit import Client

from airflow_provider_assets.sansio.errors import InvalidRequestError, VendorUnavailableError
from airflow_provider_assets.vendors.connection import VendorConnection
from airflow_provider_assets.vendors.scenario import Scenario


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_proxy".upper(), raising=False)


@pytest.fixture(params=["http", "https"])
def origin(request):
    trusted = request.getfixturevalue("trusted") if request.param == "https" else None
    with http_origin(trusted) as running:
        running.files["/assets"] = b"{}"
        yield running


@pytest.fixture(params=["sync", "async"])
def client_of(request):
    def make(origin: Origin) -> Client:
        connection = VendorConnection(
            "c", "scenario", "", "key", "secret", {"base_url": origin.url}
        )
        return Client(Scenario(connection, clock=time.time), request.param == "async")

    return make


@pytest.mark.parametrize("in_head", [False, True])
def test_a_server_that_drips_is_an_unavailable_one(client_of, origin, monkeypatch, in_head):
    monkeypatch.setattr("airflow_provider_assets.network.transport.TOTAL_SECONDS", 1.0)
    origin.files["/assets"] = b" " * 10_000
    origin.fault = lambda seen, number: Fault(drip=0.02, drip_head=in_head)
    with pytest.raises(VendorUnavailableError, match="got no answer"):
        client_of(origin).get("/assets", idempotent=False)
    assert len(origin.seen) == 1


def test_a_certificate_of_the_companys_own_authority_is_trusted(client_of, trusted: Certificate):
    with http_origin(trusted) as origin:
        origin.files["/assets"] = b"{}"
        assert client_of(origin).get("/assets").status == 200


def test_a_certificate_that_nobody_vouches_for_is_a_matter_for_a_person(
    client_of, certificate: Certificate, monkeypatch
):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with http_origin(certificate) as origin:
        with pytest.raises(InvalidRequestError, match=r"certificate .*REQUESTS_CA_BUNDLE"):
            client_of(origin).get("/assets")
        assert not origin.seen


def test_a_bundle_that_is_not_there_is_named(client_of, trusted: Certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
    with (
        http_origin(trusted) as origin,
        pytest.raises(InvalidRequestError, match=r"/no/such/bundle\.pem"),
    ):
        client_of(origin).get("/assets")


@pytest.mark.parametrize("form", ["http://us%40r:p%C3%A4@{}", "us%40r:p%C3%A4@{}"])
@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy"])
def test_a_proxy_with_a_login_is_used(client_of, origin, monkeypatch, name, form):
    with http_proxy("us@r:pä") as proxy:
        monkeypatch.setenv(name, form.format(proxy.address))
        assert client_of(origin).get("/assets").status == 200
        assert proxy.seen
    assert "Proxy-Authorization" not in origin.seen[0].headers


def test_what_no_proxy_lists_is_reached_directly(client_of, origin, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
    assert client_of(origin).get("/assets").status == 200


def test_a_refused_login_shows_no_password(client_of, origin, monkeypatch):
    with http_proxy("user:right") as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://user:canary@{proxy.address}")
        with pytest.raises(Exception, match="assets") as told:
            client_of(origin).get("/assets", idempotent=False)
    assert "canary" not in "".join(traceback.format_exception(told.value))
