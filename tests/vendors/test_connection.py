from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.sansio.errors import InvalidRequestError, ProtocolError
from airflow_provider_assets.sansio.messages import seconds_to_wait
from airflow_provider_assets.vendors import BUILT_IN, parsing, vendor_class
from airflow_provider_assets.vendors.connection import (
    VendorConnection,
    check_url,
    download_hosts,
    is_listed,
)
from airflow_provider_assets.vendors.parsing import check_names, strings

NOW = 1768032100.0  # 2026-01-10T08:01:40Z
CONNECTION = VendorConnection("c")


# --- where credentials may be sent -----------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("https://api.test/v1/", "https://api.test/v1"),
        ("api.test/v1", "https://api.test/v1"),
        ("https://api.test:8443", "https://api.test:8443"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://localhost", "http://localhost"),
        ("https://api.test:1/vX/", "https://api.test:1/vX"),
    ],
)
def test_an_address_is_completed_and_kept(url, checked) -> None:
    assert check_url(url, "base_url", CONNECTION) == checked


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "ftp://api.test",
        "https://[::1",
        "https://api.test:port",
        "https://api.test:0",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_address_is_refused(url) -> None:
    with pytest.raises(InvalidRequestError, match="connection 'c': base_url is not an http"):
        check_url(url, "base_url", CONNECTION)


@pytest.mark.parametrize(
    "url",
    [
        *("https://u:secret@api.test", "https://secret@api.test"),
        *("https://api.test/v1?key=secret", "https://api.test/v1#secret"),
    ],
)
def test_an_address_with_a_secret_in_it_is_refused_without_repeating_it(url) -> None:
    with pytest.raises(InvalidRequestError, match="leave out user, password") as raised:
        check_url(url, "base_url", CONNECTION)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["http://api.test", "http://127.0.0.1.evil.test", "http://localhost.evil.test"]
)
def test_credentials_go_unencrypted_to_this_machine_only_unless_allowed(url) -> None:
    with pytest.raises(InvalidRequestError, match="allow_http"):
        check_url(url, "base_url", CONNECTION)
    assert check_url(url, "base_url", VendorConnection("c", extra={"allow_http": True})) == url


@pytest.mark.parametrize(
    "given",
    [
        "CDN.example.com., *.files.example.com,[2001:db8::1]",
        ["CDN.example.com", "*.files.example.com", "", "2001:db8::1"],
    ],
)
def test_downloads_may_come_from_listed_hosts_and_from_the_api(given) -> None:
    connection = VendorConnection("c", extra={"download_hosts": given})
    listed = download_hosts(connection, "https://api.test:8443/v1")
    assert listed == ("cdn.example.com", "*.files.example.com", "2001:db8::1", "api.test")
    for host in ("cdn.example.com", "eu.files.example.com", "2001:db8::1", "api.test"):
        assert is_listed(host, listed)
    for host in ("example.com", "x.cdn.example.com", "files.example.com", "xfiles.example.com"):
        assert not is_listed(host, listed)


@pytest.mark.parametrize("given", [None, "", " , ", []])
def test_downloads_may_come_from_any_host_where_none_is_listed(given) -> None:
    connection = VendorConnection("c", extra={"download_hosts": given})
    assert download_hosts(connection, "https://api.test") is None


@pytest.mark.parametrize(
    "entry",
    ["*", "*.", "*example.com", "https://u:secret@a.test", "a.test/x", "a.test:443", "ä.test"],
)
def test_a_listed_host_that_is_none_is_refused_and_not_quoted(entry) -> None:
    connection = VendorConnection("c", extra={"download_hosts": f"a.test, {entry}"})
    with pytest.raises(InvalidRequestError, match="entry 2 of download_hosts") as raised:
        download_hosts(connection, "https://api.test")
    assert "secret" not in str(raised.value)


@given(st.text())
def test_any_text_is_an_address_or_refused(text) -> None:
    try:
        url = check_url(text, "base_url", CONNECTION)
    except InvalidRequestError:
        return
    assert url.lower().startswith(("https://", "http://"))


@pytest.mark.parametrize("value", ["true", "True", True, "1", 1, "yes", "on"])
def test_a_flag_may_be_written_in_many_ways(value) -> None:
    assert VendorConnection("c", extra={"x": value}).flag("x")
    assert not VendorConnection("c", extra={"x": f"not {value}"}).flag("x")
    assert not VendorConnection("c", extra={"x": None}).flag("x")


def test_a_connection_shows_no_credential() -> None:
    shown = repr(
        VendorConnection("c", login="secret", password="secret", extra={"token": "secret"})
    )
    assert "secret" not in shown


