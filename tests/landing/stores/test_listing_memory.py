"""A destination with many older objects costs a landing requests, but no memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator

from landing_kit import FACTS, linked, zipped

from airflow_provider_assets.landing import LocalStore, S3Store, land
from airflow_provider_assets.landing.stores.base import put_document

OLDER = 30_000
MOST = 1 << 20  # bytes: 30,000 names and sizes take three times as much


def peak(act: Callable[[], object]) -> int:
    """The most bytes that *act* has in use at a time."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def older() -> Iterator[tuple[str, int]]:
    return ((f"out/older-{number:08}.png", 1) for number in range(OLDER))


class CrowdedS3(S3Store):
    """Lists older objects before the others."""

    def listing(self, prefix):
        yield from older()
        yield from S3Store.listing(self, prefix)


class CrowdedFolder(LocalStore):
    """Lists older files before the others."""

    def listing(self, prefix):
        yield from older()
        yield from LocalStore.listing(self, prefix)


def test_a_sweep_of_s3_keeps_only_its_own_markers(moto):
    left = moto.begin("out/new.png", label="dead")
    store = CrowdedS3(moto.client, moto.bucket)
    swept = []
    assert peak(lambda: swept.append(store.sweep(["out/new.png", "out/other.png"]))) < MOST
    assert swept == [1]
    assert dict(moto.listing("")) == {}
    left.discard()


def test_a_sweep_of_google_keeps_only_the_names_of_dead_parts(gcs, monkeypatch):
    put_document(gcs, "out/new.png.landing/dead/000001", b"part")
    real = type(gcs.bucket).list_blobs

    def crowded(self, prefix=None, **how):
        for name, size in older():
            blob = self.blob(name)
            blob._properties.update(size=size)
            yield blob
        yield from real(self, prefix=prefix, **how)

    monkeypatch.setattr(type(gcs.bucket), "list_blobs", crowded)
    swept = []
    assert peak(lambda: swept.append(gcs.sweep(["out/new.png", "out/other.png"]))) < MOST
    assert swept == [1]


def test_files_that_have_landed_are_found_among_many_older_ones(local, origin, quick):
    data = zipped({f"{number}.png": b"image" for number in range(3)})
    store, skipped = CrowdedFolder(local.root), []

    def again() -> None:
        manifest = land(
            [linked(origin, data)], store, prefix="out/", layout="files", options=quick, facts=FACTS
        )
        skipped.append(manifest.skipped)

    again()
    assert peak(again) < MOST
    store.delete("out/1.png")
    again()
    assert skipped == [False, True, False]
