"""How a download is asked for, and what its host may do to it."""

from __future__ import annotations

import traceback

import pytest
from landing_kit import (
    MemoryState,
    big,
    contents,
    leftovers,
    linked,
    noise,
    over_http_and_https,
    small,
    zipped,
)
from origin import Fault

from airflow_provider_assets.landing import LandingOptions, Source, land
from airflow_provider_assets.sansio.downloads import ArchiveFile, Link
from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AuthenticationError,
    IntegrityError,
    InvalidRequestError,
    QuotaExceededError,
    TransferInterruptedError,
)


@over_http_and_https
def test_dropped_connections_are_resumed_at_the_failed_byte(store, origin, quick):
    origin.fault = lambda seen, number: Fault(cut=1_000_000) if number in (2, 3, 5, 7, 8) else None
    land([linked(origin, big())], store, options=quick)
    assert contents(store, "export.zip") == big()
    assert origin.sent <= 1.05 * len(big())


@pytest.mark.parametrize("layout", ["archive", "files"])
@pytest.mark.parametrize("many", [False, True], ids=["one", "several"])
def test_nothing_is_put_together_from_ranges_that_nothing_tells_to_be_of_one_file(
    local, origin, quick, layout, many
):
    old, new = zipped({"a": noise(11_000_000, 1)}), zipped({"a": noise(11_000_000, 2)})
    sources = [linked(origin, old, "a.zip")]
    if many:
        sources.append(linked(origin, noise(1000), "b"))
    origin.etags = {"/a.zip": "", "/b": ""}

    def fault(seen, number):
        if number > 3:
            origin.files["/a.zip"] = new

    origin.fault = fault
    land(sources, local, name="x.zip", layout=layout, options=quick)
    assert {seen.headers.get("If-Range") for seen in origin.seen} == {None}
    assert len(origin.seen) <= 2 * len(sources) + 1  # asked for a range, and then for all
    assert not leftovers(local)


def test_a_file_without_a_validator_is_not_resumed(local, origin, quick):
    origin.etags = {"/export.zip": ""}
    origin.fault = lambda seen, number: Fault(cut=1_000_000) if number == 2 else None
    with pytest.raises(TransferInterruptedError, match="after 1000000 of 24002470 bytes"):
        land([linked(origin, big())], local, options=quick, state=MemoryState())
    origin.seen.clear()
    origin.fault = lambda seen, number: None
    land([linked(origin, big())], local, options=quick, state=MemoryState())
    assert contents(local, "export.zip") == big()
    assert [seen.start for seen in origin.seen] == [0, None]


@over_http_and_https
@pytest.mark.parametrize("status", [400, 403])
def test_a_refused_link_is_resolved_again(store, origin, quick, status):
    origin.files["/export.zip"] = big()
    links = iter(range(10))
    current = [-1]

    def resolve() -> Link:
        current[0] = next(links)
        return Link(f"{origin.url}/export.zip?signature={current[0]}")

    def fault(seen, number):
        given = int(seen.target.rpartition("=")[2])
        return Fault(status=status) if given < (number > 2) + (number > 5) else None

    origin.fault = fault
    land([Source(ArchiveFile("k", "export.zip"), resolve)], store, options=quick)
    assert contents(store, "export.zip") == big()
    assert current[0] == 2
    assert origin.sent <= 1.01 * len(big())


@pytest.mark.parametrize(
    ("status", "error"),
    [(403, AuthenticationError), (404, ArchiveExpiredError), (410, ArchiveExpiredError)],
)
def test_fresh_links_that_are_refused_too_end_the_landing(store, origin, quick, status, error):
    origin.fault = lambda seen, number: Fault(status=status)
    with pytest.raises(error):
        land([linked(origin, big())], store, options=quick)
    assert not leftovers(store)


