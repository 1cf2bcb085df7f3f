"""Landings that break, are killed, and go on."""

from __future__ import annotations

import hashlib
import zipfile

import pytest
from broken_landings import HASTY, breaking_after, broken_half_way, parts_of
from landing_kit import (
    FACTS,
    MemoryState,
    big,
    contents,
    leftovers,
    linked,
    noise,
    over_http_and_https,
    zipped,
)
from origin import Fault

from airflow_provider_assets.landing import LandingOptions, land
from airflow_provider_assets.landing.stores.s3.store import S3Writer
from airflow_provider_assets.sansio.errors import IntegrityError, TransferInterruptedError


@over_http_and_https
def test_a_broken_landing_goes_on_with_the_parts_that_are_stored(store, origin, quick):
    state = broken_half_way(store, origin)
    assert contents(store, "export.zip") is None
    parts = parts_of(state)
    assert parts >= 1
    before = origin.sent
    manifest = land([linked(origin, big())], store, options=quick, facts=FACTS, state=state)
    assert contents(store, "export.zip") == big()
    assert {"length", "zip_structure", "zip_crc32"} <= set(manifest.verified)
    assert origin.sent - before <= len(big()) - parts * (5 << 20) + 4_000_000
    assert not state.kept
    assert not leftovers(store)


def test_the_sha256_of_a_resumed_local_landing_is_still_known(local, origin, quick):
    state = broken_half_way(local, origin)
    manifest = land([linked(origin, big())], local, options=quick, facts=FACTS, state=state)
    assert manifest.sha256 == hashlib.sha256(big()).hexdigest()


def test_a_resumed_upload_says_that_it_has_no_sha256(s3, origin, quick):
    state = broken_half_way(s3, origin)
    manifest = land([linked(origin, big())], s3, options=quick, facts=FACTS, state=state)
    assert manifest.sha256 is None
    assert "sha256" in manifest.unverified
    assert "store_checksum" in manifest.verified


def test_a_large_entry_is_fetched_again_in_parts_and_by_several_connections(s3, origin, quick):
    data = zipped({"huge.bin": noise(40_000_000)})
    state = broken_half_way(s3, origin, data)
    assert parts_of(state) >= 1
    sent, asked = origin.sent, len(origin.seen)
    manifest = land([linked(origin, data)], s3, options=quick, facts=FACTS, state=state)
    assert contents(s3, "export.zip") == data
    assert "zip_crc32" in manifest.verified
    assert origin.sent - sent <= 1.3 * len(data)
    assert len(origin.seen) - asked <= 1.5 * len(data) / (5 << 20) + 4


def test_what_was_stored_unverified_is_fetched_again_to_be_verified(s3, origin, quick):
    damaged = bytearray(big())
    damaged[3_000_000] ^= 1
    state = broken_half_way(s3, origin, bytes(damaged), verify=False)
    how = {"options": quick, "facts": FACTS, "state": state}
    with pytest.raises(IntegrityError):
        land([linked(origin, bytes(damaged))], s3, **how)
    assert contents(s3, "export.zip") is None
    assert not leftovers(s3)


@over_http_and_https
def test_a_landing_that_breaks_twice_goes_on_twice(store, origin, quick):
    state = broken_half_way(store, origin)
    parts = parts_of(state)
    origin.fault = lambda seen, number: Fault(status=503)
    with pytest.raises(TransferInterruptedError):
        land([linked(origin, big())], store, options=HASTY, facts=FACTS, state=state)
    assert parts_of(state) == parts
    origin.fault, sent = lambda seen, number: None, origin.sent
    land([linked(origin, big())], store, options=quick, facts=FACTS, state=state)
    assert contents(store, "export.zip") == big()
    assert origin.sent - sent <= len(big()) - parts * (5 << 20) + 4_000_000


def test_a_wanted_sha256_is_worth_starting_over(s3, origin):
    state = broken_half_way(s3, origin)
    options = LandingOptions(part_size=5 << 20, sha256=True)
    manifest = land([linked(origin, big())], s3, options=options, facts=FACTS, state=state)
    assert manifest.sha256 == hashlib.sha256(big()).hexdigest()
    assert not leftovers(s3)


def test_a_deflated_archive_is_resumed_as_well(store, origin, quick):
    data = zipped(
        {f"{n}": noise(900_000, n) for n in range(40)}, zipfile.ZIP_DEFLATED, streamed=True
    )
    state = broken_half_way(store, origin, data)
    land([linked(origin, data)], store, options=quick, facts=FACTS, state=state)
    assert contents(store, "export.zip") == data


