"""Addresses of downloads and of APIs: what is refused before a connection, and what an answer may cost."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest
import tenacity
from hostile_network import PUBLIC, Internet, endless
from landing_kit import linked, small
from origin import Fault, Origin, http_origin
from proxy import http_proxy

from airflow_provider_assets.landing import LandingOptions, LocalStore, Source, land
from airflow_provider_assets.landing.source.addresses import check_address
from airflow_provider_assets.landing.source.connections import Connections
from airflow_provider_assets.network import retries, transport
from airflow_provider_assets.network.transport import AsyncTransport, Transport
from airflow_provider_assets.sansio.downloads import ArchiveFile, Link
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    InvalidRequestError,
    ProtocolError,
    TransferInterruptedError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.sansio.strict_json import MAX_BYTES
from airflow_provider_assets.vendors import BUILT_IN, vendor_class
from airflow_provider_assets.vendors.connection import VendorConnection
from airflow_provider_assets.vendors.parsing import MAX_TEXT

SECRET = "c4n4ry-signature"
GOOD = "files.example.com"
# A connection to a vendor's public API, as operators make it.
STRICT = LandingOptions(
    private_hosts=frozenset({"api.example.com"}), attempts=2, stall_seconds=0.1, jitter=lambda: 0.0
)

HOSTILE = {
    "unencrypted": [f"http://{GOOD}/a", f"HTTP://{GOOD}/a", "http://93.184.216.34/a"],
    "another scheme": [
        "file:///etc/passwd", "file://localhost/etc/passwd", f"ftp://{GOOD}/a", "data:text/plain,a",
        "gopher://127.0.0.1:6379/_INFO", "javascript:alert(1)", "s3://bucket/key", "unix:///run/docker.sock",
        f"https+unix://{GOOD}/a", f"hxxps://{GOOD}/a",
    ],
    "no scheme": ["", "/etc/passwd", f"//{GOOD}/a", GOOD, f"{GOOD}:443/a"],
    "no host": ["https://", "https:///a", "https://:443/a", "https:10.0.0.1/a", "https:/10.0.0.1/a", "https://?a"],
    "a user before the host": [
        f"https://{GOOD}@10.0.0.1/a", f"https://user:word@{GOOD}/a", f"https://{GOOD}:443@evil.example.org/a",
        f"https://@{GOOD}/a", f"https://evil.example.org%2f@{GOOD}/a", f"https://{GOOD}%00@evil.example.org/a",
    ],
    "a backslash": [
        f"https://{GOOD}\\@10.0.0.1/a", f"https://{GOOD}\\.evil.example.org/a", "https:\\\\10.0.0.1\\a",
        f"https://10.0.0.1\\{GOOD}/a",
    ],
    "whitespace or a control": [
        f"https://{GOOD}/a b", f" https://{GOOD}/a", f"https://{GOOD}\t/a", f"https://{GOOD}/a\r\nX-Evil: 1",
        f"https://{GOOD}\r\nHost: evil.example.org/a", f"https://{GOOD}\x00.evil.example.org/a",
        f"ht\ntps://{GOOD}/a", f"https://{GOOD}/\x7f",
    ],
    "another alphabet": [
        "https://１６９.254.169.254/a", "https://ⓔxample.com/a", f"https://{GOOD}\u3002evil.example.org/a",
        f"https://{GOOD}\uff0fevil.example.org/a", f"https://{GOOD}\u200b/a", "https://faß.example.com/a",
        "https://①②⑦.⓪.⓪.①/a", f"https://{GOOD}\uff20evil.example.org/a",
    ],
    "a host that is no name": [
        "https://files%2eexample.com/a", "https://169%2e254.169.254/a", "https://files..example.com/a",
        "https://.example.com/a", "https://-x.example.com/a", "https://*.example.com/a", "https://[files]/a",
        "https://[::1/a", "https://::1/a", "https://[10.0.0.1]/a", "https://[v1.a]/a", "https://a,b.example.com/a",
        f"https://{'a' * 64}.example.com/a", f"https://{'a.' * 130}com/a",
    ],
    "a port of something else": [
        *(f"https://{GOOD}:{port}/a" for port in (0, 22, 25, 445, 99999, -1, "six", "4_43", "0x1bb")),
    ],
    "an IPv4 address that is not public": [
        f"https://{address}/a"
        for address in (
            "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.1.1", "172.16.0.1",
            "192.0.0.9", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
            "255.255.255.255",
        )
    ],
    "another spelling of one": [
        f"https://{address}/a"
        for address in (
            "0", "127.1", "127.0.1", "2130706433", "017700000001", "0x7f000001", "0177.0.0.1", "0x7f.1",
            "0x7f.0x0.0x0.0x1", "127.0.0.1.", "2852039166", "0xa9fea9fe", "0xA9.254.0xA9.0xFE", "010.0.0.1",
            "4294967297", "127.0.0.256", "169.254.43518",
        )
    ],
    "an IPv6 address that is not public": [
        f"https://[{address}]/a"
        for address in (
            "::", "::1", "::7f00:1", "::127.0.0.1", "::ffff:10.0.0.1", "::ffff:7f00:1", "::ffff:0:10.0.0.1",
            "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "100::1", "2001::1",
            "2001:0:53aa:64c:0:1234:f5ff:fffe", "2001:db8::1", "2002:7f00:1::1", "2002:a9fe:a9fe::",
            "3fff::1", "5f00::1", "fc00::1", "fe80::1", "fe80::1%eth0", "fe80::1%25eth0", "fec0::1",
            "ff02::1",
        )
    ],
    "a metadata service": [
        f"https://{host}/latest/meta-data/"
        for host in (
            "169.254.169.254", "[::ffff:169.254.169.254]", "169.254.170.2", "169.254.0.23", "100.100.100.200",
            "192.0.0.192", "168.63.129.16", "[fd00:ec2::254]", "[fd20:ce::254]", "metadata.google.internal",
            "metadata.google.internal.", "METADATA.GOOGLE.INTERNAL", "metadata", "instance-data",
            "instance-data.ec2.internal",
        )
    ],
    "a name of the own network": [
        f"https://{host}/a"
        for host in (
            "localhost", "localhost.", "localhost.localdomain", "x.localhost", "redis",
            "api.default.svc.cluster.local", "printer.local", "router.home.arpa", "nas.lan", "wiki.intranet",
        )
    ],
    "too long": [f"https://{GOOD}/".ljust(MAX_TEXT + 1, "a")],
}  # fmt: skip
TABLE = [(kind, url) for kind, urls in HOSTILE.items() for url in urls]
# As the target of a redirect, these are addresses of the host that redirects.
RELATIVE = {"no scheme", "whitespace or a control"}


@pytest.fixture
def internet(monkeypatch) -> Internet:
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_proxy".upper(), raising=False)
    made = Internet({GOOD: [[PUBLIC]], "evil.example.org": [[PUBLIC]]})
    made.patch(monkeypatch)
    return made


@pytest.fixture
def good(internet, trusted) -> Iterator[Origin]:
    """A host at a public address, as the name service tells."""
    with http_origin(trusted) as origin:
        origin.url = origin.url.replace("127.0.0.1", GOOD)
        yield origin


@pytest.fixture
def store(tmp_path) -> LocalStore:
    return LocalStore(tmp_path)


def marked(url: str) -> str:
    return f"{url}?X-Amz-Signature={SECRET}"


def fetch(store: LocalStore, url: str, options: LandingOptions = STRICT, **source: bool) -> None:
    link = Link(marked(url), headers=(("Authorization", SECRET),))
    land([Source(ArchiveFile("a.zip", "a.zip"), lambda: link, **source)], store, options=options)


def test_a_link_to_an_address_that_is_not_public_is_refused_before_anything_is_sent(
    internet, store, figure, monkeypatch
):
    with http_proxy() as proxy:
        for proxied in (False, True):
            if proxied:
                monkeypatch.setenv("ALL_PROXY", proxy.address)
            for kind, url in TABLE:
                for single_use in (False, True):
                    with pytest.raises(InvalidRequestError) as told:
                        fetch(store, url, single_use=single_use)
                    text = "".join(traceback.format_exception(told.value))
                    assert SECRET not in text, f"{kind}: {url!r} is quoted"
        assert internet.dialled == []
        assert proxy.seen == []
    figure(
        f"{len(TABLE)} hostile links of {len(HOSTILE)} kinds refused, directly and behind a proxy"
    )


def test_a_redirect_to_such_an_address_is_not_followed(good, internet, store):
    for kind, url in TABLE:
        if kind in RELATIVE:
            continue
        sent = marked(url).encode().decode("latin-1")  # as bytes go over the wire
        good.fault = lambda seen, number, sent=sent: Fault(location=sent)
        good.seen.clear()
        with pytest.raises(InvalidRequestError):
            fetch(store, f"{good.url}/a")
        assert len(good.seen) == 1, f"{kind}: {url!r}"
    assert set(internet.dialled) == {PUBLIC}


def test_the_address_of_a_length_is_checked_too(good, internet, store):
    good.files["/a"] = small()
    link = Link(f"{good.url}/a", head_url="https://169.254.169.254/latest/")
    with pytest.raises(InvalidRequestError, match="allow_private_downloads"):
        land([Source(ArchiveFile("a.zip", "a.zip"), lambda: link)], store, options=STRICT)
    assert internet.dialled == []


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "127.0.0.1",
        "169.254.169.254",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "fe80::1%eth0",
        "2002:a00:1::",
    ],
)
def test_a_name_of_a_private_address_needs_the_leave_of_the_connection(address):
    for name in (GOOD, f"{GOOD}."):
        with pytest.raises(InvalidRequestError, match="allow_private_downloads"):
            check_address(name, address, frozenset({"api.example.com"}))
        check_address(name, address, None)
        check_address(name, address, frozenset({GOOD}))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_a_public_address_needs_none(address):
    check_address(GOOD, address, frozenset())


def test_links_that_vendors_send_are_not_refused(good, store):
    linked(good, small(), "a.zip")
    port = good.url.rpartition(":")[2]
    for host in (GOOD, GOOD.upper()):
        url = f"https://{host}:{port}/a.zip?Policy=a~b_&response-content-disposition=attachment%3B%20x"
        with closing(Connections(STRICT)) as connections:
            assert connections.request("GET", url, headers={}).status == 200


# --- the address that is connected --------------------------------------------------------------


REBOUND = [
    ["10.0.0.1"],
    [PUBLIC, "10.0.0.1"],
    ["10.0.0.1", PUBLIC],
    ["169.254.169.254"],
    ["127.0.0.1"],
]


@pytest.mark.parametrize("answer", REBOUND, ids=" ".join)
def test_a_name_that_leads_to_another_address_later_is_refused(good, internet, store, answer):
    internet.names[GOOD] = [[PUBLIC], answer]
    linked(good, small(), "a")
    good.fault = lambda seen, number: Fault(cut=100, reset=True)
    with pytest.raises(InvalidRequestError, match="allow_private_downloads"):
        fetch(store, f"{good.url}/a")
    assert internet.dialled == [PUBLIC]
    assert len(good.seen) == 1


def test_a_redirect_looks_up_a_name_once_and_connects_what_it_has_checked(good, internet, store):
    internet.names["other.example.com"] = [["10.0.0.1"], [PUBLIC]]
    target = f"{good.url}/a".replace(GOOD, "other.example.com")
    good.fault = lambda seen, number: Fault(location=target)
    with pytest.raises(
        InvalidRequestError, match=r"other\.example\.com at 10\.0\.0\.1, which is not"
    ):
        fetch(store, f"{good.url}/a")
    assert internet.dialled == [PUBLIC]


def test_a_fresh_link_is_checked_as_the_first_one_was(good, internet, store):
    links = iter([Link(f"{good.url}/a"), Link("https://10.0.0.1/a")])
    good.fault = lambda seen, number: Fault(status=403)
    source = Source(ArchiveFile("a.zip", "a.zip"), lambda: next(links))
    with pytest.raises(InvalidRequestError, match="allow_private_downloads"):
        land([source], store, options=STRICT)
    assert internet.dialled == [PUBLIC]


def test_a_proxy_resolves_names_and_may_have_a_private_address_itself(good, internet, monkeypatch):
    good.files["/a"] = b"whole"
    with http_proxy() as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.address)
        with closing(Connections(STRICT)) as connections:
            response = connections.request("GET", f"{good.url}/a", headers={})
            assert response.read() == b"whole"
        assert [method for method, _ in proxy.seen] == ["CONNECT"]


def test_credentials_for_one_host_never_reach_another(good, internet, trusted, store):
    with http_origin(trusted) as other:
        target = other.url.replace("127.0.0.1", "other.example.com")
        internet.names["other.example.com"] = [[PUBLIC]]
        linked(other, small(), "a.zip")
        good.fault = lambda seen, number: Fault(location=f"{target}/a.zip")
        fetch(store, f"{good.url}/a")
        assert good.seen[0].headers["Authorization"] == SECRET
        assert SECRET not in str(other.seen)


# --- the hosts that a connection lists ----------------------------------------------------------


GIVEN = {
    "scenario": {"login": "key", "password": "secret", "extra": {"project_id": "p"}},
    "topaz": {"password": "key", "extra": {}},
    "huawei_roma": {
        "login": "ak",
        "password": "sk",
        "extra": {"instance_id": "i", "region": "ap-southeast-1", "project_id": "p"},
    },
}
API = "https://api.example.net/v1"


def listing(name: str, hosts: object) -> VendorConnection:
    extra = {**GIVEN[name]["extra"], "base_url": API, "download_hosts": hosts}
    return VendorConnection("mine", name, **{**GIVEN[name], "extra": extra})


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("hosts", [f"cdn.example.org, *.{GOOD}", ["cdn.example.org", f"*.{GOOD}"]])
def test_only_the_hosts_that_a_connection_lists_are_downloaded_from(
    good, internet, store, name, hosts
):
    listed = vendor_class(name)(listing(name, hosts), clock=lambda: 0.0).download_hosts
    options = replace(STRICT, download_hosts=listed)
    for host in (
        GOOD,
        "other.example.com",
        f"{GOOD}.evil.example.org",
        f"x{GOOD}",
        "93.184.216.34",
    ):
        with pytest.raises(
            InvalidRequestError, match=f"from {host}, .* add {host} to .*download_hosts"
        ):
            fetch(store, f"https://{host}/a", options)
    assert internet.dialled == []
    linked(good, small(), "a.zip")
    for host in (f"eu.{GOOD}", "CDN.example.org", "api.example.net"):
        internet.names[host.lower()] = [[PUBLIC]]
        with (
            closing(Connections(options)) as connections,
            pytest.raises(InvalidRequestError, match="certificate"),
        ):
            connections.request("GET", good.url.replace(GOOD, host), headers={})


def test_a_redirect_stays_on_the_hosts_that_a_connection_lists(good, internet, store):
    internet.names["other.example.com"] = [[PUBLIC]]
    good.fault = lambda seen, number: Fault(location="https://other.example.com/a")
    with pytest.raises(InvalidRequestError, match=r"add other\.example\.com to .*download_hosts"):
        fetch(store, f"{good.url}/a", replace(STRICT, download_hosts=(GOOD,)))
    assert internet.dialled == [PUBLIC]


# --- what an answer may cost --------------------------------------------------------------------


ANSWER = b"HTTP/1.1 200 OK\r\n"
ENDLESS = {
    "headers": (ANSWER, b"X-More: " + b"y" * 100 + b"\r\n"),
    "a header": (ANSWER + b"X-More: ", b"y" * 1000),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "an error": (b"HTTP/1.1 403 Forbidden\r\n\r\n", b"<Message>no</Message>" * 50),
    "an error in chunks": (
        b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n", b"3e8\r\n" + b"z" * 1000 + b"\r\n",
    ),
    "a size of a chunk": (
        b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 1000,
    ),
    "a redirect": (b"HTTP/1.1 302 Found\r\nLocation: /a\r\n\r\n", b"z" * 1000),
}  # fmt: skip
LOOPBACK = replace(STRICT, private_hosts=frozenset({"127.0.0.1"}))
# What a client leaves unread fills the buffers of the system.
READ_AND_BUFFERS = 12 << 20


@pytest.mark.parametrize("kind", ENDLESS)
def test_an_endless_answer_of_a_download_host_costs_little(store, kind):
    with endless(*ENDLESS[kind]) as server:
        with pytest.raises(AssetsError):
            fetch(store, f"{server.url}/a", LOOPBACK)
        assert len(server.sent) <= 6
        assert max(server.sent) < READ_AND_BUFFERS


def test_headers_that_drip_are_an_interruption(store):
    with endless(ANSWER, b"X: y\r\n", pause=0.02) as server:
        with pytest.raises(TransferInterruptedError, match=r"2 times in a row.*only \d+ bytes"):
            fetch(store, f"{server.url}/a", LOOPBACK)
        assert len(server.sent) == 2


def classify(request: HttpRequest, response: HttpResponse) -> AssetsError:
    return ProtocolError(f"HTTP {response.status}")


def perform_now(url: str) -> None:
    with closing(Transport(classify)) as session:
        session.perform(HttpRequest("GET", url, headers=(("Authorization", SECRET),)))


def perform_on_a_loop(url: str) -> None:
    async def perform() -> None:
        session = AsyncTransport(classify)
        try:
            await session.perform(HttpRequest("GET", url, headers=(("Authorization", SECRET),)))
        finally:
            await session.close()

    asyncio.run(perform())


both = pytest.mark.parametrize("perform", [perform_now, perform_on_a_loop])


@both
@pytest.mark.parametrize("kind", ENDLESS)
def test_an_endless_answer_of_an_api_ends_too(
    perform: Callable[[str], None], kind: str, monkeypatch
):
    monkeypatch.setattr(retries, "_BACKOFF", tenacity.wait_none())
    # aiohttp bounds neither of these, and keeps nothing of them: only the time ends them.
    is_kept = kind not in {"interim answers", "a size of a chunk"}
    monkeypatch.setattr(transport, "TOTAL_SECONDS", 10.0 if is_kept else 0.2)
    with endless(*ENDLESS[kind]) as server:
        with pytest.raises((ProtocolError, VendorUnavailableError)):
            perform(f"{server.url}/a")
        assert len(server.sent) <= retries.TRIES
        if is_kept or perform is perform_now:
            assert max(server.sent) < MAX_BYTES + READ_AND_BUFFERS


@both
def test_a_redirect_of_an_api_is_not_followed(perform: Callable[[str], None]):
    with http_origin() as api, http_origin() as other:
        for target in (
            f"{other.url}/a",
            f"//{other.url[7:]}/a",
            f"{api.url}/b",
            "http://[",
            "\\\\evil",
        ):
            api.fault = lambda seen, number, target=target: Fault(location=target)
            with pytest.raises(ProtocolError, match="HTTP 302"):
                perform(f"{api.url}/a")
        assert other.seen == []
        assert len(api.seen) == 5
