"""Connections to download hosts: TLS, interrupts, keep-alive, proxies, the least rate, refused addresses."""

from __future__ import annotations

import itertools
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from types import SimpleNamespace

import pytest
from landing_kit import over_http_and_https
from origin import Fault, http_origin
from proxy import http_proxy

from airflow_provider_assets.landing import LandingOptions
from airflow_provider_assets.landing.source.connections import Connections
from airflow_provider_assets.network.pace import SlowError
from airflow_provider_assets.sansio.errors import InvalidRequestError

PLAIN = b"A" * (8 << 20)


def get(connections: Connections, url: str) -> bytes:
    response = connections.request("GET", url, headers={})
    assert response.status == 200
    return response.read()


@pytest.fixture
def connect() -> Iterator[Callable[..., Connections]]:
    with ExitStack() as stack:

        def make(options: LandingOptions | None = None) -> Connections:
            return stack.enter_context(closing(Connections(options or LandingOptions())))

        yield make


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch):
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_proxy".upper(), raising=False)


# --- interrupts ------------------------------------------------------------------------------


@over_http_and_https
def test_an_interrupted_read_never_returns_a_byte_that_was_not_sent(connect, origin):
    origin.files["/a"] = PLAIN
    origin.rate = 40_000_000
    foreign = []

    def read(connections, response):
        view = memoryview(bytearray(2 << 20))
        connections._gulp = len(view)
        try:
            while count := connections.read(response, view):
                foreign.extend(bytes(view[:count]).strip(b"A")[:1])
        except OSError:
            pass

    for trial in range(40):
        connections = connect(LandingOptions(stall_seconds=5))
        response = connections.request("GET", f"{origin.url}/a", headers={})
        thread = threading.Thread(target=read, args=(connections, response))
        thread.start()
        time.sleep(0.01 + trial * 0.002)
        connections.interrupt()
        thread.join(10)
        assert not thread.is_alive()
    assert not foreign


@over_http_and_https
def test_interrupted_connections_open_no_others(connect, origin):
    origin.files["/a"] = PLAIN
    connections = connect()
    connections.interrupt()
    with pytest.raises(ConnectionAbortedError, match="cancelled"):
        get(connections, f"{origin.url}/a")
    assert not origin.seen


# --- keep-alive ------------------------------------------------------------------------------


@over_http_and_https
def test_a_kept_connection_that_the_server_closed_is_replaced(connect, origin):
    origin.files["/a"] = b"whole"
    origin.fault = lambda seen, number: Fault(hang_up=True) if number == 1 else None
    connections = connect()
    assert get(connections, f"{origin.url}/a") == b"whole"
    time.sleep(0.05)
    assert get(connections, f"{origin.url}/a") == b"whole"
    assert len(origin.seen) == 2


# --- certificates ----------------------------------------------------------------------------


def test_a_certificate_that_nobody_vouches_for_is_a_matter_for_a_person(
    connect, certificate, monkeypatch
):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with http_origin(certificate) as origin:
        with pytest.raises(InvalidRequestError, match=r"127\.0\.0\.1 .*REQUESTS_CA_BUNDLE"):
            get(connect(), f"{origin.url}/a")
        assert not origin.seen


