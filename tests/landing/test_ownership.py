"""What happens around the moment in which an object appears."""

from __future__ import annotations

import json
import zlib
from functools import cache

import pytest
from landing_kit import FACTS, big, contents, leftovers, linked, noise, zipped

from airflow_provider_assets.landing import S3Store, engine, land, ownership
from airflow_provider_assets.landing.stores.local import LocalWriter
from airflow_provider_assets.sansio.errors import (
    IntegrityError,
    InvalidRequestError,
    TransferInterruptedError,
)


@cache
def small() -> bytes:
    return zipped({"a": noise(1000)})


@cache
def parts() -> bytes:
    """A zip that lands in parts."""
    return zipped({"a": noise(11_000_000)})


ALL = ["local", "s3", "moto", "azure", "gcs", "fsspec_memory"]


@pytest.fixture(params=ALL)
def store(request):
    return request.getfixturevalue(request.param)


class Killed(BaseException):
    """The end of the process."""


def killed_before_the_manifest(monkeypatch, sources, store, **how):
    def die(job, record, files):
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(engine, "commit", die)
        with pytest.raises(Killed):
            land(sources, store, **how)


@pytest.mark.parametrize("many", [False, True], ids=["one", "packed"])
@pytest.mark.parametrize("data", [small, parts], ids=["one part", "many parts"])
def test_our_own_object_without_a_manifest_is_replaced(
    store, origin, quick, monkeypatch, data, many
):
    def sources(last):
        made = [linked(origin, data(), "export.zip"), linked(origin, last, "last")]
        return made if many else [linked(origin, last, "export.zip")]

    how = {"options": quick, "name": "night.zip"}
    newer = zipped({"b": noise(5000)})
    killed_before_the_manifest(monkeypatch, sources(data()), store, facts=FACTS, **how)
    old = contents(store, "night.zip")
    with pytest.raises(InvalidRequestError, match="overwrite"):
        land(sources(newer), store, facts={"fingerprint": "day"}, **how)
    assert contents(store, "night.zip") == old
    land(sources(newer), store, facts=FACTS, **how)
    assert contents(store, "night.zip") not in (None, old)
    assert set(store.sizes("")) == {"night.zip", "night.zip.manifest.json"}
    assert not leftovers(store)


@pytest.mark.parametrize("many", [False, True], ids=["one", "packed"])
def test_a_manifest_never_vouches_for_the_object_that_replaces_its_own(
    store, origin, quick, monkeypatch, many
):
    def sources(last):
        made = [linked(origin, small(), "export.zip"), linked(origin, last, "last")]
        return made if many else [linked(origin, last, "export.zip")]

    older, newer = (zipped({"a": noise(5000, seed)}) for seed in (1, 2))
    how = {"options": quick, "name": "night.zip"}
    land(sources(older), store, facts={"fingerprint": "old"}, **how)
    old = contents(store, "night.zip")
    told = {"facts": FACTS, "overwrite": True}
    killed_before_the_manifest(monkeypatch, sources(newer), store, **told, **how)
    assert contents(store, "night.zip") != old
    assert set(store.sizes("")) == {"night.zip", "night.zip.landing.json"}
    with pytest.raises(InvalidRequestError, match="overwrite"):
        land(sources(older), store, facts={"fingerprint": "old"}, **how)
    assert not land(sources(newer), store, facts=FACTS, **how).skipped
    assert set(store.sizes("")) == {"night.zip", "night.zip.manifest.json"}


@pytest.mark.parametrize("error", [IntegrityError("damaged"), TransferInterruptedError("away")])
def test_the_manifest_comes_back_if_its_object_was_surely_not_replaced(
    local, origin, quick, monkeypatch, error
):
    commit = LocalWriter.commit

    def fail(self, whole, *, overwrite):
        if self.target.name == "export.zip":
            raise error
        return commit(self, whole, overwrite=overwrite)

    def go(job, **how):
        facts = {"fingerprint": "night", "job_id": job}
        return land([linked(origin, big())], local, options=quick, facts=facts, expected=30, **how)

    go("1")
    known = contents(local, "export.zip.manifest.json")
    with monkeypatch.context() as failing:
        failing.setattr(LocalWriter, "commit", fail)
        with pytest.raises(type(error)):
            go("2")
    is_kept = isinstance(error, IntegrityError)
    assert contents(local, "export.zip.manifest.json") == (known if is_kept else None)
    assert (contents(local, "export.zip.landing.json") is None) == is_kept
    assert not go("3").skipped
    assert set(local.sizes("")) == {"export.zip", "export.zip.manifest.json"}


def test_a_landing_in_another_layout_does_not_take_the_manifest_of_its_name(local, origin, quick):
    how = {"facts": FACTS, "options": quick, "name": "night"}
    land([linked(origin, small(), "export.zip")], local, **how)
    known = contents(local, "night.manifest.json")
    with pytest.raises(InvalidRequestError, match="in another layout; choose another name"):
        land([linked(origin, small(), "export.zip")], local, layout="files", **how)
    assert contents(local, "night.manifest.json") == known
    land([linked(origin, small(), "export.zip")], local, layout="files", overwrite=True, **how)
    assert contents(local, "night.manifest.json") != known
    assert contents(local, "a") == noise(1000)


