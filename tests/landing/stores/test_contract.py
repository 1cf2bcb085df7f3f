"""What the engine relies on in every store, on a real server of each kind."""

from __future__ import annotations

import zlib

import pytest
from landing_kit import leftovers, noise

from airflow_provider_assets.landing import AzureStore, FsspecStore, GcsStore, LocalStore, S3Store
from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.stores.base import Part, Stored
from airflow_provider_assets.sansio.errors import InvalidRequestError

PART = 5 << 20
DATA = noise(2 * PART + 1000)
KEY = "nightly/export.zip"
ALL = ["local", "s3", "moto", "azure", "gcs", "fsspec_memory"]


@pytest.fixture(params=ALL)
def store(request):
    return request.getfixturevalue(request.param)


def whole(data: bytes) -> Checksum:
    return Checksum(len(data), zlib.crc32(data))


def put(store, key: str, data: bytes, *, overwrite: bool = False) -> Stored:
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


def may_be(store, data: bytes) -> tuple[Stored, Stored]:
    """With the checksum of what is stored, or without: never with another one."""
    return Stored(len(data), zlib.crc32(data)), Stored(len(data))


def test_a_put_is_read_back_as_it_was(store):
    assert put(store, KEY, b"contents") in may_be(store, b"contents")
    assert store.head(KEY) in may_be(store, b"contents")
    assert store.get(KEY) == b"contents"
    assert store.sizes("nightly/") == {KEY: 8}


def test_an_empty_object_is_an_object(store):
    put(store, KEY, b"")
    assert store.head(KEY).size == 0
    assert store.get(KEY) == b""


def test_what_is_not_there_is_none(store):
    assert store.head(KEY) is None
    assert store.get(KEY) is None
    assert store.sizes("nightly/") == {}
    store.delete(KEY)


def test_a_put_does_not_replace_what_it_must_keep(store):
    put(store, KEY, b"precious")
    with pytest.raises(InvalidRequestError, match="overwrite"):
        put(store, KEY, b"other")
    assert store.get(KEY) == b"precious"
    put(store, KEY, b"precious")
    put(store, KEY, b"other", overwrite=True)
    assert store.get(KEY) == b"other"


def test_parts_become_one_object_with_the_commit(store):
    writer = store.begin(KEY, label="label")
    write(writer, DATA)
    assert store.head(KEY) is None
    stored = writer.commit(whole(DATA), overwrite=False)
    writer.abort()
    assert stored in may_be(store, DATA)
    assert store.head(KEY) in may_be(store, DATA)
    assert store.get(KEY) == DATA
    assert not leftovers(store)


def test_a_commit_does_not_replace_what_it_must_keep(store):
    writer = store.begin(KEY, label="label")
    write(writer, DATA)
    # Without the condition, which Azurite finds broken by the blocks alone.
    put(store, KEY, b"precious", overwrite=True)
    with pytest.raises(InvalidRequestError, match="overwrite"):
        writer.commit(whole(DATA), overwrite=False)
    assert store.get(KEY) == b"precious"
    writer.commit(whole(DATA), overwrite=True)
    writer.abort()
    assert store.get(KEY) == DATA


def test_a_commit_of_what_is_there_already_is_no_conflict(store):
    put(store, KEY, DATA)
    writer = store.begin(KEY, label="label")
    write(writer, DATA)
    assert writer.commit(whole(DATA), overwrite=False).size == len(DATA)
    writer.abort()
    assert not leftovers(store)


def test_an_abort_leaves_nothing(store):
    writer = store.begin(KEY, label="label")
    write(writer, DATA, (1, 2))
    writer.abort()
    writer.abort()
    assert store.sizes("") == {}
    assert not leftovers(store)


@pytest.mark.parametrize("store", ["local", "s3", "moto", "azure", "gcs"], indirect=True)
def test_kept_parts_are_listed_and_completed_by_another_process(store):
    writer = store.begin(KEY, label="label")
    tags = write(writer, DATA, (1, 2))
    state = dict(writer.state)
    writer.keep()
    again = store.resume(KEY, state)
    held = [(part.number, part.size, part.tag) for part in again.done()]
    assert held == [(1, PART, tags[1]), (2, PART, tags[2])]
    write(again, DATA, (3,))
    again.commit(whole(DATA), overwrite=False)
    again.abort()
    assert store.get(KEY) == DATA
    assert store.resume(KEY, {}) is None


def test_a_sweep_removes_what_is_ours_and_nothing_else(store):
    put(store, "nightly/other.zip", b"precious")
    left = store.begin(KEY, label="label")
    other = store.begin("nightly/other", label="label")
    for writer in (left, other):
        write(writer, DATA, (1,))
        if not isinstance(store, FsspecStore):
            writer.keep()
    store.sweep([KEY, "nightly/another"])
    assert store.get("nightly/other.zip") == b"precious"
    if isinstance(store, (LocalStore, S3Store, GcsStore)):
        assert len(leftovers(store)) == 1
    store.sweep(["nightly/other"])
    assert not leftovers(store)
    assert isinstance(store, AzureStore) or set(store.sizes("")) == {"nightly/other.zip"}


def test_a_folder_of_many_is_swept_by_few_requests(gcs):
    put(gcs, "nightly/0.png", b"contents")
    asked, http = [], gcs.bucket.client._http
    send = http.request

    def request(method, url, *args, **kwargs):
        asked.append(url)
        return send(method, url, *args, **kwargs)

    http.request = request
    gcs.sweep([f"nightly/{number}.png" for number in range(100)])
    assert len(asked) == 1