def test_a_bundle_that_is_not_there_is_named(connect, trusted, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
    with (
        http_origin(trusted) as origin,
        pytest.raises(InvalidRequestError, match=r"/no/such/bundle\.pem"),
    ):
        get(connect(), f"{origin.url}/a")


# --- the least rate --------------------------------------------------------------------------


@over_http_and_https
@pytest.mark.parametrize("fault", [Fault(drip=0.02), Fault(drip=0.02, drip_head=True)])
def test_a_server_that_drips_is_given_up(connect, origin, fault):
    origin.files["/a"] = PLAIN
    origin.fault = lambda seen, number: fault
    connections = connect(LandingOptions(stall_seconds=0.2))
    with pytest.raises(SlowError, match=r"only \d+ bytes arrived"):
        get(connections, f"{origin.url}/a")


def test_a_reader_that_is_slow_itself_is_not_held_against_the_server(connect, origin):
    origin.files["/a"] = PLAIN
    connections = connect(LandingOptions(stall_seconds=0.01, min_rate=1e9))
    response = connections.request("GET", f"{origin.url}/a", headers={})
    view = memoryview(bytearray(1 << 14))
    for _ in range(4):
        assert connections.read(response, view)
        time.sleep(0.1)


# --- proxies ---------------------------------------------------------------------------------


@over_http_and_https
@pytest.mark.parametrize("name", ["{}_proxy", "{}_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("form", ["http://{}", "{}"])
def test_a_proxy_is_used_as_requests_uses_it(connect, origin, monkeypatch, name, form):
    origin.files["/a"] = b"whole"
    scheme = origin.url.partition(":")[0]
    scheme = scheme.upper() if "PROXY" in name else scheme
    with http_proxy() as proxy:
        monkeypatch.setenv(name.format(scheme), form.format(proxy.address))
        assert get(connect(), f"{origin.url}/a?b=%2f") == b"whole"
        assert len(proxy.seen) == 1
    assert origin.seen[0].target == "/a?b=%2f"


@over_http_and_https
def test_the_login_of_a_proxy_is_sent_to_the_proxy_only(connect, origin, monkeypatch):
    origin.files["/a"] = b"whole"
    with http_proxy("us@r:p:ä") as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://us%40r:p%3a%C3%A4@{proxy.address}")
        connections = connect()
        assert get(connections, f"{origin.url}/a") == b"whole"
        assert get(connections, f"{origin.url}/a") == b"whole"
    assert [s.headers.get("Proxy-Authorization") for s in origin.seen] == [None, None]


@over_http_and_https
@pytest.mark.parametrize("login", ["", "user:canary@"])
def test_a_proxy_that_refuses_the_login_is_a_matter_for_a_person(
    connect, origin, monkeypatch, login
):
    with http_proxy("user:right") as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://{login}{proxy.address}")
        with pytest.raises(InvalidRequestError, match=r"407.*ALL_PROXY") as told:
            get(connect(), f"{origin.url}/a")
    assert "canary" not in "".join(traceback.format_exception(told.value))
    assert not origin.seen


@pytest.mark.parametrize(
    "value",
    ["socks5://user:canary@{}", "https://user:canary@{}", "http://user:canary@:x", "user:canary@"],
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_login(
    connect, origin, monkeypatch, value
):
    monkeypatch.setenv("HTTP_PROXY", value.format("127.0.0.1:1"))
    with pytest.raises(InvalidRequestError, match="HTTP_PROXY names") as told:
        get(connect(), f"{origin.url}/a")
    assert "canary" not in "".join(traceback.format_exception(told.value))
    assert not origin.seen


@pytest.mark.parametrize(
    "entry",
    ["*", "127.0.0.1", "127.0.0.1:{port}", "127.0.0.0/8", "x.test, localhost ", "LOCALHOST:{port}"],
)
def test_what_no_proxy_lists_is_reached_directly(connect, origin, monkeypatch, entry):
    origin.files["/a"] = b"whole"
    port = origin.url.rpartition(":")[2]
    host = "localhost" if "local" in entry.lower() else "127.0.0.1"
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", entry.format(port=port))
    assert get(connect(), f"http://{host}:{port}/a") == b"whole"


@pytest.mark.parametrize("entry", ["27.0.0.1", "127.0.0.1:1", "10.0.0.0/8", "host", ""])
def test_what_no_proxy_does_not_list_is_reached_through_the_proxy(
    connect, origin, monkeypatch, entry
):
    origin.files["/a"] = b"whole"
    with http_proxy() as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.address)
        monkeypatch.setenv("NO_PROXY", entry)
        assert get(connect(), f"{origin.url}/a") == b"whole"
        assert len(proxy.seen) == 1


# --- the size of a read ----------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "last"), [(0.001, 1 << 21), (0.05, 1 << 18), (1, 1 << 14)])
def test_a_read_is_as_large_as_the_connection_is_fast(monkeypatch, seconds, last):
    now = itertools.count(0, seconds)
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    sizes, line = [], Connections()
    response = SimpleNamespace(readinto=lambda view: sizes.append(len(view)) or len(view))
    for _ in range(8):
        line.read(response, memoryview(bytearray(1 << 22)))
    assert sizes[-1] == last