def test_a_kill_right_after_the_manifest_leaves_no_mark_once_the_landing_is_skipped(
    store, origin, quick, monkeypatch
):
    def die(job):
        raise Killed

    source = linked(origin, small(), "export.zip")
    with monkeypatch.context() as dying:
        dying.setattr(ownership, "_remove_marker", die)
        with pytest.raises(Killed):
            land([source], store, facts=FACTS, options=quick)
    assert contents(store, "export.zip.landing.json")
    assert land([source], store, facts=FACTS, options=quick).skipped
    assert set(store.sizes("")) == {"export.zip", "export.zip.manifest.json"}


def test_a_refused_publish_leaves_no_mark(store, origin, quick):
    store.put("export.zip", b"precious", crc32=zlib.crc32(b"precious"), overwrite=True)
    with pytest.raises(InvalidRequestError, match="overwrite"):
        land([linked(origin, small())], store, options=quick, facts=FACTS)
    assert set(store.sizes("")) == {"export.zip"}


def test_another_object_of_our_name_is_seen_before_the_download_is_fetched(store, origin, quick):
    store.put("export.zip", b"precious", crc32=zlib.crc32(b"precious"), overwrite=True)
    with pytest.raises(InvalidRequestError, match="overwrite"):
        land([linked(origin, parts())], store, options=quick, facts=FACTS)
    assert len(origin.seen) == 1
    assert origin.sent < len(parts()) / 2
    assert not leftovers(store)


def test_a_package_for_single_use_is_not_opened_for_a_name_that_is_taken(store, origin, quick):
    store.put("export.zip", small(), crc32=zlib.crc32(small()), overwrite=True)
    with pytest.raises(InvalidRequestError, match="overwrite"):
        land([linked(origin, small(), single_use=True)], store, options=quick, facts=FACTS)
    assert not origin.seen


@pytest.mark.parametrize(
    "document",
    [b"", b"no JSON", b"[]", b'{"version": 2}', b'{"version": 1, "facts": 1}', b'{"version": 1}'],
    ids=["empty", "text", "list", "newer", "odd facts", "incomplete"],
)
def test_a_manifest_that_cannot_be_read_is_named_and_overwrite_replaces_it(
    local, origin, quick, document
):
    key = "export.zip.manifest.json"
    local.put(key, document, crc32=zlib.crc32(document), overwrite=True)
    with pytest.raises(InvalidRequestError, match=f"{key} cannot be read.*overwrite=True"):
        land([linked(origin, small())], local, options=quick, facts=FACTS)
    assert not origin.seen
    land([linked(origin, small())], local, options=quick, facts=FACTS, overwrite=True)
    assert contents(local, "export.zip") == small()
    assert land([linked(origin, small())], local, options=quick, facts=FACTS).skipped


def test_a_failed_clean_up_does_not_fail_a_landing_that_is_published(
    store, origin, quick, monkeypatch, caplog
):
    def fail(self, key):
        raise TransferInterruptedError("the store is away")

    monkeypatch.setattr(type(store), "delete", fail)
    land([linked(origin, parts())], store, options=quick, facts=FACTS)
    assert contents(store, "export.zip") == parts()
    assert "Cleanup failed" in caplog.text
    assert land([linked(origin, parts())], store, options=quick, facts=FACTS).skipped
    monkeypatch.undo()
    if isinstance(store, S3Store):
        store.delete("export.zip.landing")


@pytest.mark.parametrize("place", ["azure", "gcs"])
@pytest.mark.parametrize("is_same", [True, False])
def test_an_object_that_has_lost_its_checksum_is_read(request, origin, quick, place, is_same):
    store = request.getfixturevalue(place)
    land([linked(origin, small())], store, options=quick, facts=FACTS)
    data = small() if is_same else b"?" * len(small())
    if place == "azure":
        store.container.upload_blob("export.zip", data, overwrite=True)
    else:
        store.bucket.blob("export.zip").upload_from_string(data)
    if is_same:
        assert land([linked(origin, small())], store, options=quick, facts=FACTS).skipped
    else:
        with pytest.raises(InvalidRequestError, match="overwrite=True"):
            land([linked(origin, small())], store, options=quick, facts=FACTS)


def test_a_manifest_with_a_checksum_that_is_none_vouches_for_nothing(local, origin, quick):
    land([linked(origin, small())], local, options=quick, facts=FACTS)
    key = "export.zip.manifest.json"
    record = json.loads(contents(local, key))
    record["verified"].append("store_checksum")
    document = json.dumps(record | {"crc32": "no number"}).encode()
    local.put(key, document, crc32=zlib.crc32(document), overwrite=True)
    assert not land([linked(origin, small())], local, options=quick, facts=FACTS).skipped
    assert land([linked(origin, small())], local, options=quick, facts=FACTS).skipped


def test_an_object_that_was_changed_is_replaced_only_if_that_is_said(store, origin, quick):
    land([linked(origin, parts())], store, options=quick, facts=FACTS)
    store.put("export.zip", b"changed", crc32=zlib.crc32(b"changed"), overwrite=True)
    with pytest.raises(InvalidRequestError, match="overwrite=True"):
        land([linked(origin, parts())], store, options=quick, facts=FACTS)
    assert not land(
        [linked(origin, parts())], store, options=quick, facts=FACTS, overwrite=True
    ).skipped
    assert contents(store, "export.zip") == parts()
