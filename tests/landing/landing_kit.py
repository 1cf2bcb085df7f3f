"""What the tests of the landing engine land, and how they look at what came of it."""

from __future__ import annotations

import io
import json
import random
import zipfile
from dataclasses import replace
from functools import cache

import pytest
from origin import Origin

from airflow_provider_assets.landing import (
    AzureStore,
    FsspecStore,
    GcsStore,
    LocalStore,
    S3Store,
    Source,
)
from airflow_provider_assets.landing.stores.base import Rules
from airflow_provider_assets.sansio.downloads import ArchiveFile, Link


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


class _Unseekable(io.RawIOBase):
    """Makes zipfile write data descriptors."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        self.data += data
        return len(data)


def zipped(
    files: dict[str, bytes],
    method: int = zipfile.ZIP_STORED,
    *,
    streamed: bool = False,
    zip64: bool = False,
    comment: bytes = b"",
) -> bytes:
    target = _Unseekable() if streamed else io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as out:
        out.comment = comment
        for name, data in files.items():
            if zip64:
                with out.open(name, "w", force_zip64=True) as entry:
                    entry.write(data)
            else:
                out.writestr(name, data)
    return bytes(target.data) if streamed else target.getvalue()


def unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return {name: opened.read(name) for name in opened.namelist() if not name.endswith("/")}


@cache
def images() -> dict[str, bytes]:
    return {f"image-{n:03}.png": noise(1_000_000, n) for n in range(24)}


@cache
def big() -> bytes:
    """A zip of stored images, 24 MB: five parts of the size that tests use."""
    return zipped(images())


@cache
def small() -> bytes:
    """A deflated zip of a few bytes."""
    files = {"one.txt": b"hello", "two/": b"", "two/three.txt": b"world" * 1000}
    return zipped(files, zipfile.ZIP_DEFLATED)


FACTS = {"fingerprint": "night"}
over_http_and_https = pytest.mark.parametrize("origin", ["http", "https"], indirect=True)


def linked(
    origin: Origin,
    data: bytes,
    name: str = "export.zip",
    *,
    single_use: bool = False,
    **link: object,
) -> Source:
    origin.files[f"/{name}"] = data
    address = f"{origin.url}/{name}"
    return Source(ArchiveFile(name, name), lambda: Link(address, **link), single_use=single_use)


def contents(store: LocalStore | S3Store, key: str) -> bytes | None:
    return store.get(key)


def landed(store, prefix: str) -> dict[str, bytes]:
    """The objects below *prefix* without its manifest, by their names below it."""
    keys = [key for key, _ in store.listing(prefix) if not key.endswith(".manifest.json")]
    return {key[len(prefix) :]: store.get(key) for key in keys}


def leftovers(store: LocalStore | S3Store) -> list[str]:
    """What a landing must not leave: hidden part files, open uploads."""
    if isinstance(store, LocalStore):
        return [str(path) for path in store.root.rglob("*.part")]
    if isinstance(store, (FsspecStore, GcsStore)):
        return [key for key, _ in store.listing("") if ".landing" in key]
    if isinstance(store, AzureStore):
        return []  # its uncommitted blocks are invisible and expire
    found = store.client.list_multipart_uploads(Bucket=store.bucket)
    return [upload["UploadId"] for upload in found.get("Uploads", ())]


class MemoryState:
    """A state as a task has one: JSON by key, which outlives the attempt. It can be unavailable."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.fails = False
        self.failures = 0

    def get(self, key: str):
        self._fail()
        return json.loads(self.kept.get(key, "null"))

    def set(self, key: str, value) -> None:
        self._fail()
        self.kept[key] = json.dumps(value)

    def delete(self, key: str) -> None:
        self._fail()
        self.kept.pop(key, None)

    def _fail(self) -> None:
        if self.fails:
            self.failures += 1
            raise RuntimeError("the API server is unavailable")


class FewParts(S3Store):
    """An S3 that takes only so many parts to an object."""

    def __init__(self, store: S3Store, max_parts: int) -> None:
        super().__init__(store.client, store.bucket)
        object.__setattr__(self, "max_parts", max_parts)

    @property
    def rules(self) -> Rules:
        return replace(super().rules, max_parts=self.max_parts)
