"""What happens around the moment in which an object appears."""

from __future__ import annotations

import json
import zlib
from functools import cache

import pytest
from landing_kit import FACTS, contents, leftovers, linked, noise, unzipped, zipped

from airflow_provider_assets.landing import S3Store, engine, land, ownership
from airflow_provider_assets.sansio.errors import (
    AuthenticationError,
    IntegrityError,
    InvalidRequestError,
    PartialArchiveError,
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


MANIFEST = "export.zip.manifest.json"


def write(store, key: str, data: bytes) -> None:
    store.put(key, data, crc32=zlib.crc32(data), overwrite=True)


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
    assert set(dict(store.listing(""))) == {"night.zip", "night.zip.manifest.json"}
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
    assert set(dict(store.listing(""))) == {"night.zip", "night.zip.landing.json"}
    with pytest.raises(InvalidRequestError, match="overwrite"):
        land(sources(older), store, facts={"fingerprint": "old"}, **how)
    assert not land(sources(newer), store, facts=FACTS, **how).skipped
    assert set(dict(store.listing(""))) == {"night.zip", "night.zip.manifest.json"}


class Publish:
    """Lands "export.zip" as the vendor's jobs 1, 2, …; publishing it can fail."""

    def __init__(self, monkeypatch, origin, store, options) -> None:
        self.monkeypatch, self.origin = monkeypatch, origin
        self.store, self.options = store, options

    def __call__(self, job: str, files: int, **how):
        data = zipped({f"{job}{number}": noise(1000, number) for number in range(files)})
        facts = {"fingerprint": "night", "job_id": job}
        source = linked(self.origin, data)
        return land([source], self.store, options=self.options, facts=facts, expected=9, **how)

    def fails(self, error: BaseException, job: str, files: int, *, after=None, undone=True):
        """Fail with *error*, and before it perform *after* with what would have been published."""
        store, put = self.store, type(self.store).put

        def fail(store, key, data, **how):
            if key != "export.zip":
                return put(store, key, data, **how)
            if after:
                after(lambda: put(store, key, data, **how))
            raise error

        with self.monkeypatch.context() as failing:
            failing.setattr(type(store), "put", fail)
            if not undone:
                failing.setattr(ownership, "_undo", lambda *_, **__: None)
            with pytest.raises(type(error)):
                self(job, files)

    @property
    def files(self) -> int:
        return len(unzipped(contents(self.store, "export.zip")))

    @property
    def manifest(self) -> bytes | None:
        return contents(self.store, MANIFEST)

    @property
    def marker(self) -> bytes | None:
        return contents(self.store, "export.zip.landing.json")


@pytest.fixture
def publish(monkeypatch, origin, store, quick):
    return Publish(monkeypatch, origin, store, quick)


AWAY = TransferInterruptedError("away")


@pytest.mark.parametrize("error", [IntegrityError("damaged"), AWAY, Killed()], ids=repr)
def test_the_manifest_comes_back_if_its_object_was_not_replaced(publish, error):
    publish("1", 2)
    known = publish.manifest
    publish.fails(error, "2", 3)
    assert publish.manifest == known
    # A request that was interrupted may still be performed: then the object is ours.
    assert (publish.marker is None) == isinstance(error, IntegrityError)
    assert not publish("3", 2).skipped
    assert set(dict(publish.store.listing(""))) == {"export.zip", "export.zip.manifest.json"}


def test_the_manifest_stays_away_if_its_object_was_replaced_before_the_interruption(publish):
    publish("1", 2)
    publish.fails(AWAY, "2", 3, after=lambda perform: perform())
    assert publish.manifest is None
    assert publish.files == 3
    assert publish("2", 3).entries == 3
    assert publish.marker is None


def test_the_manifest_that_comes_back_replaces_none_that_another_attempt_has_written(publish):
    publish("1", 2)
    publish.fails(AWAY, "2", 3, after=lambda _: write(publish.store, MANIFEST, b"newer"))
    assert publish.manifest == b"newer"


def test_a_store_that_is_away_when_the_manifest_is_withdrawn_keeps_its_object(publish, monkeypatch):
    publish("1", 2)
    known = publish.manifest
    with monkeypatch.context() as failing:
        failing.setattr(type(publish.store), "delete", raises(AWAY))
        with pytest.raises(TransferInterruptedError):
            publish("2", 3)
    assert (publish.files, publish.manifest) == (2, known)
    assert publish("3", 3).entries == publish.files == 3


def test_a_store_that_forbids_deleting_still_lets_objects_be_replaced(publish, monkeypatch, caplog):
    publish("1", 2)
    with monkeypatch.context() as failing:
        failing.setattr(type(publish.store), "delete", raises(AuthenticationError("forbidden")))
        publish("2", 3)
    assert publish.files == 3
    assert "cannot be removed first" in caplog.text


def raises(error):
    def fail(*_, **__):
        raise error

    return fail


def test_a_kill_while_an_object_is_replaced_lets_no_smaller_landing_take_its_place(publish):
    publish("1", 2)
    with pytest.raises(PartialArchiveError):
        publish("2", 1)
    publish.fails(Killed(), "3", 3, undone=False)
    assert publish.manifest is None
    with pytest.raises(PartialArchiveError, match=r"files \(1\) than .* \(2\), which was kept"):
        publish("4", 1)
    assert publish.files == 2
    assert publish.marker, "the object is still ours"
    assert publish("5", 3).entries == publish.files == 3
    publish.fails(Killed(), "6", 3, undone=False)
    assert publish("7", 1, overwrite=True).entries == publish.files == 1


def test_an_archive_that_is_not_read_is_not_compared_with_the_number_in_a_marker(
    local, origin, quick
):
    write(local, "export.zip", b"older")
    marker = {"landing": "night", "at_least": 2}
    write(local, "export.zip.landing.json", json.dumps(marker).encode())
    newer = zipped({"a": b"1", "b": b"2", "c": b"3"})
    land([linked(origin, newer)], local, facts=FACTS, options=quick, verify=False)
    assert contents(local, "export.zip") == newer


@pytest.mark.parametrize(
    ("marker", "is_ours"),
    [
        ({"landing": "night"}, True),
        ({"landing": "night", "at_least": "2"}, True),
        ({"landing": "night", "at_least": 2}, True),
        ({"landing": "day"}, False),
        (["night"], False),
    ],
    ids=str,
)
def test_a_marker_is_read_whichever_release_wrote_it(local, origin, quick, marker, is_ours):
    write(local, "export.zip", b"older")
    write(local, "export.zip.landing.json", json.dumps(marker).encode())
    source = linked(origin, zipped({"a": b"1", "b": b"2"}))
    if is_ours:
        assert land([source], local, facts=FACTS, options=quick).entries == 2
    else:
        with pytest.raises(InvalidRequestError, match="overwrite=True"):
            land([source], local, facts=FACTS, options=quick)


def test_the_manifest_of_an_object_that_was_deleted_does_not_vouch_for_the_next_one(
    local, origin, quick, monkeypatch
):
    """The disk keeps no checksum: another object of the same size looks like the old one."""
    older, newer = (zipped({"a": noise(5000, seed)}) for seed in (1, 2))
    land([linked(origin, older)], local, options=quick, facts=FACTS)
    local.delete("export.zip")
    killed_before_the_manifest(
        monkeypatch, [linked(origin, newer)], local, options=quick, facts=FACTS
    )
    assert contents(local, "export.zip") == newer
    assert not land([linked(origin, newer)], local, options=quick, facts=FACTS).skipped
    record = json.loads(contents(local, MANIFEST))
    assert record["crc32"] == f"{zlib.crc32(newer):08x}"


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
    assert set(dict(store.listing(""))) == {"export.zip", "export.zip.manifest.json"}


def test_a_refused_publish_leaves_no_mark(store, origin, quick):
    write(store, "export.zip", b"precious")
    with pytest.raises(InvalidRequestError, match="overwrite"):
        land([linked(origin, small())], store, options=quick, facts=FACTS)
    assert set(dict(store.listing(""))) == {"export.zip"}


def test_another_object_of_our_name_is_seen_before_the_download_is_fetched(store, origin, quick):
    write(store, "export.zip", b"precious")
    with pytest.raises(InvalidRequestError, match="overwrite"):
        land([linked(origin, parts())], store, options=quick, facts=FACTS)
    assert len(origin.seen) == 1
    assert origin.sent < len(parts()) / 2
    assert not leftovers(store)


def test_a_package_for_single_use_is_not_opened_for_a_name_that_is_taken(store, origin, quick):
    write(store, "export.zip", small())
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
    write(local, MANIFEST, document)
    with pytest.raises(InvalidRequestError, match=f"{MANIFEST} cannot be read.*overwrite=True"):
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
    record = json.loads(contents(local, MANIFEST))
    record["verified"].append("store_checksum")
    write(local, MANIFEST, json.dumps(record | {"crc32": "no number"}).encode())
    assert not land([linked(origin, small())], local, options=quick, facts=FACTS).skipped
    assert land([linked(origin, small())], local, options=quick, facts=FACTS).skipped


def test_an_object_that_was_changed_is_replaced_only_if_that_is_said(store, origin, quick):
    land([linked(origin, parts())], store, options=quick, facts=FACTS)
    write(store, "export.zip", b"changed")
    with pytest.raises(InvalidRequestError, match="overwrite=True"):
        land([linked(origin, parts())], store, options=quick, facts=FACTS)
    assert not land(
        [linked(origin, parts())], store, options=quick, facts=FACTS, overwrite=True
    ).skipped
    assert contents(store, "export.zip") == parts()
