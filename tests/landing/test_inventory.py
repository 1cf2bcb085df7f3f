"""The inventory of a destination, on real stores, by depth."""

from __future__ import annotations

import zlib

import pytest
from landing_kit import linked, noise, zipped
from s3_quirks import Quirks, Refusal, quirky_s3

from airflow_provider_assets.landing import LocalStore, ObjectOptions, S3Store, inventory, land
from airflow_provider_assets.landing.inventory import Inventory, check_depth
from airflow_provider_assets.landing.manifest import Contents
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    AuthenticationError,
    InvalidRequestError,
    TransferInterruptedError,
)
from airflow_provider_assets.sansio.reconcile import Problem

FILES = {f"asset_{n}.png": noise(1000 + n, n) for n in range(3)}
DEPTHS = pytest.mark.parametrize("verify", ["manifest", "sizes", "bytes"])


@pytest.fixture(params=["local", "moto"])
def store(request, tmp_path):
    return (
        LocalStore(tmp_path / "out")
        if request.param == "local"
        else request.getfixturevalue("moto")
    )


DENIED = (
    "AccessDenied: not here; check the keys and permissions of the connection that the destination names "
    "(not the vendor's)"
)


def landed(store, origin, name, layout, prefix="out/", **how):
    contents = Contents({"asset_ids": tuple(one.partition(".")[0] for one in FILES)}, 5.0)
    return land(
        [linked(origin, zipped(FILES), f"{name}.zip")],
        store,
        prefix=prefix,
        name=f"{name}.zip",
        layout=layout,
        facts={"fingerprint": name, "vendor": "scenario"},
        contents=contents,
        **how,
    )


def put(store, key, data):
    store.put(key, data, crc32=zlib.crc32(data), overwrite=True)


def damaged(store, key):
    """Replace an object by one of the same size."""
    data = bytearray(store.get(key))
    data[-1] ^= 1
    put(store, key, bytes(data))


def read(store, verify, **options):
    """Name of each manifest -> what is wrong there."""
    found = {}
    for one in Inventory(store, "out/", verify, **options).read():
        if isinstance(one, Problem):
            found[one.uri.rpartition("/")[2]] = one.why
        else:
            faults = dict(one.landing.damaged)
            found[one.landing.uri.rpartition("/")[2]] = one.landing.broken or faults
    return found


@DEPTHS
def test_what_is_whole_is_found_whole_in_either_layout(store, origin, verify):
    landed(store, origin, "a", "archive")
    landed(store, origin, "b", "files", "out/b/")
    landed(store, origin, "deep/c", "files")
    put(store, "out/.plans/p.json", b"{}")
    put(store, "elsewhere/x.manifest.json", b"no manifest")
    assert read(store, verify) == {
        "a.zip.manifest.json": {},
        "b.zip.manifest.json": {},
        "c.zip.manifest.json": {},
    }
    (one, *_) = Inventory(store, "out/").read()
    assert one.landing.items == {"asset_ids": ("asset_0", "asset_1", "asset_2")}
    assert sorted(one.landing.files) == sorted(FILES)
    assert one.landing.exported_at == 5.0


def test_an_empty_destination_has_no_landing(store):
    assert read(store, "bytes") == {}


def test_each_depth_sees_what_the_one_before_it_cannot(store, origin):
    for name in ("gone", "short", "flipped"):
        landed(store, origin, name, "archive")
    store.delete("out/gone.zip")
    put(store, "out/short.zip", b"PK")
    damaged(store, "out/flipped.zip")
    names = [f"{name}.zip.manifest.json" for name in ("flipped", "gone", "short")]
    assert read(store, "manifest") == {name: {} for name in names}
    found = read(store, "sizes")
    assert found[names[0]] == {}
    assert found[names[1]] == "the object is gone"
    assert "the object has 2 bytes instead of" in found[names[2]]
    assert "the object has the CRC-32" in read(store, "bytes")[names[0]]


def test_each_file_is_checked_for_itself(store, origin):
    landed(store, origin, "a", "files")
    store.delete("out/asset_0.png")
    damaged(store, "out/asset_1.png")
    (faults,) = read(store, "bytes").values()
    assert faults["asset_0.png"] == "the object is gone"
    assert faults["asset_1.png"].startswith("the object has the CRC-32")
    assert faults.keys() == {"asset_0.png", "asset_1.png"}


