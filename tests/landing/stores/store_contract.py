"""What the engine relies on in every store: each store's tests inherit it, on a real server."""

from __future__ import annotations

import zlib
from functools import cache

import pytest
from broken_landings import broken_half_way
from landing_kit import (
    FACTS,
    MemoryState,
    contents,
    landed,
    leftovers,
    linked,
    noise,
    unzipped,
    zipped,
)
from unpacked_kit import kind

from airflow_provider_assets.landing import (
    AzureStore,
    FsspecStore,
    GcsStore,
    LocalStore,
    S3Store,
    land,
)
from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.stores.base import Part, StoredObject
from airflow_provider_assets.sansio.errors import (
    IntegrityError,
    InvalidRequestError,
    TransferInterruptedError,
)

PART = 5 << 20
KEY = "nightly/export.zip"


@cache
def three_parts() -> bytes:
    return noise(2 * PART + 1000)


@cache
def archive() -> bytes:
    """A zip of images, 16 MB: it lands in parts."""
    return zipped({f"image-{n:03}.png": noise(1_000_000, n) for n in range(16)})


def whole(data: bytes) -> Checksum:
    return Checksum(len(data), zlib.crc32(data))


def put(store, key: str, data: bytes, *, overwrite: bool = False) -> StoredObject:
    return store.put(key, data, crc32=zlib.crc32(data), overwrite=overwrite)


def write(writer, data: bytes, numbers: tuple[int, ...] = (1, 2, 3)) -> dict[int, str]:
    tags = {}
    for number in numbers:
        at = (number - 1) * PART
        piece = data[at : at + PART]
        tags[number] = writer.put_part(
            Part(number, at, len(piece), zlib.crc32(piece)), memoryview(piece)
        )
    return tags


def may_be(store, data: bytes) -> tuple[StoredObject, StoredObject]:
    """With the checksum of what is stored, or without: never with another one."""
    return StoredObject(len(data), zlib.crc32(data)), StoredObject(len(data))


