"""S3 stores that lack something of Amazon's: what lands is right all the same, and no claim is false."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest
from landing_kit import FACTS, MemoryState, contents, leftovers, linked, noise, zipped
from s3_quirks import CHECKSUMS, Quirks, QuirkyS3, Refusal, quirky_s3

from airflow_provider_assets.landing import S3Store, land
from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.layouts import parts as sizes
from airflow_provider_assets.landing.stores.base import Part
from airflow_provider_assets.sansio.errors import (
    AuthenticationError,
    IntegrityError,
    InvalidRequestError,
    TransferInterruptedError,
)


@cache
def parts() -> bytes:
    """A zip that lands in parts, 15 MB."""
    return zipped({f"{n}.png": noise(3_000_000, n) for n in range(5)})


@cache
def one_part() -> bytes:
    return zipped({"a.png": noise(1000), "b.png": noise(2000, 2)})


NO_CHECKSUMS = Quirks(ignores=CHECKSUMS)
QUIRKS = {
    "nothing special": Quirks(keeps_checksum=True),
    "ignores checksums": NO_CHECKSUMS,
    "refuses checksums with 400": Quirks(refuses=(Refusal(CHECKSUMS, 400, "InvalidArgument"),)),
    "refuses checksums with 501": Quirks(refuses=(Refusal(CHECKSUMS),)),
    "refuses FULL_OBJECT": Quirks(
        refuses=(Refusal("x-amz-checksum-type: FULL", 400, "InvalidRequest"),)
    ),
    "ignores If-None-Match": Quirks(ignores="if-none-match", keeps_checksum=True),
    "refuses If-None-Match": Quirks(refuses=(Refusal("if-none-match"),), keeps_checksum=True),
    "refuses the size": Quirks(
        refuses=(Refusal("x-amz-mp-object-size", 400, "InvalidArgument"),), keeps_checksum=True
    ),
    "lists no uploads": Quirks(refuses=(Refusal("ListMultipartUploads"),), keeps_checksum=True),
    "lists no parts": Quirks(
        refuses=(Refusal("ListParts", 405, "MethodNotAllowed"),), keeps_checksum=True
    ),
    # What the public documentation of Huawei's store does not name is ignored; bodies are unsigned.
    "Huawei OBS": Quirks(ignores=f"{CHECKSUMS}|if-none-match|x-amz-mp-", unsigned_only=True),
    "refuses all of it": Quirks(
        refuses=(
            Refusal(CHECKSUMS), Refusal("if-none-match"), Refusal("x-amz-mp-"),
            Refusal("ListMultipartUploads"), Refusal("ListParts"),
        )
    ),
}  # fmt: skip


@pytest.fixture
def serve(s3_server, s3) -> Iterator:
    """Makes a store with quirks in front of the bucket of ``s3``."""
    running = []

    def make(quirks: Quirks) -> tuple[QuirkyS3, S3Store]:
        running.append(quirky_s3(s3_server, quirks))
        server = running[-1].__enter__()
        return server, S3Store(server.client(), s3.bucket)

    yield make
    for one in running:
        one.__exit__(None, None, None)


@pytest.fixture(params=list(QUIRKS))
def quirks(request) -> Quirks:
    return QUIRKS[request.param]


def test_an_archive_lands_and_is_claimed_verified_only_where_the_store_said_so(
    serve, quirks, s3, origin, quick
):
    _, store = serve(quirks)
    manifest = land([linked(origin, parts())], store, options=quick, facts=FACTS)
    assert contents(s3, "export.zip") == parts()
    assert ("store_checksum" in manifest.verified) == quirks.keeps_checksum
    assert ("store_checksum" in manifest.unverified) != quirks.keeps_checksum
    assert set(dict(s3.listing(""))) == {"export.zip", "export.zip.manifest.json"}
    assert not leftovers(s3)
    assert land([linked(origin, parts())], store, options=quick, facts=FACTS).skipped


def test_files_land_and_are_claimed_verified_only_where_the_store_said_so(
    serve, quirks, s3, origin, quick
):
    _, store = serve(quirks)
    manifest = land([linked(origin, one_part())], store, layout="files", options=quick, facts=FACTS)
    assert contents(s3, "b.png") == noise(2000, 2)
    claims = "store_checksum" in manifest.verified
    # Small files need no FULL_OBJECT.
    assert claims == (quirks.keeps_checksum or quirks == QUIRKS["refuses FULL_OBJECT"])
    assert claims == (s3.rules.keeps_checksum or store.rules.keeps_checksum)


@pytest.mark.parametrize("data", [one_part, parts], ids=["one part", "many parts"])
def test_a_name_that_is_taken_is_never_overwritten(serve, quirks, s3, origin, quick, data):
    data = data()
    _, store = serve(quirks)
    s3.put("export.zip", b"precious", crc32=zlib.crc32(b"precious"), overwrite=True)
    with pytest.raises(InvalidRequestError, match="overwrite"):
        land([linked(origin, data)], store, options=quick, facts=FACTS)
    assert contents(s3, "export.zip") == b"precious"
    land([linked(origin, data)], store, options=quick, facts=FACTS, overwrite=True)
    assert contents(s3, "export.zip") == data
    assert not leftovers(s3)


def test_no_single_file_of_many_is_overwritten(serve, quirks, s3):
    _, store = serve(quirks)
    for name in ("a", "b", "c"):
        data = name.encode()
        store.put(name, data, crc32=zlib.crc32(data), overwrite=False)
        with pytest.raises(InvalidRequestError, match="overwrite"):
            store.put(name, b"other", crc32=zlib.crc32(b"other"), overwrite=False)
        # The same once more is what a repeated request is, after its answer was lost.
        store.put(name, data, crc32=zlib.crc32(data), overwrite=False)
        assert contents(s3, name) == data


@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(ignores="Complete if-none-match"),
        Quirks(refuses=(Refusal("Complete if-none-match"),)),
        Quirks(refuses=(Refusal("Put if-none-match"),)),
    ],
    ids=["ignored in Complete", "refused in Complete", "refused in PutObject"],
)
def test_a_condition_of_one_operation_says_nothing_about_the_other(serve, s3, quirks):
    """Amazon documents the condition for both, compatible stores for PutObject only."""
    _, store = serve(quirks)
    data, other = noise(6 << 20), b"other"
    store.put("new", other, crc32=zlib.crc32(other), overwrite=False)
    for name in ("first", "second"):
        s3.put(name, b"precious", crc32=zlib.crc32(b"precious"), overwrite=True)
        writer = store.begin(name, label="label")
        whole = Checksum(len(data), zlib.crc32(data))
        writer.put_part(Part(1, 0, whole.size, whole.crc32), memoryview(data))
        with pytest.raises(InvalidRequestError, match="overwrite"):
            writer.commit(whole, overwrite=False)
        writer.discard()
        with pytest.raises(InvalidRequestError, match="overwrite"):
            store.put(name, other, crc32=zlib.crc32(other), overwrite=False)
        assert contents(s3, name) == b"precious"


def test_a_broken_landing_goes_on_or_starts_again(serve, quirks, s3, origin, quick):
    server, store = serve(quirks)
    state = MemoryState()
    server.quirks = replace(quirks, refuses=(*quirks.refuses, Refusal("Complete", 500, "Oops")))
    with pytest.raises(TransferInterruptedError):
        land([linked(origin, parts())], store, options=quick, facts=FACTS, state=state)
    server.quirks = quirks
    sent = origin.sent
    again = S3Store(server.client(), s3.bucket)  # as the next attempt's process makes it
    land([linked(origin, parts())], again, options=quick, facts=FACTS, state=state)
    assert contents(s3, "export.zip") == parts()
    lists_parts = not any(one.what == "ListParts" for one in quirks.refuses)
    assert (origin.sent - sent < len(parts()) // 2) == lists_parts
    assert not leftovers(s3)


@pytest.mark.parametrize("data", [one_part, parts], ids=["one part", "many parts"])
def test_a_store_that_loses_bytes_publishes_nothing(serve, s3, origin, quick, data):
    data = data()
    _, store = serve(replace(NO_CHECKSUMS, loses=1, ignores=f"{CHECKSUMS}|content-md5|x-amz-mp-"))
    with pytest.raises(IntegrityError, match="were removed"):
        land([linked(origin, data)], store, options=quick, facts=FACTS)
    assert contents(s3, "export.zip") is None


def test_bodies_carry_their_md5_where_the_store_keeps_no_crc(serve, s3, origin, quick):
    server, store = serve(NO_CHECKSUMS)
    land([linked(origin, parts())], store, options=quick, facts=FACTS)
    uploaded = [headers for what, headers in server.seen if what == "UploadPart"]
    assert uploaded
    assert all("content-md5" in headers for headers in uploaded)


def test_a_part_that_is_damaged_on_its_way_is_a_passing_failure(serve, s3):
    server, store = serve(NO_CHECKSUMS)
    writer = store.begin("thing", label="label")
    server.quirks = replace(NO_CHECKSUMS, loses=1)
    data = noise(100)
    with pytest.raises(TransferInterruptedError, match="BadDigest"):
        writer.put_part(Part(1, 0, 100, zlib.crc32(data)), memoryview(data))
    writer.discard()


def test_what_a_store_refuses_is_asked_of_it_once(serve, s3, caplog):
    server, store = serve(QUIRKS["refuses checksums with 501"])
    for number in range(5):
        store.put(f"{number}", b"x", crc32=zlib.crc32(b"x"), overwrite=True)
    assert server.count("Put") == 6
    assert caplog.text.count("x-amz-checksum-crc32") == 1


def test_a_store_that_obeys_conditions_is_not_asked_before_each_object(serve, s3):
    server, store = serve(QUIRKS["nothing special"])
    for number in range(5):
        store.put(f"{number}", b"x", crc32=zlib.crc32(b"x"), overwrite=False)
    assert server.count("Head") == 1
    assert server.count("Put") == 6


@pytest.mark.parametrize("quirk", ["nothing special", "ignores checksums", "refuses FULL_OBJECT"])
def test_the_sha256_is_left_out_only_where_the_store_keeps_a_checksum(
    serve, s3, origin, quick, monkeypatch, quirk
):
    monkeypatch.setattr(sizes, "_HASHED", 1 << 20)
    _, store = serve(QUIRKS[quirk])
    manifest = land([linked(origin, parts())], store, options=quick, facts=FACTS)
    assert (manifest.sha256 is None) == QUIRKS[quirk].keeps_checksum


@pytest.mark.parametrize(
    "code", ["RequestTimeout", "IncompleteBody", "Throttling", "ThrottlingException", "SlowDown"]
)
def test_a_400_that_passes_keeps_the_parts_for_the_next_attempt(serve, s3, origin, quick, code):
    server, store = serve(Quirks(refuses=(Refusal("Complete", 400, code),)))
    state = MemoryState()
    with pytest.raises(TransferInterruptedError, match=code):
        land([linked(origin, parts())], store, options=quick, facts=FACTS, state=state)
    server.quirks = Quirks()
    sent = origin.sent
    land([linked(origin, parts())], store, options=quick, facts=FACTS, state=state)
    assert contents(s3, "export.zip") == parts()
    assert origin.sent - sent < len(parts()) // 2


def test_an_upload_that_is_refused_leaves_no_mark(serve, s3):
    _, store = serve(Quirks(refuses=(Refusal("Create", 403, "AccessDenied"),)))
    with pytest.raises(AuthenticationError):
        store.begin("thing", label="label")
    assert dict(s3.listing("")) == {}


def test_a_mark_whose_upload_a_lifecycle_rule_removed_is_swept(s3):
    writer = s3.begin("thing", label="label")
    s3.client.abort_multipart_upload(Bucket=s3.bucket, Key="thing", UploadId=writer.upload)
    other = s3.begin("other", label="label")
    s3.sweep(["thing"])
    assert set(dict(s3.listing(""))) == {"other.landing"}
    other.discard()


def test_a_missing_permission_to_list_uploads_does_not_stop_a_landing(
    serve, s3, origin, quick, caplog
):
    _, store = serve(Quirks(refuses=(Refusal("ListMultipartUploads", 403, "AccessDenied"),)))
    land([linked(origin, parts())], store, options=quick, facts=FACTS)
    assert contents(s3, "export.zip") == parts()
    assert "Cannot look for" in caplog.text


def test_a_store_that_forbids_to_delete_lands_again_and_again(serve, s3, origin, quick, caplog):
    refusals = (Refusal("Delete", 403, "AccessDenied"), Refusal("Abort", 403, "AccessDenied"))
    _, store = serve(Quirks(refuses=refusals))
    left = s3.begin("export.zip", label="dead")
    for night in ("1", "2"):
        facts = FACTS | {"job_id": night}
        manifest = land(
            [linked(origin, parts())], store, options=quick, facts=facts, overwrite=True
        )
        assert not manifest.skipped
    assert contents(s3, "export.zip") == parts()
    assert "Cleanup failed" in caplog.text
    left.discard()


def test_an_archive_without_files_looks_at_nothing_else_in_the_bucket(serve, s3, origin, quick):
    server, store = serve(Quirks())
    land([linked(origin, zipped({}))], store, options=quick, facts=FACTS, layout="files")
    assert server.count("ListMultipartUploads") == 0