def test_the_digest_of_the_manifest_is_compared_where_it_has_no_other_checksum(tmp_path, origin):
    store = LocalStore(tmp_path)
    landed(store, origin, "a", "archive")
    key = "out/a.zip.manifest.json"
    crc = zlib.crc32(store.get("out/a.zip"))
    put(store, key, store.get(key).replace(f'"crc32": "{crc:08x}", '.encode(), b'"crc32": null, '))
    assert read(store, "bytes") == {"a.zip.manifest.json": {}}
    damaged(store, "out/a.zip")
    assert "the object has the SHA-256" in read(store, "bytes")["a.zip.manifest.json"]


def test_what_was_copied_to_another_place_is_found_there(tmp_path, origin):
    landed(LocalStore(tmp_path / "old"), origin, "a", "files")
    (tmp_path / "old").rename(tmp_path / "new")
    assert read(LocalStore(tmp_path / "new"), "bytes") == {"a.zip.manifest.json": {}}


def test_files_are_found_below_the_address_that_an_earlier_release_wrote(tmp_path, origin):
    store = LocalStore(tmp_path / "day=1")
    landed(store, origin, "x/a", "files")
    (key,) = [one for one, _ in store.listing("out/") if one.endswith(".manifest.json")]
    put(store, key, store.get(key).replace(b"day=1", b"day%3D1"))
    assert read(store, "bytes") == {"a.zip.manifest.json": {}}


def test_a_manifest_that_cannot_be_read_is_named(store, origin):
    landed(store, origin, "a", "archive")
    put(store, "out/b.zip.manifest.json", b"{}")
    found = read(store, "manifest")
    assert found["a.zip.manifest.json"] == {}
    assert found["b.zip.manifest.json"].startswith("the manifest cannot be read: ")


def test_what_is_not_wanted_is_not_looked_at(store, origin):
    landed(store, origin, "a", "archive")
    store.delete("out/a.zip")
    assert read(store, "sizes", wanted=lambda one: one.manifest.facts["vendor"] == "topaz") == {}


def test_another_depth_is_refused():
    with pytest.raises(
        InvalidRequestError, match="verify must be one of manifest, sizes, bytes, not 'all'"
    ):
        check_depth("all")


class Shaky(LocalStore):
    """A store that loses the first readings of each object."""

    def __init__(self, root, failures) -> None:
        super().__init__(root)
        object.__setattr__(self, "left", {})
        object.__setattr__(self, "failures", failures)

    def read(self, key, offset, view) -> None:
        self.left[key] = self.left.get(key, self.failures) - 1
        if self.left[key] >= 0:
            raise TransferInterruptedError("interrupted")
        super().read(key, offset, view)


def test_an_interruption_is_no_damage(tmp_path, origin, monkeypatch):
    monkeypatch.setattr(inventory.time, "sleep", lambda _: None)
    landed(LocalStore(tmp_path), origin, "a", "archive")
    assert read(Shaky(tmp_path, 2), "bytes") == {"a.zip.manifest.json": {}}
    with pytest.raises(TransferInterruptedError):
        read(Shaky(tmp_path, 3), "bytes")


def test_many_manifests_are_read_a_few_at_a_time(tmp_path, origin, monkeypatch):
    store = LocalStore(tmp_path)
    landed(store, origin, "a", "archive")
    document = store.get("out/a.zip.manifest.json")
    for number in range(100):
        put(store, f"out/{number:03}.zip.manifest.json", document)
    asked = []
    known = LocalStore.get
    monkeypatch.setattr(LocalStore, "get", lambda self, key: asked.append(key) or known(self, key))
    reading = Inventory(store, "out/").read()
    next(reading)
    assert len(asked) <= 2 * 8 + 1
    assert len(list(reading)) == 100


def test_comparing_sizes_costs_one_listing_and_a_read_for_each_manifest(s3, s3_server, origin):
    for number in range(5):
        landed(s3, origin, f"zip-{number}", "archive")
    landed(s3, origin, "unpacked", "files", "out/files/")
    with quirky_s3(s3_server, Quirks()) as server:
        store = S3Store(server.client(), s3.bucket)
        assert len(read(store, "sizes")) == 6
        assert sorted(what for what, _ in server.seen) == ["Get"] * 7


