"""Archives that lie about themselves or are too large: unpacking stops at its limits."""

from __future__ import annotations

import struct
import threading
import time
import zlib
from dataclasses import dataclass

import pytest
from landing_kit import leftovers, linked, noise, zipped
from origin import Fault

from airflow_provider_assets.landing import LandingOptions, LocalStore, S3Store, land
from airflow_provider_assets.landing.layouts import unzip, unzip_ranged
from airflow_provider_assets.landing.stores.base import Part, PartWriter
from airflow_provider_assets.sansio.errors import IntegrityError

MIB = 1 << 20


def lying(announced: int, real: int) -> bytes:
    """A zip of one deflated entry of *real* zeros; every header says that it has *announced* bytes."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = engine.compress(bytes(real)) + engine.flush()
    facts = struct.pack("<3L", zlib.crc32(bytes(real)), len(packed), announced)
    name = b"bomb"
    local = (
        struct.pack("<4s5H", b"PK\3\4", 20, 0, 8, 0, 0) + facts + struct.pack("<2H", 4, 0) + name
    )
    central = struct.pack("<4s6H", b"PK\1\2", 20, 20, 0, 8, 0, 0) + facts
    central += struct.pack("<5H2L", 4, 0, 0, 0, 0, 0, 0) + name
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local) + len(packed), 0)
    return local + packed + central + end


@dataclass
class Counting:
    """A part writer that counts what it is given."""

    inner: PartWriter
    written: list[int]

    def put_part(self, part: Part, data: memoryview) -> str:
        self.written.append(len(data))
        return self.inner.put_part(part, data)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def counted(store: LocalStore | S3Store) -> tuple[LocalStore | S3Store, list[int]]:
    """The same store, and the sizes of all that is written to it, in parts or whole."""
    written: list[int] = []

    class Counted(type(store)):
        def begin(self, key, *, label, options):
            return Counting(super().begin(key, label=label, options=options), written)

        def put(self, key, data, *, crc32, overwrite, **how):
            written.append(len(data))
            return super().put(key, data, crc32=crc32, overwrite=overwrite, **how)

    if isinstance(store, LocalStore):
        return Counted(store.root), written
    return Counted(store.client, store.bucket), written


@pytest.mark.parametrize("ranged", [True, False], ids=["ranged", "one pass"])
@pytest.mark.parametrize("announced", [5 * MIB, 1000], ids=["large", "small"])
def test_unpacking_stops_where_the_announced_size_ends(store, origin, ranged, announced):
    origin.ranged = ranged
    watched, written = counted(store)
    source = linked(origin, lying(announced, 30 * MIB))
    with pytest.raises(IntegrityError, match=f"more than the {announced} bytes"):
        land([source], watched, layout="files", options=LandingOptions(max_unpacked=20 * MIB))
    assert sum(written) <= announced + MIB
    assert not dict(store.listing(""))
    assert not leftovers(store)


def test_an_archive_with_a_large_directory_is_read_in_one_pass(local, origin, quick, monkeypatch):
    files = {f"{number:03}.txt": noise(50_000, number) for number in range(40)}
    data = zipped(files)
    monkeypatch.setattr(unzip, "_LARGEST_INDEX", 1000)
    source = linked(origin, data)
    manifest = land([source], local, prefix="out/", layout="files", options=quick)
    assert {"zip_structure", "zip_crc32", "length"} <= set(manifest.verified)
    assert {name: local.get(f"out/{name}") for name in files} == files
    assert origin.sent <= 1.1 * len(data)


def test_a_staged_archive_with_a_large_directory_is_read_in_one_pass(
    local, origin, quick, monkeypatch
):
    files = {f"{number:03}.txt": noise(5000, number) for number in range(40)}
    monkeypatch.setattr(unzip, "_LARGEST_INDEX", 1000)
    source = linked(origin, zipped(files), single_use=True)
    land([source], local, prefix="out/", layout="files", options=quick)
    assert {name: local.get(f"out/{name}") for name in files} == files
    assert len(origin.seen) == 1


def test_fewer_workers_unpack_after_the_source_refused_for_load(local, origin, quick, monkeypatch):
    monkeypatch.setattr(unzip_ranged, "BLOCK", 50_000)  # an entry each
    files = {f"{number:03}.bin": noise(40_000, number) for number in range(120)}
    refused: list[float] = []
    late: set[str] = set()

    def fault(seen, number):
        if number == 20:
            refused.append(time.monotonic())
        return Fault(status=503) if number == 20 else None

    class Watched(LocalStore):
        def put(self, key, data, *, crc32, overwrite, **how):
            if key.endswith(".bin") and refused and time.monotonic() > refused[0] + 0.4:
                late.add(threading.current_thread().name)
            return super().put(key, data, crc32=crc32, overwrite=overwrite, **how)

    origin.fault, origin.delay = fault, 0.05
    store = Watched(local.root)
    land([linked(origin, zipped(files))], store, prefix="out/", layout="files", options=quick)
    assert late
    assert late <= {f"landing-{number}" for number in range(4)}
    assert {name: local.get(f"out/{name}") for name in files} == files
