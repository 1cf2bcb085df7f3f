"""Every store keeps the same promises; each test runs on a real server of each kind."""

from __future__ import annotations

import io
import zlib

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
from origin import Fault
from requests import Response
from requests.adapters import HTTPAdapter
from unpacked_kit import kind

from airflow_provider_assets.landing import FsspecStore, land
from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.stores.base import Part
from airflow_provider_assets.sansio.errors import (
    IntegrityError,
    InvalidRequestError,
    TransferInterruptedError,
)

BIG = zipped({f"image-{n:03}.png": noise(1_500_000, n) for n in range(16)})
ALL = ["local", "s3", "moto", "azure", "gcs", "fsspec_memory"]


@pytest.fixture(params=ALL)
def store(request):
    return request.getfixturevalue(request.param)


def test_an_archive_of_many_parts_lands(store, origin, quick, request):
    manifest = land([linked(origin, BIG)], store, prefix="in/", options=quick, facts=FACTS)
    assert contents(store, "in/export.zip") == BIG
    assert land([linked(origin, BIG)], store, prefix="in/", options=quick, facts=FACTS).skipped
    # moto computes one for objects of many parts only, and so it is not relied on elsewhere.
    keeps = store.rules.checksum or request.node.callspec.params["store"] == "moto"
    assert ("store_checksum" in manifest.verified) == keeps
    assert set(store.sizes("in/")) == {"in/export.zip", "in/export.zip.manifest.json"}
    assert not leftovers(store)


def test_files_of_an_archive_land(store, origin, quick):
    data = kind("described deflated")
    land([linked(origin, data)], store, prefix="out/", layout="files", options=quick, facts=FACTS)
    assert landed(store, "out/") == unzipped(data)
    assert not leftovers(store)
    assert land(
        [linked(origin, data)], store, prefix="out/", layout="files", options=quick, facts=FACTS
    ).skipped


def test_files_of_a_stream_land(store, origin, quick):
    origin.ranged = False
    data = kind("stored")
    land([linked(origin, data)], store, prefix="out/", layout="files", options=quick)
    assert landed(store, "out/") == unzipped(data)
    assert not leftovers(store)


def test_a_taken_name_is_kept(store, origin, quick):
    for data in (BIG, zipped({"a": b"b"})):
        store.put("export.zip", b"precious", crc32=zlib.crc32(b"precious"), overwrite=True)
        with pytest.raises(InvalidRequestError, match="overwrite"):
            land([linked(origin, data)], store, options=quick)
        assert contents(store, "export.zip") == b"precious"
        assert not leftovers(store)
        land([linked(origin, data)], store, options=quick, overwrite=True)
        assert contents(store, "export.zip") == data
        store.delete("export.zip.manifest.json")


def test_the_same_object_again_is_no_conflict(store, origin, quick):
    land([linked(origin, BIG)], store, options=quick)
    store.delete("export.zip.manifest.json")
    land([linked(origin, BIG)], store, options=quick)
    assert contents(store, "export.zip") == BIG
    assert not leftovers(store)


def test_a_damaged_archive_leaves_nothing(store, origin, quick):
    damaged = bytearray(BIG)
    damaged[len(BIG) // 2] ^= 1
    with pytest.raises(IntegrityError):
        land([linked(origin, bytes(damaged))], store, options=quick)
    assert store.sizes("") == {}
    assert not leftovers(store)


def test_a_commit_of_something_else_is_refused(store):
    writer = store.begin("thing", label="label")
    data = noise(6 << 20)
    writer.put_part(Part(1, 0, len(data), zlib.crc32(data)), memoryview(data))
    with pytest.raises((IntegrityError, InvalidRequestError)):
        writer.commit(Checksum(len(data) + 1, 1), overwrite=False)
    assert store.head("thing") is None
    writer.abort()


def test_a_range_is_read(store):
    store.put("thing", b"0123456789", crc32=zlib.crc32(b"0123456789"), overwrite=True)
    view = memoryview(bytearray(4))
    store.read("thing", 3, view)
    assert bytes(view) == b"3456"
    assert store.head("thing").size == 10
    assert store.head("nothing") is None
    assert store.get("nothing") is None
    store.delete("nothing")


def test_a_broken_landing_goes_on_or_begins_anew(store, origin, quick):
    if isinstance(store, FsspecStore):
        origin.fault = lambda seen, number: Fault(cut=1000) if number == 4 else None
        state = MemoryState()
    else:
        state = broken_half_way(store, origin, BIG)
        assert state.kept
        assert contents(store, "export.zip") is None
    sent = origin.sent
    land([linked(origin, BIG)], store, options=quick, facts=FACTS, state=state)
    assert contents(store, "export.zip") == BIG
    assert isinstance(store, FsspecStore) or origin.sent - sent < 0.9 * len(BIG)
    assert not leftovers(store)


@pytest.mark.parametrize("store", ["local", "s3", "moto", "azure", "gcs"], indirect=True)
def test_a_failed_publish_is_tried_again_without_fetching_anything(
    store, origin, quick, monkeypatch
):
    probe, state = store.begin("probe", label="probe"), MemoryState()
    probe.abort()

    def fail(self, whole, *, overwrite):
        raise TransferInterruptedError("the store is away")

    with monkeypatch.context() as away:
        away.setattr(type(probe), "commit", fail)
        with pytest.raises(TransferInterruptedError):
            land([linked(origin, BIG)], store, options=quick, facts=FACTS, state=state)
    sent = origin.sent
    manifest = land([linked(origin, BIG)], store, options=quick, facts=FACTS, state=state)
    assert contents(store, "export.zip") == BIG
    assert {"zip_structure", "zip_crc32", "length"} <= set(manifest.verified)
    assert origin.sent - sent < 100_000


class _Busy(HTTPAdapter):
    """Lets the first request to each *action* fail."""

    def __init__(self, *actions: str) -> None:
        super().__init__()
        self.left = set(actions)

    def send(self, request, *args, **kwargs):
        for action in [action for action in self.left if action in request.url]:
            self.left.discard(action)
            answer = Response()
            answer.status_code, answer.request, answer.raw = 503, request, io.BytesIO()
            return answer
        return super().send(request, *args, **kwargs)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_busy_moment_of_google_does_not_fail_a_landing(gcs, origin, quick, overwrite):
    busy = _Busy("/compose", "/rewriteTo/")
    gcs.bucket.client._http.mount("http://", busy)
    land([linked(origin, BIG)], gcs, options=quick, overwrite=overwrite)
    assert contents(gcs, "export.zip") == BIG
    assert not busy.left


def test_what_has_our_name_is_compared_piece_by_piece(fsspec_memory, origin, quick, monkeypatch):
    land([linked(origin, BIG)], fsspec_memory, options=quick)
    fsspec_memory.delete("export.zip.manifest.json")
    fs, sizes = fsspec_memory.fs, []
    cat = type(fs).cat_file

    def watched(self, path, start=None, end=None, **how):
        data = cat(self, path, start, end, **how)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(type(fs), "cat_file", watched)
    land([linked(origin, BIG)], fsspec_memory, options=quick)
    assert sum(sizes) >= len(BIG)
    assert max(sizes) <= 1 << 20