def test_an_object_that_cannot_be_read_is_named_and_the_others_are_checked(s3, s3_server, origin):
    for name in ("a", "b"):
        landed(s3, origin, name, "archive")
    landed(s3, origin, "c", "files", "out/c/")
    locked = Refusal(r":path: .*(/a\.zip|/asset_1\.png)$", 403, "AccessDenied")
    refused = f"the object cannot be read: {DENIED}"
    with quirky_s3(s3_server, Quirks(refuses=(locked,))) as server:
        assert read(S3Store(server.client(), s3.bucket), "bytes") == {
            "a.zip.manifest.json": refused,
            "b.zip.manifest.json": {},
            "c.zip.manifest.json": {"asset_1.png": refused},
        }


@pytest.mark.parametrize("kind", ["moto", "azure"])
def test_an_object_of_an_archive_class_is_not_damaged_for_that(request, origin, caplog, kind):
    store = request.getfixturevalue(kind)
    cold = ObjectOptions(storage_class="DEEP_ARCHIVE" if kind == "moto" else "Archive")
    landed(store, origin, "a", "archive", object_options=cold)
    landed(store, origin, "b", "files", "out/b/", object_options=cold)
    landed(store, origin, "c", "archive")
    for key in ("out/a.zip", "out/b/asset_1.png"):
        with pytest.raises(AssetsError):
            store.get(key)
    names = [f"{name}.zip.manifest.json" for name in "abc"]
    assert read(store, "bytes") == {name: {} for name in names}
    assert "Objects that cannot be read because of their archive storage class: 4; " in caplog.text
    store.delete("out/b/asset_1.png")
    assert read(store, "bytes")[names[1]] == {"asset_1.png": "the object is gone"}


def test_an_archived_object_is_compared_by_the_checksum_that_the_store_keeps(
    s3, s3_server, origin, caplog
):
    landed(s3, origin, "a", "archive")
    landed(s3, origin, "b", "archive")
    damaged(s3, "out/b.zip")
    cold = Refusal(r"range: ", 403, "InvalidObjectState")
    with quirky_s3(s3_server, Quirks(refuses=(cold,), keeps_checksum=True)) as server:
        store = S3Store(server.client(), s3.bucket)
        found = read(store, "bytes")
    assert found["a.zip.manifest.json"] == {}
    assert "the store keeps the CRC-32" in found["b.zip.manifest.json"]
    assert ": 1; the first is s3://landing/out/a.zip" in caplog.text


def test_an_object_that_is_deleted_while_others_are_read_is_gone(store, origin, monkeypatch):
    monkeypatch.setattr(inventory.time, "sleep", lambda _: None)
    for name in ("a", "b"):
        landed(store, origin, name, "archive")

    def wanted(recorded):
        store.delete("out/a.zip")
        return True

    assert read(store, "bytes", wanted=wanted) == {
        "a.zip.manifest.json": "the object is gone",
        "b.zip.manifest.json": {},
    }


def test_a_manifest_that_the_store_refuses_to_hand_out_is_named(s3, s3_server, origin):
    for name in ("a", "b"):
        landed(s3, origin, name, "archive")
    one = Refusal(r":path: .*/a\.zip\.manifest", 403, "AccessDenied")
    every = Refusal(r":path: .*\.manifest", 403, "AccessDenied")
    with quirky_s3(s3_server, Quirks(refuses=(one,))) as server:
        store = S3Store(server.client(), s3.bucket)
        assert read(store, "manifest") == {
            "a.zip.manifest.json": f"the manifest cannot be read: {DENIED}",
            "b.zip.manifest.json": {},
        }
        server.quirks = Quirks(refuses=(every,))
        with pytest.raises(AuthenticationError, match="AccessDenied"):
            read(store, "manifest")


def test_credentials_that_expire_on_the_way_are_no_damage(s3, s3_server, origin):
    landed(s3, origin, "a", "archive")
    with quirky_s3(s3_server, Quirks()) as server:

        def wanted(recorded):
            server.quirks = Quirks(refuses=(Refusal("Get", 400, "ExpiredToken"),))
            return True

        with pytest.raises(AuthenticationError, match=r"cannot list .*ExpiredToken"):
            read(S3Store(server.client(), s3.bucket), "bytes", wanted=wanted)
