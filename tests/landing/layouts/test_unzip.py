"""Archives unpacked in flight, and downloads landed side by side."""

from __future__ import annotations

import zipfile
import zlib

import pytest
from landing_kit import (
    FewParts,
    MemoryState,
    contents,
    landed,
    leftovers,
    linked,
    noise,
    unzipped,
    zipped,
)
from origin import Fault
from unpacked_kit import KINDS, files, kind

from airflow_provider_assets.landing import LandingOptions, land
from airflow_provider_assets.sansio.errors import AssetsError, IntegrityError, InvalidRequestError


@pytest.fixture(params=["ranged", "one pass", "single use"])
def way(request, origin):
    origin.ranged = request.param != "one pass"
    return {"single_use": request.param == "single use"}


@pytest.mark.parametrize("packed", KINDS)
def test_every_file_lands_with_its_bytes(local, origin, quick, way, packed):
    data = kind(packed)
    manifest = land(
        [linked(origin, data, **way)], local, prefix="out/", layout="files", options=quick
    )
    inside = unzipped(data)
    assert landed(local, "out/") == inside
    assert manifest.entries == len(inside)
    assert {"zip_structure", "zip_crc32", "length"} <= set(manifest.verified)
    assert not leftovers(local)


@pytest.mark.parametrize("packed", ["stored", "deflated"])
def test_every_file_lands_in_s3(s3, origin, quick, way, packed):
    data = kind(packed)
    manifest = land([linked(origin, data, **way)], s3, prefix="out/", layout="files", options=quick)
    assert landed(s3, "out/") == unzipped(data)
    assert "store_checksum" in manifest.verified
    assert not leftovers(s3)


def test_parts_of_a_large_entry_grow_where_the_store_allows_few(s3, origin, quick):
    few = FewParts(s3, 2)
    for packed in ("stored", "deflated"):
        source = linked(origin, kind(packed))
        land([source], few, prefix=f"{packed}/", layout="files", options=quick)
        assert landed(s3, f"{packed}/") == unzipped(kind(packed))
    origin.ranged = False
    with pytest.raises(InvalidRequestError, match="part_size="):
        land([linked(origin, kind("stored"))], few, prefix="one/", layout="files", options=quick)
    assert not leftovers(s3)


def test_the_files_of_an_archive_are_fetched_without_reading_it_twice(local, origin, quick):
    land([linked(origin, kind("stored"))], local, layout="files", options=quick)
    assert origin.sent <= 1.05 * len(kind("stored"))


def test_a_finished_landing_of_files_moves_nothing_again(local, origin, quick):
    source = linked(origin, kind("stored"))
    land([source], local, prefix="out/", layout="files", options=quick, facts={"fingerprint": "f"})
    asked = len(origin.seen)
    again = land(
        [source], local, prefix="out/", layout="files", options=quick, facts={"fingerprint": "f"}
    )
    assert again.skipped
    assert len(origin.seen) == asked


def test_a_missing_file_is_landed_again(local, origin, quick):
    source = linked(origin, kind("stored"))
    land([source], local, prefix="out/", layout="files", options=quick, facts={"fingerprint": "f"})
    local.delete("out/empty")
    again = land(
        [source], local, prefix="out/", layout="files", options=quick, facts={"fingerprint": "f"}
    )
    assert not again.skipped
    assert landed(local, "out/") == unzipped(kind("stored"))


def test_a_damaged_entry_never_appears_and_nothing_is_committed(local, origin, quick, way):
    data = bytearray(kind("stored"))
    at = data.index(files()["images/030.png"]) + 1000
    data[at] ^= 255
    with pytest.raises(IntegrityError):
        land(
            [linked(origin, bytes(data), **way)],
            local,
            prefix="out/",
            layout="files",
            options=quick,
        )
    assert "images/030.png" not in landed(local, "out/")
    assert not [key for key, _ in local.listing("out/") if key.endswith("export.zip.manifest.json")]
    assert not leftovers(local)