def test_damage_in_what_was_stored_before_is_found(local, origin, quick):
    state = broken_half_way(local, origin)
    [part] = local.root.glob(".*.part")
    with part.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"damage")
    land([linked(origin, big())], local, options=quick, facts=FACTS, state=state)
    assert contents(local, "export.zip") == big()


def test_an_upload_that_is_gone_is_started_anew(s3, origin, quick):
    state = broken_half_way(s3, origin)
    S3Writer(s3, "export.zip", state.get("landing:export.zip")["writer"]["upload"]).discard()
    land([linked(origin, big())], s3, options=quick, facts=FACTS, state=state)
    assert contents(s3, "export.zip") == big()


def test_another_file_behind_the_link_is_landed_from_its_start(store, origin, quick):
    state = broken_half_way(store, origin)
    newer = zipped({"new.bin": noise(24_000_000, 99)})
    origin.etags["/export.zip"] = '"two"'
    land([linked(origin, newer)], store, options=quick, facts=FACTS, state=state)
    assert contents(store, "export.zip") == newer
    assert not leftovers(store)


def test_another_landing_does_not_take_over_the_parts(store, origin, quick):
    state = broken_half_way(store, origin)
    land([linked(origin, big())], store, options=quick, facts={"fingerprint": "other"}, state=state)
    assert contents(store, "export.zip") == big()
    assert not leftovers(store)


def test_without_a_state_nothing_is_left_behind(store, origin):
    origin.fault = breaking_after(3)
    with pytest.raises(TransferInterruptedError):
        land([linked(origin, big())], store, options=HASTY, facts=FACTS)
    assert not leftovers(store)
    assert not dict(store.listing(""))


@pytest.mark.parametrize("layout", ["archive", "files"])
def test_a_state_that_fails_neither_fails_nor_masks_anything(store, origin, quick, caplog, layout):
    state = MemoryState()
    state.fails = True
    how = {"layout": layout, "facts": FACTS, "state": state}
    origin.fault = breaking_after(3)
    with pytest.raises(TransferInterruptedError):
        land([linked(origin, big())], store, options=HASTY, **how)
    origin.fault = lambda seen, number: None
    assert land([linked(origin, big())], store, options=quick, **how).verified
    assert state.failures
    assert "the landing continues" in caplog.text
    assert not leftovers(store)


def test_a_state_that_fails_after_a_publish_does_not_fail_the_landing(store, origin, quick):
    state = broken_half_way(store, origin)

    def progress(report):
        state.fails = state.fails or report.bytes == report.total

    how = {"options": quick, "facts": FACTS, "state": state}
    land([linked(origin, big())], store, progress=progress, **how)
    assert contents(store, "export.zip") == big()
    assert land([linked(origin, big())], store, **how).skipped


def test_a_damaged_source_leaves_nothing_to_resume(store, origin, quick):
    data = bytearray(big())
    data[len(data) // 2] ^= 1
    state = MemoryState()
    with pytest.raises(IntegrityError):
        land([linked(origin, bytes(data))], store, options=quick, facts=FACTS, state=state)
    assert not state.kept
    assert not leftovers(store)


@pytest.mark.parametrize("is_resumed", [False, True])
@pytest.mark.parametrize("beside", [".manifest.json", ".landing.json"])
def test_a_small_object_that_a_kill_left_unfinished_is_swept(
    local, origin, quick, beside, is_resumed
):
    state = broken_half_way(local, origin) if is_resumed else MemoryState()
    local.begin(f"export.zip{beside}", label="small").keep()
    land([linked(origin, big())], local, options=quick, facts=FACTS, state=state)
    assert not leftovers(local)


def test_foreign_uploads_and_files_are_not_swept(s3, local, origin, quick):
    answer = s3.client.create_multipart_upload(Bucket=s3.bucket, Key="export.zip")
    land([linked(origin, big())], s3, options=quick, facts=FACTS)
    assert leftovers(s3) == [answer["UploadId"]]
    s3.client.abort_multipart_upload(
        Bucket=s3.bucket, Key="export.zip", UploadId=answer["UploadId"]
    )
    foreign = local.root / ".export.zip.part"
    foreign.write_bytes(b"of another tool")
    land([linked(origin, big())], local, options=quick, facts=FACTS)
    assert foreign.exists()