class StoreContract:
    """The tests that every store passes; a subclass gives the fixture ``store``."""

    # Whether a landing of many parts has a checksum that the store itself confirms.
    @staticmethod
    def confirms_checksums(store) -> bool:
        return store.rules.keeps_checksum

    def test_a_put_is_read_back_as_it_was(self, store):
        assert put(store, KEY, b"contents") in may_be(store, b"contents")
        assert store.head(KEY) in may_be(store, b"contents")
        assert store.get(KEY) == b"contents"
        assert dict(store.listing("nightly/")) == {KEY: 8}
        assert list(store.listing("nightly/")) == [(KEY, 8)]

    def test_an_empty_object_is_an_object(self, store):
        put(store, KEY, b"")
        assert store.head(KEY).size == 0
        assert store.get(KEY) == b""

    def test_what_is_not_there_is_none(self, store):
        assert store.head(KEY) is None
        assert store.get(KEY) is None
        assert dict(store.listing("nightly/")) == {}
        store.delete(KEY)

    def test_a_range_is_read(self, store):
        store.put("thing", b"0123456789", crc32=zlib.crc32(b"0123456789"), overwrite=True)
        view = memoryview(bytearray(4))
        store.read("thing", 3, view)
        assert bytes(view) == b"3456"
        assert store.head("thing").size == 10
        assert store.head("nothing") is None
        assert store.get("nothing") is None
        store.delete("nothing")

    @pytest.mark.parametrize(
        "name", ["cat [1].png", "a{1,2}b.png", "50% #1 ~.png", "caf\u00e9 & co.png"]
    )
    def test_marks_of_patterns_and_addresses_are_part_of_a_name(self, store, name):
        key = f"odd/{name}"
        put(store, key, b"contents")
        put(store, key, b"replaced", overwrite=True)
        assert store.get(key) == b"replaced"
        assert dict(store.listing("odd/")) == {key: 8}
        store.delete(key)
        assert store.head(key) is None

    def test_a_put_does_not_replace_what_it_must_keep(self, store):
        put(store, KEY, b"precious")
        with pytest.raises(InvalidRequestError, match="overwrite"):
            put(store, KEY, b"other")
        assert store.get(KEY) == b"precious"
        put(store, KEY, b"precious")
        put(store, KEY, b"other", overwrite=True)
        assert store.get(KEY) == b"other"

    def test_parts_become_one_object_with_the_commit(self, store):
        writer = store.begin(KEY, label="label")
        write(writer, three_parts())
        assert store.head(KEY) is None
        stored = writer.commit(whole(three_parts()), overwrite=False)
        writer.discard()
        assert stored in may_be(store, three_parts())
        assert store.head(KEY) in may_be(store, three_parts())
        assert store.get(KEY) == three_parts()
        assert not leftovers(store)

    def test_a_commit_does_not_replace_what_it_must_keep(self, store):
        writer = store.begin(KEY, label="label")
        write(writer, three_parts())
        # Without the condition, which Azurite finds broken by the blocks alone.
        put(store, KEY, b"precious", overwrite=True)
        with pytest.raises(InvalidRequestError, match="overwrite"):
            writer.commit(whole(three_parts()), overwrite=False)
        assert store.get(KEY) == b"precious"
        writer.commit(whole(three_parts()), overwrite=True)
        writer.discard()
        assert store.get(KEY) == three_parts()

    def test_a_commit_of_what_is_there_already_is_no_conflict(self, store):
        put(store, KEY, three_parts())
        writer = store.begin(KEY, label="label")
        write(writer, three_parts())
        assert writer.commit(whole(three_parts()), overwrite=False).size == len(three_parts())
        writer.discard()
        assert not leftovers(store)

    def test_a_commit_of_something_else_is_refused(self, store):
        writer = store.begin("thing", label="label")
        data = noise(6 << 20)
        writer.put_part(Part(1, 0, len(data), zlib.crc32(data)), memoryview(data))
        with pytest.raises((IntegrityError, InvalidRequestError)):
            writer.commit(Checksum(len(data) + 1, 1), overwrite=False)
        assert store.head("thing") is None
        writer.discard()

    def test_an_abort_leaves_nothing(self, store):
        writer = store.begin(KEY, label="label")
        write(writer, three_parts(), (1, 2))
        writer.discard()
        writer.discard()
        assert dict(store.listing("")) == {}
        assert not leftovers(store)

    def test_a_sweep_removes_what_is_ours_and_nothing_else(self, store):
        put(store, "nightly/other.zip", b"precious")
        left = store.begin(KEY, label="label")
        other = store.begin("nightly/other", label="label")
        for writer in (left, other):
            write(writer, three_parts(), (1,))
            if not isinstance(store, FsspecStore):
                writer.keep()
        store.sweep([KEY, "nightly/another"])
        assert store.get("nightly/other.zip") == b"precious"
        if isinstance(store, (LocalStore, S3Store, GcsStore)):
            assert len(leftovers(store)) == 1
        store.sweep(["nightly/other"])
        assert not leftovers(store)
        assert isinstance(store, AzureStore) or set(dict(store.listing(""))) == {
            "nightly/other.zip"
        }

    def test_an_archive_of_many_parts_lands(self, store, origin, quick):
        manifest = land(
            [linked(origin, archive())], store, prefix="in/", options=quick, facts=FACTS
        )
        assert contents(store, "in/export.zip") == archive()
        assert land(
            [linked(origin, archive())], store, prefix="in/", options=quick, facts=FACTS
        ).skipped
        assert ("store_checksum" in manifest.verified) == self.confirms_checksums(store)
        assert set(dict(store.listing("in/"))) == {"in/export.zip", "in/export.zip.manifest.json"}
        assert not leftovers(store)

    def test_files_of_an_archive_land(self, store, origin, quick):
        data = kind("described deflated")
        land(
            [linked(origin, data)], store, prefix="out/", layout="files", options=quick, facts=FACTS
        )
        assert landed(store, "out/") == unzipped(data)
        assert not leftovers(store)
        assert land(
            [linked(origin, data)], store, prefix="out/", layout="files", options=quick, facts=FACTS
        ).skipped

    def test_files_of_a_stream_land(self, store, origin, quick):
        origin.ranged = False
        data = kind("stored")
        land([linked(origin, data)], store, prefix="out/", layout="files", options=quick)
        assert landed(store, "out/") == unzipped(data)
        assert not leftovers(store)

    def test_a_taken_name_is_kept(self, store, origin, quick):
        for data in (archive(), zipped({"a": b"b"})):
            store.put("export.zip", b"precious", crc32=zlib.crc32(b"precious"), overwrite=True)
            with pytest.raises(InvalidRequestError, match="overwrite"):
                land([linked(origin, data)], store, options=quick)
            assert contents(store, "export.zip") == b"precious"
            assert not leftovers(store)
            land([linked(origin, data)], store, options=quick, overwrite=True)
            assert contents(store, "export.zip") == data
            store.delete("export.zip.manifest.json")

    def test_the_same_object_again_is_no_conflict(self, store, origin, quick):
        land([linked(origin, archive())], store, options=quick)
        store.delete("export.zip.manifest.json")
        land([linked(origin, archive())], store, options=quick)
        assert contents(store, "export.zip") == archive()
        assert not leftovers(store)

    def test_a_damaged_archive_leaves_nothing(self, store, origin, quick):
        damaged = bytearray(archive())
        damaged[len(archive()) // 2] ^= 1
        with pytest.raises(IntegrityError):
            land([linked(origin, bytes(damaged))], store, options=quick)
        assert dict(store.listing("")) == {}
        assert not leftovers(store)


class ResumingStoreContract(StoreContract):
    """The tests of stores that keep the parts of a broken landing for the next attempt."""

    def test_kept_parts_are_listed_and_completed_by_another_process(self, store):
        writer = store.begin(KEY, label="label")
        tags = write(writer, three_parts(), (1, 2))
        handle = dict(writer.handle)
        writer.keep()
        again = store.resume(KEY, handle)
        held = [(part.number, part.size, part.tag) for part in again.done()]
        assert held == [(1, PART, tags[1]), (2, PART, tags[2])]
        write(again, three_parts(), (3,))
        again.commit(whole(three_parts()), overwrite=False)
        again.discard()
        assert store.get(KEY) == three_parts()
        assert store.resume(KEY, {}) is None

    def test_a_broken_landing_is_resumed(self, store, origin, quick):
        state = broken_half_way(store, origin, archive())
        assert state.kept
        assert contents(store, "export.zip") is None
        sent = origin.sent
        land([linked(origin, archive())], store, options=quick, facts=FACTS, state=state)
        assert contents(store, "export.zip") == archive()
        assert origin.sent - sent < 0.9 * len(archive())
        assert not leftovers(store)

    def test_a_failed_publish_is_tried_again_without_fetching_anything(
        self, store, origin, quick, monkeypatch
    ):
        probe, state = store.begin("probe", label="probe"), MemoryState()
        probe.discard()

        def fail(self, whole, *, overwrite):
            raise TransferInterruptedError("the store is away")

        with monkeypatch.context() as away:
            away.setattr(type(probe), "commit", fail)
            with pytest.raises(TransferInterruptedError):
                land([linked(origin, archive())], store, options=quick, facts=FACTS, state=state)
        sent = origin.sent
        manifest = land([linked(origin, archive())], store, options=quick, facts=FACTS, state=state)
        assert contents(store, "export.zip") == archive()
        assert {"zip_structure", "zip_crc32", "length"} <= set(manifest.verified)
        assert origin.sent - sent < 100_000
