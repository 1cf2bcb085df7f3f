"""One zip, streamed as it is into an object."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib

import pytest
from landing_kit import contents, leftovers, linked, noise, zipped
from origin import Fault

from airflow_provider_assets.landing import LandingOptions, Manifest, Source, land
from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AuthenticationError,
    IntegrityError,
    InvalidRequestError,
    TransferInterruptedError,
)
from airflow_provider_assets.sansio.jobs import ArchiveFile, Link

FILES = {f"image-{n:03}.png": noise(700_000, n) for n in range(32)}
BIG = zipped(FILES)
SMALL = zipped(
    {"one.txt": b"hello", "two/": b"", "two/three.txt": b"world" * 1000}, zipfile.ZIP_DEFLATED
)


@pytest.mark.parametrize("data", [SMALL, BIG], ids=["one part", "many parts"])
def test_an_archive_lands_as_it_is(store, origin, quick, data):
    manifest = land(
        [linked(origin, data)], store, prefix="in/", options=quick, facts={"fingerprint": "f"}
    )
    assert contents(store, "in/export.zip") == data
    assert manifest.bytes == len(data)
    assert {"length", "zip_structure", "zip_crc32"} <= set(manifest.verified)
    assert not leftovers(store)
    assert origin.sent == len(data)


def test_the_manifest_object_lists_every_entry(store, origin, quick):
    manifest = land(
        [linked(origin, BIG)], store, options=quick, facts={"fingerprint": "f", "vendor": "v"}
    )
    document = json.loads(contents(store, "export.zip.manifest.json"))
    assert {entry["name"]: entry["bytes"] for entry in document["files"]} == {
        name: len(data) for name, data in FILES.items()
    }
    assert document["facts"]["vendor"] == "v"
    assert Manifest.from_dict(manifest.to_dict()) == manifest


def test_a_local_landing_has_the_sha256_of_the_whole(local, origin, quick):
    assert (
        land([linked(origin, BIG)], local, options=quick).sha256 == hashlib.sha256(BIG).hexdigest()
    )


def test_s3_confirms_the_checksum_of_the_whole(s3, origin, quick):
    manifest = land([linked(origin, BIG)], s3, options=quick)
    assert "store_checksum" in manifest.verified
    assert f"{s3.head('export.zip').crc32:08x}" == manifest.crc32


def test_a_finished_landing_moves_nothing_again(store, origin, quick):
    source = linked(origin, BIG)
    first = land([source], store, options=quick, facts={"fingerprint": "same"})
    asked = len(origin.seen)
    second = land(
        [source], store, options=quick, facts={"fingerprint": "same", "job_id": "another"}
    )
    assert second.skipped
    assert not first.skipped
    assert second.crc32 == first.crc32
    assert len(origin.seen) == asked


def test_an_incomplete_landing_is_replaced_by_a_later_archive_of_the_same_contents(
    store, origin, quick
):
    night = {"fingerprint": "night"}
    land([linked(origin, SMALL)], store, options=quick, facts=night | {"job_id": "1"}, expected=30)
    known = {"options": quick, "expected": 30}
    assert land([linked(origin, BIG)], store, facts=night | {"job_id": "1"}, **known).skipped
    assert not land([linked(origin, BIG)], store, facts=night | {"job_id": "2"}, **known).skipped
    assert contents(store, "export.zip") == BIG
    assert land([linked(origin, SMALL)], store, facts=night | {"job_id": "3"}, **known).skipped
    assert not leftovers(store)


def test_overwriting_lands_a_later_archive_but_never_the_very_same_twice(local, origin, quick):
    night, known = {"fingerprint": "night"}, {"options": quick, "overwrite": True}
    land([linked(origin, SMALL)], local, facts=night | {"job_id": "1"}, **known)
    assert land([linked(origin, BIG)], local, facts=night | {"job_id": "1"}, **known).skipped
    assert not land([linked(origin, BIG)], local, facts=night | {"job_id": "2"}, **known).skipped
    assert contents(local, "export.zip") == BIG


def test_another_landing_does_not_replace_the_first(store, origin, quick):
    land([linked(origin, BIG)], store, options=quick, facts={"fingerprint": "a"})
    with pytest.raises(InvalidRequestError, match="overwrite"):
        land([linked(origin, SMALL)], store, options=quick, facts={"fingerprint": "b"})
    assert contents(store, "export.zip") == BIG


@pytest.mark.parametrize("data", [SMALL, BIG], ids=["one part", "many parts"])
def test_a_foreign_object_is_kept_unless_overwrite_is_said(store, origin, quick, data):
    store.put("export.zip", b"precious", crc32=zlib.crc32(b"precious"), overwrite=True)
    with pytest.raises(InvalidRequestError, match="overwrite"):
        land([linked(origin, data)], store, options=quick)
    assert contents(store, "export.zip") == b"precious"
    assert not leftovers(store)
    land([linked(origin, data)], store, options=quick, overwrite=True)
    assert contents(store, "export.zip") == data


@pytest.mark.parametrize(
    "position", [100, 10_000_000, len(BIG) - 30], ids=["start", "middle", "end"]
)
def test_a_damaged_archive_is_never_published(store, origin, quick, position):
    damaged = bytearray(BIG)
    damaged[position] ^= 1
    with pytest.raises(IntegrityError):
        land([linked(origin, bytes(damaged))], store, options=quick)
    assert contents(store, "export.zip") is None
    assert contents(store, "export.zip.manifest.json") is None
    assert not leftovers(store)


def test_a_cut_archive_is_never_published(store, origin, quick):
    with pytest.raises(IntegrityError):
        land([linked(origin, BIG[:-30])], store, options=quick)
    assert contents(store, "export.zip") is None
    assert not leftovers(store)


def test_an_error_page_is_no_archive(store, origin, quick):
    with pytest.raises(IntegrityError, match="no zip"):
        land([linked(origin, b"<html>sorry</html>")], store, options=quick)
    assert contents(store, "export.zip") is None


def test_a_length_other_than_announced_is_refused(local, origin, quick):
    source = linked(origin, BIG)
    wrong = Source(ArchiveFile("k", "export.zip", len(BIG) + 1), source.resolve)
    with pytest.raises(IntegrityError, match="announced"):
        land([wrong], local, options=quick)


def test_dropped_connections_are_continued_at_the_failed_byte(store, origin, quick):
    origin.fault = lambda seen, number: Fault(cut=1_000_000) if number in (2, 3, 5, 7, 8) else None
    land([linked(origin, BIG)], store, options=quick)
    assert contents(store, "export.zip") == BIG
    assert origin.sent <= 1.05 * len(BIG)


def test_a_refused_link_is_resolved_anew(store, origin, quick):
    origin.files["/export.zip"] = BIG
    links = iter(range(10))
    current = [-1]

    def resolve() -> Link:
        current[0] = next(links)
        return Link(f"{origin.url}/export.zip?signature={current[0]}")

    def fault(seen, number):
        given = int(seen.target.rpartition("=")[2])
        return Fault(status=403) if given < (number > 2) + (number > 5) else None

    origin.fault = fault
    land([Source(ArchiveFile("k", "export.zip"), resolve)], store, options=quick)
    assert contents(store, "export.zip") == BIG
    assert current[0] == 2
    assert origin.sent <= 1.01 * len(BIG)


@pytest.mark.parametrize(
    ("status", "error"),
    [(403, AuthenticationError), (404, ArchiveExpiredError), (410, ArchiveExpiredError)],
)
def test_fresh_links_that_are_refused_too_end_the_landing(store, origin, quick, status, error):
    origin.fault = lambda seen, number: Fault(status=status)
    with pytest.raises(error):
        land([linked(origin, BIG)], store, options=quick)
    assert not leftovers(store)


def test_an_expired_link_is_not_even_tried(local, origin):
    origin.files["/export.zip"] = SMALL
    ends = iter([100.0, 1000.0])

    def resolve() -> Link:
        at = next(ends)
        return Link(f"{origin.url}/export.zip?until={at}", expires_at=at)

    options = LandingOptions(now=lambda: 95.0)
    resolve_first = resolve()
    calls = iter([resolve_first, Link(f"{origin.url}/export.zip?until=1000.0", expires_at=1000.0)])
    land([Source(ArchiveFile("k", "export.zip"), lambda: next(calls))], local, options=options)
    assert len(origin.seen) == 1


def test_a_stalled_connection_is_given_up_and_continued(local, origin, quick):
    origin.fault = lambda seen, number: Fault(stall=300_000) if number == 2 else None
    land([linked(origin, BIG)], local, options=quick)
    assert contents(local, "export.zip") == BIG


def test_a_server_without_range_is_read_as_one_stream(store, origin, quick):
    origin.ranged = False
    manifest = land([linked(origin, BIG)], store, options=quick)
    assert contents(store, "export.zip") == BIG
    assert "length" in manifest.verified
    assert len(origin.seen) == 1


def test_a_stream_without_a_length_is_proven_by_the_zip_itself(store, origin, quick):
    origin.ranged = origin.announce_length = False
    manifest = land([linked(origin, BIG)], store, options=quick)
    assert contents(store, "export.zip") == BIG
    assert "length" not in manifest.verified
    assert "length" in manifest.unverified
    assert "zip_structure" in manifest.verified


def test_a_truncated_stream_without_a_length_is_never_published(store, origin, quick):
    origin.ranged = origin.announce_length = False
    origin.files["/export.zip"] = BIG
    source = linked(origin, BIG[: len(BIG) // 2])
    with pytest.raises(IntegrityError):
        land([source], store, options=quick)
    assert contents(store, "export.zip") is None
    assert not leftovers(store)


def test_a_single_use_link_is_opened_exactly_once(store, origin, quick):
    manifest = land([linked(origin, BIG, single_use=True)], store, options=quick)
    assert contents(store, "export.zip") == BIG
    assert [(s.method, "Range" in s.headers) for s in origin.seen] == [("GET", False)]
    assert "length" in manifest.verified


@pytest.mark.parametrize(
    "fault", [Fault(cut=7_000_000), Fault(status=503), Fault(location="/elsewhere")]
)
def test_a_broken_single_use_download_is_not_tried_again(store, origin, quick, fault):
    origin.fault = lambda seen, number: fault
    with pytest.raises((TransferInterruptedError, InvalidRequestError)):
        land([linked(origin, BIG, single_use=True)], store, options=quick)
    assert len(origin.seen) == 1
    assert contents(store, "export.zip") is None
    assert not leftovers(store)


def test_a_file_that_changes_meanwhile_is_read_from_the_start(store, origin, quick):
    newer = zipped({"new.bin": noise(24_000_000, 99)})

    def fault(seen, number):
        if number == 3:
            origin.files["/export.zip"], origin.etags["/export.zip"] = newer, '"two"'

    origin.fault = fault
    land([linked(origin, BIG)], store, options=quick)
    assert contents(store, "export.zip") == newer
    assert not leftovers(store)


def test_the_credentials_of_the_api_do_not_follow_a_redirect_to_another_host(local, origin, quick):
    from origin import http_origin

    with http_origin() as other:
        other.files["/signed"] = SMALL
        origin.fault = lambda seen, number: Fault(location=f"{other.url}/signed?a=%2f%2F~")
        land([linked(origin, SMALL, headers=(("X-Auth-Token", "secret"),))], local, options=quick)
        assert origin.seen[0].headers["X-Auth-Token"] == "secret"
        assert "X-Auth-Token" not in other.seen[0].headers
        assert other.seen[0].target == "/signed?a=%2f%2F~"


def test_busy_servers_are_waited_for(local, origin, quick):
    origin.fault = lambda seen, number: Fault(status=503) if number in (1, 3, 4) else None
    land([linked(origin, BIG)], local, options=quick)
    assert contents(local, "export.zip") == BIG


def test_a_source_that_keeps_failing_ends_as_an_interruption(local, origin, quick):
    origin.fault = lambda seen, number: Fault(cut=0) if number > 2 else None
    options = LandingOptions(attempts=2, stall_seconds=1, jitter=lambda: 0.0, part_size=5 << 20)
    with pytest.raises(TransferInterruptedError):
        land([linked(origin, BIG)], local, options=options)
    assert not leftovers(local)


def test_progress_reaches_the_total(local, origin, quick):
    told = []
    land([linked(origin, BIG)], local, options=quick, progress=told.append)
    assert all(report.total == len(BIG) for report in told)
