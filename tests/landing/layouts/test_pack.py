"""Several downloads packed into one zip in flight."""

from __future__ import annotations

import io
import random
import subprocess
import threading
import time
import zipfile
from functools import cache

import pytest
from landing_kit import FewParts, contents, leftovers, linked, noise
from origin import Fault

from airflow_provider_assets.landing import LandingOptions, Source, land
from airflow_provider_assets.landing.layouts import parts
from airflow_provider_assets.landing.stores.local.store import LocalWriter
from airflow_provider_assets.sansio.downloads import ArchiveFile, Link
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    AuthenticationError,
    InvalidRequestError,
)


@cache
def things() -> dict[str, bytes]:
    return {
        "small.png": noise(300_000, 1),
        "ümlaut.png": noise(10, 2),
        "empty": b"",
        "large.tif": noise(11_000_000, 3),
        "exactly.bin": noise(8 << 20, 4),
        "more.bin": noise((8 << 20) + 1, 5),
        "last.txt": b"bye",
    }


@pytest.mark.parametrize("ranged", [True, False])
def test_the_archive_holds_every_file_in_order(store, origin, quick, ranged):
    origin.ranged = ranged
    manifest = land(sources_quoted(origin), store, prefix="p/", name="night.zip", options=quick)
    with zipfile.ZipFile(io.BytesIO(contents(store, "p/night.zip"))) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == things()
        assert opened.namelist() == list(things())
    assert manifest.entries == len(things())
    assert {"zip_structure", "zip_crc32"} <= set(manifest.verified)
    assert not leftovers(store)


def sources_quoted(origin):
    made = []
    for number, (name, data) in enumerate(things().items()):
        origin.files[f"/{number}"] = data
        made.append(
            Source(ArchiveFile(str(number), name), lambda n=number: Link(f"{origin.url}/{n}"))
        )
    return made


def test_parts_grow_where_the_store_allows_few(s3, origin, quick):
    few = FewParts(s3, 4)
    made = sources_quoted(origin)
    sized = [
        Source(ArchiveFile(s.file.key, s.file.name, len(data)), s.resolve)
        for s, data in zip(made, things().values(), strict=True)
    ]
    land(sized, few, name="night.zip", options=quick)
    with zipfile.ZipFile(io.BytesIO(contents(s3, "night.zip"))) as opened:
        assert opened.testzip() is None
    with pytest.raises(InvalidRequestError, match="part_size="):
        land(made, few, name="other.zip", options=quick)
    assert not leftovers(s3)


def test_the_same_files_give_the_same_bytes_whatever_happens_on_the_way(local, origin, quick):
    land(sources_quoted(origin), local, name="a.zip", options=quick)
    draw = random.Random(3)
    origin.fault = lambda seen, number: (
        Fault(cut=draw.randrange(100_000)) if number % 4 == 1 else None
    )
    land(sources_quoted(origin), local, name="b.zip", options=quick)
    assert contents(local, "a.zip") == contents(local, "b.zip")


@pytest.mark.parametrize("announced", [True, False])
def test_a_large_stream_is_opened_when_its_turn_comes(local, origin, quick, announced):
    origin.ranged, origin.announce_length, origin.rate = False, announced, 40e6
    streams = {f"{number}": noise(20_000_000, number) for number in range(3)} | {"small": b"small"}
    opened: dict[str, float] = {}
    origin.fault = lambda seen, number: opened.update({seen.target: time.monotonic()})
    sources = [linked(origin, data, name) for name, data in streams.items()]
    land(sources, local, name="night.zip", options=quick)
    assert opened["/1"] - opened["/0"] > 0.4  # what takes half a second has ended
    assert opened["/2"] - opened["/1"] > 0.4
    with zipfile.ZipFile(local.root / "night.zip") as opened_zip:
        assert {name: opened_zip.read(name) for name in opened_zip.namelist()} == streams


def test_a_file_gives_the_same_bytes_whether_its_length_is_announced(local, origin, quick):
    land(sources_quoted(origin), local, name="a.zip", options=quick)
    origin.ranged = origin.announce_length = False
    land(sources_quoted(origin), local, name="b.zip", options=quick)
    assert contents(local, "a.zip") == contents(local, "b.zip")


def test_a_large_archive_is_not_hashed_where_the_store_keeps_a_checksum(
    s3, origin, quick, monkeypatch
):
    monkeypatch.setattr(parts, "_HASHED", 10_000_000)
    large = [
        Source(ArchiveFile(one.file.key, one.file.name, len(data)), one.resolve)
        for one, data in zip(sources_quoted(origin), things().values(), strict=True)
    ]
    manifest = land(large, s3, name="large.zip", options=quick)
    assert manifest.sha256 is None
    assert "store_checksum" in manifest.verified
    assert land(large[:3], s3, name="small.zip", options=quick).sha256


def test_a_missing_file_leaves_no_archive(store, origin, quick):
    made = sources_quoted(origin)
    del origin.files["/4"]
    with pytest.raises(AssetsError):
        land(made, store, name="night.zip", options=quick)
    assert contents(store, "night.zip") is None
    assert not leftovers(store)


def test_the_system_unzip_accepts_the_archive(local, origin, quick):
    import shutil

    if not shutil.which("unzip"):
        pytest.skip("there is no unzip here")
    land(sources_quoted(origin), local, name="night.zip", options=quick)
    subprocess.run(["unzip", "-tq", str(local.root / "night.zip")], check=True)


@pytest.mark.parametrize("hanging", ["/0", "/1"], ids=["the first hangs", "the second hangs"])
@pytest.mark.parametrize(
    "silence",
    [Fault(drip=600.0, drip_head=True), Fault(stall=10, stalled=600.0)],
    ids=["before its header", "in its body"],
)
def test_a_file_that_fails_is_reported_at_once_whichever_other_one_hangs(
    local, origin, hanging, silence
):
    began = threading.Event()

    def fault(seen, number):
        if seen.target != hanging:
            return Fault(status=415, after=began)
        began.set()
        return silence

    origin.fault = fault
    sources = [linked(origin, noise(1000), str(number)) for number in range(2)]
    with pytest.raises(AssetsError, match="415"):  # long before the timeout of the tests
        land(sources, local, name="a.zip", options=LandingOptions(stall_seconds=600.0))
    assert not leftovers(local)


def test_a_store_that_refuses_is_reported_although_downloads_are_cancelled_for_it(
    local, origin, monkeypatch
):
    def fault(seen, number):
        return Fault(stall=10, stalled=600.0) if seen.target != "/large" else None

    def refuses(writer, part, data):
        raise AuthenticationError("the store refuses")

    origin.fault = fault
    monkeypatch.setattr(LocalWriter, "put_part", refuses)
    sources = [
        linked(origin, noise(20_000_000), "large"),
        *(linked(origin, noise(1000, number), str(number)) for number in range(3)),
    ]
    options = LandingOptions(stall_seconds=600.0, part_size=4 << 20)
    with pytest.raises(AuthenticationError, match="the store refuses"):
        land(sources, local, name="a.zip", options=options)
