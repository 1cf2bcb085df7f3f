"""Damaged archives, read by both of our readers and by ``zipfile``: whatever two accept, they read alike."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib

import pytest
from landing_kit import noise, zipped
from zip_kit import scan

from airflow_provider_assets.landing.zips.directory import locate
from airflow_provider_assets.sansio.errors import AssetsError

FILES = {"a.txt": b"words " * 40, "b/ü.bin": noise(150), "empty": b"", "c": b"PK\3\4PK\7\x08" * 3}
BASES = [
    zipped(FILES, method=method, streamed=streamed, zip64=zip64, comment=comment)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    for streamed in (False, True)
    for zip64, comment in ((False, b""), (True, b"a comment"))
]
Facts = list[tuple[str, int, int, int]]


def mutant(draw: random.Random) -> bytes:
    data = bytearray(draw.choice(BASES))
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        at = draw.randrange(len(data))
        match draw.randrange(5):
            case 0:
                data[at] ^= 1 << draw.randrange(8)
            case 1:
                data[at : at + 4] = draw.choice((b"\xff" * 4, bytes(4), b"\1\0\0\0", b"PK\5\6"))
            case 2:
                del data[at : at + draw.randrange(1, 40)]
            case 3:
                data[at:at] = draw.randbytes(draw.randrange(1, 40))
            case _:
                start = data.rfind(b"PK\1\2")
                near = start + draw.randrange(46) if start >= 0 else at
                data[near % len(data)] = draw.choice((0, 1, 8, 12, 255))
    return bytes(data)


def by_scanner(data: bytes) -> Facts:
    return sorted((m.name, m.size, m.crc, m.offset) for m in scan(data).members)


def by_index(data: bytes) -> Facts | None:
    def read(offset, view):
        view[:] = data[offset : offset + len(view)]

    location = locate(read, len(data))
    if location is None:
        return None
    index = location.read_index(read, max_entries=1000)
    return sorted((m.name, m.size, m.crc, m.offset) for m in index.members)


def by_zipfile(data: bytes) -> Facts | None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            listed = opened.infolist()
            return sorted((i.orig_filename, i.file_size, i.CRC, i.header_offset) for i in listed)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error, zlib.error):
        return None


def accepted(reader, data: bytes) -> Facts | None:
    """What *reader* finds; any error but ours fails the test."""
    try:
        return reader(data)
    except AssetsError:
        return None


@pytest.mark.parametrize("seed", range(4))
def test_readers_agree_on_what_they_accept(seed):
    draw = random.Random(seed)
    both = all_three = 0
    for _ in range(600):
        data = mutant(draw)
        scanned, indexed, known = (
            accepted(by_scanner, data),
            accepted(by_index, data),
            by_zipfile(data),
        )
        if scanned is not None and indexed is not None:
            both += 1
            assert scanned == indexed
        if scanned is not None and known is not None:
            all_three += 1
            assert scanned == known
        if indexed is not None and known is not None:
            assert indexed == known
    assert both > 10
    assert all_three > 10
