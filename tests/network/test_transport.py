"""Both transports against a real server; what follows holds for each of them."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
from transport_kit import Client, requests_to, waits

from airflow_provider_assets.network.rate_limit import RateLimit
from airflow_provider_assets.sandbox import Sandbox, running
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    AuthenticationError,
    ProtocolError,
    QuotaExceededError,
    RateLimitedError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.messages import HttpRequest
from airflow_provider_assets.vendors.connection import VendorConnection
from airflow_provider_assets.vendors.scenario import Scenario

SECRETS = ("sandbox-secret", "c2FuZGJveC1rZXk")  # the password, and the start of its Basic form


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with running("--vendor", "scenario", "--items", "5", "--missing", "skip") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(server) -> Sandbox:
    server.reset()
    return server


@pytest.fixture
def connection(sandbox) -> VendorConnection:
    data = sandbox.scenario["connection"]
    return VendorConnection("c", "scenario", "", data["login"], data["password"], data["extra"])


@pytest.fixture(params=["sync", "async"])
def client(request, connection) -> Client:
    return Client(Scenario(connection, clock=time.time), request.param == "async")


@pytest.fixture
def naps(monkeypatch) -> list[float]:
    """Seconds that were slept between tries, without sleeping them."""
    slept: list[float] = []

    async def anap(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setattr("asyncio.sleep", anap)
    clock = SimpleNamespace(sleep=slept.append, monotonic=lambda: time.monotonic() + sum(slept))
    monkeypatch.setattr("airflow_provider_assets.network.transport.time", clock)
    return slept


# --- what may be sent again, and how often ----------------------------------------------------


@pytest.mark.parametrize("fault", ["500", "502html", "503empty", "reset", "429"])
def test_a_question_is_asked_four_times_and_then_given_up(client, sandbox, naps, fault) -> None:
    sandbox.fault(f"list:{fault}")
    with pytest.raises((VendorUnavailableError, RateLimitedError)):
        client.get()
    assert requests_to(sandbox, "assets") == 4
    assert len(waits(naps)) == 3
    assert all(seconds <= 8 for seconds in naps)


def test_a_question_that_is_answered_at_last_is_answered(client, sandbox, naps) -> None:
    sandbox.fault("list:502html:3")
    assert client.get().status == 200
    assert requests_to(sandbox, "assets") == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_what_a_person_has_to_change_is_not_tried_again(client, sandbox, naps, status) -> None:
    sandbox.fault(f"list:{status}")
    with pytest.raises(AssetsError) as raised:
        client.get()
    assert raised.value.status == status
    assert requests_to(sandbox, "assets") == 1
    assert waits(naps) == []


def test_the_vendors_wait_is_kept_to_the_second(client, sandbox, naps) -> None:
    sandbox.fault("list:429:1,retry_after=7")
    sandbox.fault("list:503:1,retry_after=3")
    assert client.get().status == 200
    assert sorted(waits(naps)) == [3.0, 7.0]


def test_a_wait_beyond_the_budget_is_told_and_not_slept(client, sandbox, naps) -> None:
    sandbox.fault("list:429,retry_after=31")
    with pytest.raises(RateLimitedError) as raised:
        client.get()
    assert raised.value.retry_after == 31
    assert requests_to(sandbox, "assets") == 1
    assert waits(naps) == []


def test_a_plans_ceiling_is_not_hammered(client, sandbox, naps) -> None:
    sandbox.fault("list:plan-limit,remaining=17")
    with pytest.raises(QuotaExceededError) as raised:
        client.get()
    assert raised.value.retry_after == 17
    assert requests_to(sandbox, "assets") == 1


@pytest.mark.parametrize(
    "doubt", ["accept-then-reset", "accept-then-500html", "accept-then-200html", "reset", "503"]
)
def test_a_submit_is_never_sent_again_after_a_doubt(client, sandbox, naps, doubt) -> None:
    sandbox.fault(f"submit:{doubt}")
    with pytest.raises(VendorUnavailableError):
        client.submit()
    totals = sandbox.stats()["totals"]
    assert totals["submits"] == 1
    assert totals["accepted"] == int("accept" in doubt)
    assert waits(naps) == []


def test_a_submit_that_was_refused_for_its_rate_is_sent_again_and_accepted_once(
    client, sandbox, naps
) -> None:
    sandbox.fault("submit:429:2,retry_after=2")
    assert client.submit().job_id
    totals = sandbox.stats()["totals"]
    assert (totals["submits"], totals["accepted"]) == (3, 1)
    assert waits(naps) == [2.0, 2.0]


def test_a_status_that_the_flow_expects_is_a_response(client, sandbox, naps) -> None:
    reply = client.get("/jobs/job_unknown", accept=frozenset({404}))
    assert reply.status == 404


def test_a_server_that_hangs_is_an_unavailable_one(client, sandbox, naps, monkeypatch) -> None:
    monkeypatch.setattr("airflow_provider_assets.network.transport.READ_SECONDS", 0.2)
    sandbox.fault("list:hang")
    with pytest.raises(VendorUnavailableError, match=r"got no answer .the time limit was reached"):
        client.get()
    assert requests_to(sandbox, "assets") == 4


# --- where credentials go ----------------------------------------------------------------------


def test_credentials_do_not_follow_a_redirect(client, sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0.2)
        sandbox.fault(f"list:redirect,to=http://127.0.0.1:{elsewhere.getsockname()[1]}/x")
        with pytest.raises(ProtocolError, match="redirect"):
            client.get()
        with pytest.raises(TimeoutError):
            elsewhere.accept()


def test_a_netrc_file_never_replaces_the_credentials(client, tmp_path, monkeypatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert client.get().status == 200


@pytest.mark.parametrize(
    "fault",
    ["401", "403", "400", "500html", "reset", "redirect,to=https://x.test/?sig=sandbox-secret"],
)
def test_no_error_and_no_log_line_holds_a_secret(client, sandbox, naps, caplog, fault) -> None:
    caplog.set_level(logging.DEBUG)
    sandbox.fault(f"list:{fault}")
    with pytest.raises(AssetsError) as raised:
        client.get()
    chain: list[BaseException | None] = [raised.value, raised.value.__cause__]
    shown = caplog.text + "".join(f"{error!r} {error}" for error in chain)
    assert not any(secret in shown for secret in SECRETS)
    assert raised.value.__cause__ is None


def test_wrong_credentials_name_the_connection(client, connection) -> None:
    client.vendor = Scenario(replace(connection, password="wrong-secret"), clock=time.time)
    with pytest.raises(AuthenticationError, match="connection 'c'") as raised:
        client.get()
    assert "wrong-secret" not in str(raised.value)


@pytest.mark.parametrize("password", ["jwt\n", "jwt\r\nX-Evil: 1", "j\u20acwt", "jwt\x00"])
def test_a_malformed_credential_is_found_before_it_is_sent(
    client, connection, sandbox, naps, password
) -> None:
    bearer = replace(connection, login="", password=password)
    client.vendor = Scenario(bearer, clock=time.time)
    with pytest.raises(AuthenticationError, match="connection 'c'") as raised:
        client.get()
    assert "jwt" not in str(raised.value)
    assert sandbox.stats()["totals"]["requests"] == 0


# --- what is no answer -------------------------------------------------------------------------


def test_an_unreachable_host_is_an_error_that_says_what_to_check(client, connection, naps) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    gone = replace(connection, extra={"base_url": f"http://127.0.0.1:{port}/v1"})
    client.vendor = Scenario(gone, clock=time.time)
    with pytest.raises(
        VendorUnavailableError,
        match=f"127.0.0.1:{port}/v1/assets.*refused the connection.*base_url",
    ):
        client.get("/assets", params=(("paginationToken", "sandbox-secret"),))
    assert len(waits(naps)) == 3


def test_a_name_that_does_not_exist_is_an_unreachable_host(client, connection, naps) -> None:
    gone = replace(connection, extra={"base_url": "https://no-such-host.invalid/v1"})
    client.vendor = Scenario(gone, clock=time.time)
    with pytest.raises(VendorUnavailableError, match=r"no-such-host.*could not be resolved"):
        client.get()


def test_a_page_of_html_is_an_error_that_quotes_nothing_of_it(client, sandbox, naps) -> None:
    sandbox.fault("list:200html")
    with pytest.raises(VendorUnavailableError, match="expected a JSON object, got text/html"):
        client.run(client.vendor.select({}, None))


def test_what_is_sent_arrives_as_it_was_meant(client, sandbox) -> None:
    odd = "a b+c/d=e&f?g%20\u00e9"
    reply = client.get("/assets", params=(("pageSize", "1"), ("tags", odd)))
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("application/json")


# --- the rate of a connection ------------------------------------------------------------------


def test_requests_are_spaced_evenly(client, monkeypatch) -> None:
    waited: list[float] = []

    async def anap(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("airflow_provider_assets.network.transport.time.sleep", waited.append)
    monkeypatch.setattr("airflow_provider_assets.network.transport.asyncio.sleep", anap)
    client.rate = RateLimit(0.01)
    client.perform(*[HttpRequest("GET", client.vendor.base_url + "/assets")] * 3)
    assert [round(seconds, -1) for seconds in waited[:3]] == [0, 100, 200]