S3_REFUSAL = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature
does not match; see https://docs.test/errors?Signature=canary.</Message>
<StringToSign>canary</StringToSign><SignatureProvided>canary</SignatureProvided></Error>"""


@pytest.mark.parametrize("single_use", [False, True])
def test_a_refusal_is_told_in_the_stores_words_without_what_was_signed(
    local, origin, quick, single_use
):
    origin.fault = lambda seen, number: Fault(status=403, body=S3_REFUSAL)
    with pytest.raises(
        AuthenticationError, match=r"SignatureDoesNotMatch: The request sig"
    ) as told:
        land([linked(origin, big(), single_use=single_use)], local, options=quick)
    assert told.value.status == 403
    assert "canary" not in "".join(traceback.format_exception(told.value))


@pytest.mark.parametrize("single_use", [False, True])
def test_the_vendor_judges_a_refusal_by_a_bounded_piece_of_its_body(
    local, origin, quick, single_use
):
    heard = []

    def judge(status, headers, body):
        heard.append((status, headers["x-request-id"], body))
        return QuotaExceededError("the vendor's verdict", status=status)

    long = Fault(status=403, body=b"x" * 1_000_000, headers={"X-Request-Id": "r-1"})
    origin.fault = lambda seen, number: long
    with pytest.raises(QuotaExceededError, match="the vendor's verdict"):
        land([linked(origin, small(), single_use=single_use, refused=judge)], local, options=quick)
    status, request_id, body = heard[-1]
    assert (status, request_id) == (403, "r-1")
    assert 0 < len(body) < 10_000
    assert len(origin.seen) == (1 if single_use else 3)


def test_a_vendor_without_a_verdict_leaves_it_to_the_status(local, origin, quick):
    origin.fault = lambda seen, number: Fault(status=404)
    source = linked(origin, small(), single_use=True, refused=lambda status, headers, body: None)
    with pytest.raises(ArchiveExpiredError):
        land([source], local, options=quick)


def test_an_expired_link_is_not_even_tried(local, origin):
    origin.files["/export.zip"] = small()
    ends = iter([100.0, 1000.0])

    def resolve() -> Link:
        at = next(ends)
        return Link(f"{origin.url}/export.zip?until={at}", expires_at=at)

    options = LandingOptions(now=lambda: 95.0)
    resolve_first = resolve()
    calls = iter([resolve_first, Link(f"{origin.url}/export.zip?until=1000.0", expires_at=1000.0)])
    land([Source(ArchiveFile("k", "export.zip"), lambda: next(calls))], local, options=options)
    assert len(origin.seen) == 1


@over_http_and_https
def test_a_stalled_connection_is_given_up_and_resumed(local, origin, quick):
    origin.fault = lambda seen, number: Fault(stall=300_000) if number == 2 else None
    land([linked(origin, big())], local, options=quick)
    assert contents(local, "export.zip") == big()


@over_http_and_https
def test_a_server_without_range_is_read_as_one_stream(store, origin, quick):
    origin.ranged = False
    manifest = land([linked(origin, big())], store, options=quick)
    assert contents(store, "export.zip") == big()
    assert "length" in manifest.verified
    assert len(origin.seen) == 1


def test_a_stream_without_a_length_is_proven_by_the_zip_itself(store, origin, quick):
    origin.ranged = origin.announce_length = False
    manifest = land([linked(origin, big())], store, options=quick)
    assert contents(store, "export.zip") == big()
    assert "length" not in manifest.verified
    assert "length" in manifest.unverified
    assert "zip_structure" in manifest.verified


@over_http_and_https
def test_a_truncated_stream_without_a_length_is_never_published(store, origin, quick):
    origin.ranged = origin.announce_length = False
    origin.files["/export.zip"] = big()
    source = linked(origin, big()[: len(big()) // 2])
    with pytest.raises(IntegrityError):
        land([source], store, options=quick)
    assert contents(store, "export.zip") is None
    assert not leftovers(store)


@over_http_and_https
def test_a_single_use_link_is_opened_exactly_once(store, origin, quick):
    manifest = land([linked(origin, big(), single_use=True)], store, options=quick)
    assert contents(store, "export.zip") == big()
    assert [(s.method, "Range" in s.headers) for s in origin.seen] == [("GET", False)]
    assert "length" in manifest.verified


@over_http_and_https
@pytest.mark.parametrize(
    "fault", [Fault(cut=7_000_000), Fault(status=503), Fault(location="/elsewhere")]
)
def test_a_broken_single_use_download_is_not_tried_again(store, origin, quick, fault):
    origin.fault = lambda seen, number: fault
    with pytest.raises((TransferInterruptedError, InvalidRequestError)):
        land([linked(origin, big(), single_use=True)], store, options=quick)
    assert len(origin.seen) == 1
    assert contents(store, "export.zip") is None
    assert not leftovers(store)


def test_a_file_that_changes_meanwhile_is_read_from_the_start(store, origin, quick):
    newer = zipped({"new.bin": noise(24_000_000, 99)})

    def fault(seen, number):
        if number == 3:
            origin.files["/export.zip"], origin.etags["/export.zip"] = newer, '"two"'

    origin.fault = fault
    land([linked(origin, big())], store, options=quick)
    assert contents(store, "export.zip") == newer
    assert not leftovers(store)


def test_the_credentials_of_the_api_do_not_follow_a_redirect_to_another_host(local, origin, quick):
    from origin import http_origin

    with http_origin() as other:
        other.files["/signed"] = small()
        origin.fault = lambda seen, number: Fault(location=f"{other.url}/signed?a=%2f%2F~")
        land([linked(origin, small(), headers=(("X-Auth-Token", "secret"),))], local, options=quick)
        assert origin.seen[0].headers["X-Auth-Token"] == "secret"
        assert "X-Auth-Token" not in other.seen[0].headers
        assert other.seen[0].target == "/signed?a=%2f%2F~"


@pytest.mark.parametrize("bad", ["a b", "a\nb", "ü"])
@pytest.mark.parametrize("single_use", [False, True])
def test_a_link_that_cannot_be_sent_is_refused_without_being_told(
    local, origin, quick, bad, single_use
):
    link = Link(f"{origin.url}/{bad}?signature=secret")
    source = Source(ArchiveFile("k", "export.zip"), lambda: link, single_use=single_use)
    with pytest.raises(InvalidRequestError, match="URL") as told:
        land([source], local, options=quick)
    assert "secret" not in "".join(traceback.format_exception(told.value))


def test_a_header_that_cannot_be_sent_is_refused_without_being_told(local, origin, quick):
    source = linked(origin, small(), headers=(("X-Auth-Token", "secret\n"),))
    with pytest.raises(InvalidRequestError, match="header") as told:
        land([source], local, options=quick)
    assert "secret" not in "".join(traceback.format_exception(told.value))


def test_a_redirect_to_a_name_with_spaces_is_followed(local, origin, quick):
    origin.files["/two%20words%C3%BC.zip"] = small()
    origin.fault = lambda seen, number: (
        Fault(location="/two words\xc3\xbc.zip") if number == 1 else None
    )
    land([linked(origin, small())], local, options=quick)
    assert contents(local, "export.zip") == small()
    assert origin.seen[1].target == "/two%20words%C3%BC.zip"


def test_a_redirect_that_quotes_another_address_stays_on_its_host(local, origin, quick):
    origin.files["/real"] = small()
    origin.fault = lambda seen, number: (
        Fault(location="/real?from=https://elsewhere/") if number == 1 else None
    )
    land([linked(origin, small())], local, options=quick)
    assert origin.seen[1].target == "/real?from=https://elsewhere/"


@over_http_and_https
def test_a_host_that_breaks_every_response_early_still_brings_the_file(local, origin):
    origin.fault = lambda seen, number: Fault(cut=200_000, reset=True)
    options = LandingOptions(attempts=3, jitter=lambda: 0.0, concurrency=4)
    data = zipped({"a": noise(1_500_000)})
    land([linked(origin, data)], local, options=options)
    assert contents(local, "export.zip") == data


def test_busy_servers_are_waited_for(local, origin, quick):
    origin.fault = lambda seen, number: (
        Fault(status=(503, 520)[number % 2]) if number in (1, 3, 4) else None
    )
    land([linked(origin, big())], local, options=quick)
    assert contents(local, "export.zip") == big()


def test_a_source_that_keeps_failing_ends_as_an_interruption(local, origin, quick):
    origin.fault = lambda seen, number: Fault(cut=0) if number > 2 else None
    options = LandingOptions(attempts=2, stall_seconds=1, jitter=lambda: 0.0, part_size=5 << 20)
    with pytest.raises(TransferInterruptedError):
        land([linked(origin, big())], local, options=options)
    assert not leftovers(local)


def test_progress_reaches_the_total(local, origin, quick):
    told = []
    land([linked(origin, big())], local, options=quick, progress=told.append)
    assert all(report.total == len(big()) for report in told)


@pytest.mark.parametrize("given", [{"Content-Range": f"bytes */{len(big())}"}, {}])
def test_a_refused_range_does_not_mean_that_the_file_is_empty(local, origin, quick, given):
    picture = noise(3_000_000)
    origin.fault = lambda seen, number: (
        Fault(status=416, headers=given) if "Range" in seen.headers else None
    )
    land([linked(origin, picture, "a.png")], local, options=quick)
    assert contents(local, "a.png") == picture


def test_an_empty_file_lands(store, origin, quick):
    assert land([linked(origin, b"", "a.txt")], store, options=quick).bytes == 0
    assert contents(store, "a.txt") == b""


@pytest.mark.parametrize("layout", ["archive", "files"])
def test_a_stream_longer_than_announced_is_refused(store, origin, quick, layout):
    origin.ranged = origin.announce_length = False
    origin.fault = lambda seen, number: Fault(extra=b"x" * 3_000_000)
    made = linked(origin, noise(100), "a.png")
    source = Source(ArchiveFile("k", "a.png", 100), made.resolve)
    with pytest.raises(IntegrityError, match="more than the 100 bytes"):
        land([source], store, layout=layout, options=quick)
    assert contents(store, "a.png") is None
    assert not leftovers(store)


@pytest.mark.parametrize("single_use", [False, True])
@pytest.mark.parametrize("ranged", [False, True])
def test_an_encoded_download_is_refused(local, origin, quick, single_use, ranged):
    origin.ranged = ranged
    origin.fault = lambda seen, number: Fault(headers={"Content-Encoding": "gzip"})
    with pytest.raises(IntegrityError, match="Content-Encoding 'gzip'"):
        land([linked(origin, noise(100), "a.png", single_use=single_use)], local, options=quick)
    assert contents(local, "a.png") is None


PAGE = {"Content-Type": "text/html; charset=utf-8"}


@pytest.mark.parametrize("single_use", [False, True])
@pytest.mark.parametrize("ranged", [False, True])
def test_a_page_that_comes_instead_of_a_file_is_not_landed(local, origin, single_use, ranged):
    origin.ranged = ranged
    origin.fault = lambda seen, number: Fault(headers=PAGE)
    options = LandingOptions(attempts=1)
    with pytest.raises(TransferInterruptedError, match="an HTML page") as caught:
        land([linked(origin, b"<html>", "a", single_use=single_use)], local, options=options)
    assert caught.value.is_of_download == single_use  # so that a package is exported again
    assert not dict(local.listing(""))


def test_a_page_that_came_once_costs_a_request(local, origin, quick):
    page = Fault(status=200, body=b"\xef\xbb\xbf\r\n<!doctype html>", headers=PAGE)
    origin.fault = lambda seen, number: page if number in (1, 3) else None
    land([linked(origin, big())], local, options=quick)
    assert contents(local, "export.zip") == big()


@pytest.mark.parametrize("single_use", [False, True])
@pytest.mark.parametrize("ranged", [False, True])
def test_an_archive_that_a_gateway_labels_as_a_page_lands(local, origin, quick, single_use, ranged):
    origin.ranged = ranged
    origin.fault = lambda seen, number: Fault(headers=PAGE)
    land([linked(origin, big(), single_use=single_use)], local, options=quick)
    assert contents(local, "export.zip") == big()


def test_a_later_range_that_begins_like_a_page_lands(local, origin, quick):
    origin.fault = lambda seen, number: Fault(headers=PAGE)
    data = b"P" + b"<" * (11 << 20)  # three parts
    land([linked(origin, data, "a.png")], local, options=quick)
    assert len(origin.seen) > 2
    assert contents(local, "a.png") == data


@pytest.mark.parametrize("single_use", [False, True])
def test_an_answer_that_breaks_before_its_beginning_is_no_page(local, origin, single_use):
    origin.fault = lambda seen, number: Fault(headers=PAGE, cut=0, reset=True)
    options = LandingOptions(attempts=1)
    with pytest.raises(TransferInterruptedError) as caught:
        land([linked(origin, noise(100), "a", single_use=single_use)], local, options=options)
    assert "HTML" not in str(caught.value)


def test_a_file_that_is_a_page_lands(local, origin, quick):
    origin.fault = lambda seen, number: Fault(headers=PAGE)
    land([linked(origin, b"<html>", "a.HTML")], local, options=quick)
    assert contents(local, "a.HTML") == b"<html>"