@pytest.mark.parametrize("ranged", [True, False])
def test_files_of_a_damaged_archive_block_other_bytes_until_that_is_said(
    local, origin, quick, ranged
):
    origin.ranged = ranged

    def archive(first):
        return zipped({"a.json": first, "b.bin": b"b" * 100})

    damaged = bytearray(archive(b"1"))
    damaged[damaged.index(b"b" * 50)] ^= 1
    how = {"prefix": "out/", "layout": "files", "facts": {"fingerprint": "f"}, "options": quick}
    with pytest.raises(IntegrityError):
        land([linked(origin, bytes(damaged))], local, **how)
    assert landed(local, "out/") == {"a.json": b"1"}
    whole = linked(origin, archive(b"2"))
    with pytest.raises(InvalidRequestError, match=r"an attempt that failed; .* overwrite=True"):
        land([whole], local, **how)
    assert not land([whole], local, overwrite=True, **how).skipped
    assert landed(local, "out/")["a.json"] == b"2"


def test_names_that_are_hard_to_store_land(store, origin, quick, way):
    long = "n" * 251 + ".png"
    hard = {long: b"1", long.upper(): b"2", "a": b"3", "a/b.txt": b"4", ".staging/export.zip": b"5",
             "EXPORT.zip.manifest.json": b"6", "big": noise(9_000_000), "big.landing/1": b"7",
             "big.landing": b"8"}  # fmt: skip
    source = linked(origin, zipped(hard), **way)
    manifest = land(
        [source], store, prefix="out/", layout="files", options=quick, facts={"fingerprint": "a/b"}
    )
    found = landed(store, "out/")
    assert sorted(found.values()) == sorted(hard.values())
    assert manifest.entries == len(found) == len(hard)
    assert not leftovers(store)


def test_an_archive_over_the_limits_is_refused_before_anything_lands(local, origin):
    data = zipped({"zeros": bytes(3_000_000)}, method=zipfile.ZIP_DEFLATED)
    with pytest.raises(InvalidRequestError, match="unpacks to"):
        land(
            [linked(origin, data)],
            local,
            layout="files",
            options=LandingOptions(max_unpacked=2_000_000),
        )
    assert not dict(local.listing(""))


def test_drops_and_refusals_do_not_harm(local, origin, quick):
    origin.fault = lambda seen, number: (
        Fault(cut=100_000) if number % 7 == 3 else Fault(status=403) if number == 9 else None
    )
    land([linked(origin, kind("deflated"))], local, prefix="out/", layout="files", options=quick)
    assert landed(local, "out/") == unzipped(kind("deflated"))


def test_a_single_file_that_is_no_archive_lands_under_its_own_name(local, origin, quick, way):
    picture = noise(9_000_000)
    source = linked(origin, picture, "a.png", **way)
    how = {"prefix": "p/", "name": "night.png", "layout": "files"}
    land([source], local, options=quick, **how)
    assert landed(local, "p/") == {"a.png": picture}
    assert contents(local, "p/night.png.manifest.json") is not None


def test_a_retry_fetches_only_the_files_that_are_missing(local, origin, quick):
    data, state = kind("stored"), MemoryState()
    second_half = len(data) // 2

    def fault(seen, number):
        late = seen.start is not None and second_half < seen.start < len(data) - 80_000
        return Fault(cut=0, delay=0.5) if late else None

    origin.fault = fault
    hasty = LandingOptions(attempts=1, stall_seconds=2, part_size=5 << 20)
    with pytest.raises(AssetsError):
        land(
            [linked(origin, data)], local, prefix="out/", layout="files", options=hasty, state=state
        )
    assert landed(local, "out/")
    sent, origin.fault = origin.sent, lambda seen, number: None
    land([linked(origin, data)], local, prefix="out/", layout="files", options=quick, state=state)
    assert landed(local, "out/") == unzipped(data)
    assert origin.sent - sent < 0.9 * len(data)
    assert not state.kept


def test_a_retry_takes_nothing_for_landed_that_is_only_as_long(store, origin, quick):
    source, state = linked(origin, kind("stored")), MemoryState()
    name = "images/000.png"
    old = noise(len(files()[name]), 99)
    store.put(f"out/{name}", old, crc32=zlib.crc32(old), overwrite=True)
    origin.fault = lambda seen, number: Fault(cut=0) if number > 2 else None
    hasty = LandingOptions(attempts=1, stall_seconds=2)
    how = {"prefix": "out/", "layout": "files", "state": state}
    with pytest.raises(AssetsError):
        land([source], store, options=hasty, **how)
    assert state.kept
    origin.fault = lambda seen, number: None
    with pytest.raises(InvalidRequestError, match="overwrite"):
        land([source], store, options=quick, **how)
    assert contents(store, f"out/{name}") == old
    land([source], store, options=quick, overwrite=True, **how)
    assert landed(store, "out/") == unzipped(kind("stored"))