# --- what the vendor asks to wait ------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "data", "seconds"),
    [
        ({"retry-after": "2"}, {}, 2.0),
        ({"retry-after": "0.5"}, {}, 0.5),
        ({"retry-after": "-3"}, {}, 0.0),
        ({"retry-after": "nan"}, {}, None),
        ({"retry-after": "inf"}, {}, None),
        ({"retry-after": "soon"}, {}, None),
        ({"retry-after": ""}, {}, None),
        ({"retry-after": "Sat, 10 Jan 2026 08:02:00 GMT"}, {}, 20.0),
        ({"retry-after": "Sat, 10 Jan 2026 08:00:00 GMT"}, {}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, {}, 1.5),
        ({"retry-after-ms": "nan"}, {}, None),
        ({"retry-after-ms": "soon", "retry-after": "5"}, {}, 5.0),
        ({"retry-after-ms": "soon", "retry-after": "later"}, {"remainingSeconds": 17}, 17.0),
        ({"retry-after": "2"}, {"remainingSeconds": 17}, 2.0),
        ({}, {"remainingSeconds": 17}, 17.0),
        ({}, {"remainingSeconds": "17"}, 17.0),
        ({}, {"remainingSeconds": -1}, 0.0),
        ({}, {"remainingSeconds": True}, None),
        ({}, {"remainingSeconds": 10**400}, None),
        ({}, {"remainingSeconds": {}}, None),
        ({}, {}, None),
    ],
)
def test_a_wait_is_read_from_wherever_it_stands(headers, data, seconds) -> None:
    assert seconds_to_wait(headers, data, NOW) == seconds


@pytest.fixture
def in_new_york(monkeypatch):
    """A worker whose local time is five hours behind UTC."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    "date",
    [
        "Sat Jan 10 08:02:00 2026",  # asctime
        "Sat, 10 Jan 2026 08:02:00",
        "Sat, 10 Jan 2026 08:02:00 -0000",
        "Saturday, 10-Jan-26 08:02:00 GMT",
    ],
)
def test_a_date_without_a_zone_is_in_utc_wherever_the_worker_is(in_new_york, date) -> None:
    assert seconds_to_wait({"retry-after": date}, {}, NOW) == 20.0


@given(st.sampled_from(["retry-after", "retry-after-ms"]), st.text())
def test_any_header_is_a_time_that_can_be_slept_or_none(name, text) -> None:
    seconds = seconds_to_wait({name: text}, {}, NOW)
    assert seconds is None or 0 <= seconds < float("inf")


# --- inputs and replies ----------------------------------------------------------------------


@given(st.lists(st.text()))
def test_ids_are_kept_in_order_without_repeats_or_refused(ids) -> None:
    if all(i.strip() for i in ids):
        assert strings(ids, "x") == list(dict.fromkeys(i.strip() for i in ids))
    else:
        with pytest.raises(InvalidRequestError, match=r"x\[\d+\]: .* is not an id"):
            strings(ids, "x")


@pytest.mark.parametrize("value", ["asset_1", None, 3, {"a": 1}, b"ab", [b"a"], [1], [None]])
def test_what_is_no_list_of_ids_is_refused(value) -> None:
    kind = type(value).__name__
    with pytest.raises(InvalidRequestError, match=rf"^x(: .* got {kind}|\[0\]: .*)$"):
        strings(value, "x")


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    check_names({"type": 1}, frozenset({"type"}), "select")
    with pytest.raises(
        InvalidRequestError, match="select: unknown tpye; known names are tags, type"
    ):
        check_names({"tpye": 1}, frozenset({"type", "tags"}), "select")
    with pytest.raises(InvalidRequestError, match="select: unknown a, b; known names are c"):
        check_names({"b": 1, "a": 1}, frozenset({"c"}), "select")


@pytest.mark.parametrize(
    ("url", "is_one"),
    [("https://cdn.test/a", True), ("http://127.0.0.1:8080/a", True), ("ftp://cdn.test/a", False)],
)
def test_a_download_is_an_address_of_http(url, is_one) -> None:
    assert parsing.is_address(url) is is_one


def test_a_text_of_a_reply_may_have_as_many_letters_as_a_link() -> None:
    longest = "a" * parsing.MAX_TEXT
    assert parsing.text({"x": longest}, "x") == longest
    with pytest.raises(ProtocolError, match="'x' of 8193 characters"):
        parsing.text({"x": f"{longest}a"}, "x")


@pytest.mark.parametrize("value", [None, "", 1, [], {}, True])
def test_a_reply_that_lacks_what_was_promised_is_a_protocol_error(value) -> None:
    for read in (parsing.objects, parsing.text, parsing.number):
        if (read is parsing.number and value == 1 and value is not True) or (
            read is parsing.objects and value == []
        ):
            continue
        with pytest.raises(ProtocolError, match="lacks"):
            read({"x": value}, "x")


def test_every_vendor_is_known_by_its_connection_type_and_no_other_is() -> None:
    for name in BUILT_IN:
        assert vendor_class(name).spec.name == name
    with pytest.raises(
        InvalidRequestError, match=r"'ftp' belongs to no vendor; known types are .*scenario"
    ):
        vendor_class("ftp")


@pytest.mark.parametrize("vendor", sorted(BUILT_IN))
def test_a_misspelt_extra_is_refused_as_it_would_widen_every_export(vendor) -> None:
    connection = VendorConnection("c", vendor, extra={"projectId": "p", "allow_http": True})
    with pytest.raises(InvalidRequestError, match="'c': extra: unknown projectId; known") as said:
        vendor_class(vendor)(connection, clock=lambda: NOW)
    assert all(name in str(said.value) for name in ("base_url", "requests_per_second"))
