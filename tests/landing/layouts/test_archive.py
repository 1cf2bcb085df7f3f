"""One zip, streamed as it is into an object."""

from __future__ import annotations

import hashlib
import json
import zlib

import pytest
from landing_kit import (
    big,
    contents,
    images,
    landed,
    leftovers,
    linked,
    noise,
    small,
    zipped,
)

from airflow_provider_assets.landing import Manifest, Source, land
from airflow_provider_assets.sansio.downloads import ArchiveFile
from airflow_provider_assets.sansio.errors import (
    IntegrityError,
    InvalidRequestError,
    PartialArchiveError,
)


@pytest.mark.parametrize("data", [small, big], ids=["one part", "many parts"])
def test_an_archive_lands_as_it_is(store, origin, quick, data):
    data = data()
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
        [linked(origin, big())], store, options=quick, facts={"fingerprint": "f", "vendor": "v"}
    )
    document = json.loads(contents(store, "export.zip.manifest.json"))
    assert {entry["name"]: entry["bytes"] for entry in document["files"]} == {
        name: len(data) for name, data in images().items()
    }
    assert document["facts"]["vendor"] == "v"
    assert Manifest.from_dict(manifest.to_dict()) == manifest


def test_a_local_landing_has_the_sha256_of_the_whole(local, origin, quick):
    assert (
        land([linked(origin, big())], local, options=quick).sha256
        == hashlib.sha256(big()).hexdigest()
    )


def test_s3_confirms_the_checksum_of_the_whole(s3, origin, quick):
    manifest = land([linked(origin, big())], s3, options=quick)
    assert "store_checksum" in manifest.verified
    assert f"{s3.head('export.zip').crc32:08x}" == manifest.crc32


def test_a_finished_landing_moves_nothing_again(store, origin, quick):
    source = linked(origin, big())
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
    land(
        [linked(origin, small())], store, options=quick, facts=night | {"job_id": "1"}, expected=20
    )
    known = {"options": quick, "expected": 20}
    assert land([linked(origin, big())], store, facts=night | {"job_id": "1"}, **known).skipped
    assert not land([linked(origin, big())], store, facts=night | {"job_id": "2"}, **known).skipped
    assert contents(store, "export.zip") == big()
    assert land([linked(origin, small())], store, facts=night | {"job_id": "3"}, **known).skipped
    assert not leftovers(store)


@pytest.mark.parametrize("ranged", [True, False])
@pytest.mark.parametrize("many", [False, True], ids=["one download", "several"])
@pytest.mark.parametrize("layout", ["archive", "files"])
def test_an_incomplete_landing_is_not_replaced_by_one_of_fewer_files(
    local, origin, quick, layout, many, ranged
):
    origin.ranged = ranged

    def land_them(job, names, **how):
        if many:
            sources = [linked(origin, name.encode(), name) for name in names]
        else:
            sources = [linked(origin, zipped({name: name.encode() for name in names}))]
        facts = {"fingerprint": "night", "job_id": job}
        how |= {"name": "night", "layout": layout, "prefix": "out/", "options": quick}
        return land(sources, local, facts=facts, expected=4, **how)

    land_them("1", ["a", "b", "c"])
    before = landed(local, "out/"), contents(local, "out/night.manifest.json")
    is_counted_late = (layout, many, ranged) == ("files", False, False)  # at the end of the stream
    outcome = "still records; files that both have were replaced" if is_counted_late else "was kept"
    with pytest.raises(
        PartialArchiveError,
        match=rf"files \(2\) than .* \(3\), which .*{outcome}.* overwrite=True",
    ):
        land_them("2", ["d", "e"])
    now = landed(local, "out/")
    if is_counted_late:
        assert (now.pop("d"), now.pop("e")) == (b"d", b"e")
    assert (now, contents(local, "out/night.manifest.json")) == before
    assert not leftovers(local)
    assert land_them("3", ["d", "e", "f"]).entries == 3
    assert land_them("4", ["d", "e"], overwrite=True).entries == 2


def test_a_package_whose_files_cannot_be_counted_counts_as_complete(local, origin, quick):
    known = {"options": quick, "expected": 30, "name": "package"}
    for number in ("1", "2"):
        facts = {"fingerprint": "night", "job_id": number}
        done = land([linked(origin, noise(3000), "package")], local, facts=facts, **known)
        assert done.skipped == (number == "2")


def test_overwriting_lands_a_later_archive_but_never_the_very_same_twice(local, origin, quick):
    night, known = {"fingerprint": "night"}, {"options": quick, "overwrite": True}
    land([linked(origin, small())], local, facts=night | {"job_id": "1"}, **known)
    assert land([linked(origin, big())], local, facts=night | {"job_id": "1"}, **known).skipped
    assert not land([linked(origin, big())], local, facts=night | {"job_id": "2"}, **known).skipped
    assert contents(local, "export.zip") == big()


def test_another_landing_does_not_replace_the_first(store, origin, quick):
    land([linked(origin, big())], store, options=quick, facts={"fingerprint": "a"})
    with pytest.raises(InvalidRequestError, match="overwrite"):
        land([linked(origin, small())], store, options=quick, facts={"fingerprint": "b"})
    assert contents(store, "export.zip") == big()


@pytest.mark.parametrize("data", [small, big], ids=["one part", "many parts"])
def test_a_foreign_object_is_kept_unless_overwrite_is_said(store, origin, quick, data):
    data = data()
    store.put("export.zip", b"precious", crc32=zlib.crc32(b"precious"), overwrite=True)
    with pytest.raises(InvalidRequestError, match="overwrite"):
        land([linked(origin, data)], store, options=quick)
    assert contents(store, "export.zip") == b"precious"
    assert not leftovers(store)
    land([linked(origin, data)], store, options=quick, overwrite=True)
    assert contents(store, "export.zip") == data


@pytest.mark.parametrize("position", [100, 10_000_000, -30], ids=["start", "middle", "end"])
def test_a_damaged_archive_is_never_published(store, origin, quick, position):
    damaged = bytearray(big())
    damaged[position] ^= 1
    with pytest.raises(IntegrityError):
        land([linked(origin, bytes(damaged))], store, options=quick)
    assert contents(store, "export.zip") is None
    assert contents(store, "export.zip.manifest.json") is None
    assert not leftovers(store)


def test_a_cut_archive_is_never_published(store, origin, quick):
    with pytest.raises(IntegrityError):
        land([linked(origin, big()[:-30])], store, options=quick)
    assert contents(store, "export.zip") is None
    assert not leftovers(store)


def test_an_error_page_is_no_archive(store, origin, quick):
    with pytest.raises(IntegrityError, match="not a zip"):
        land([linked(origin, b"<html>sorry</html>")], store, options=quick)
    assert contents(store, "export.zip") is None


def test_a_length_other_than_announced_is_refused(local, origin, quick):
    source = linked(origin, big())
    wrong = Source(ArchiveFile("k", "export.zip", len(big()) + 1), source.resolve)
    with pytest.raises(IntegrityError, match="announced"):
        land([wrong], local, options=quick)
