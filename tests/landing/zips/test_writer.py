"""The zip writer: its bytes, and what is beyond the numbers of the first format."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest

from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.zips.format import MAX32
from airflow_provider_assets.landing.zips.index import parse_directory
from airflow_provider_assets.landing.zips.scanner import ZipScanner
from airflow_provider_assets.landing.zips.writer import ZipWriter


def written(fill) -> tuple[ZipWriter, list[bytes]]:
    """A writer that *fill* has used, and what its end adds."""
    pieces: list[bytes] = []
    writer = ZipWriter(lambda view: pieces.append(bytes(view)))
    fill(writer)
    pieces.clear()
    writer.close()
    return writer, pieces


def test_every_byte_of_an_archive_follows_from_names_and_contents():
    pieces: list[bytes] = []
    writer = ZipWriter(lambda view: pieces.append(bytes(view)))
    writer.small("a.txt", b"small")
    begun = writer.begin("ü")
    writer.feed(memoryview(b"streamed"))
    small, streamed = zlib.crc32(b"small"), zlib.crc32(b"streamed")
    writer.end(begun, Checksum(8, streamed))
    writer.close()
    # Fields in the order of APPNOTE 4.3.7, 4.3.9, 4.3.12 and 4.3.16; 33 is 1980-01-01.
    entries = (
        struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 33, small, 5, 5, 5, 0)
        + b"a.txtsmall"
        + struct.pack("<4s5H3L2H", b"PK\3\4", 45, 0x808, 0, 0, 33, 0, MAX32, MAX32, 2, 20)
        + "ü".encode()
        + struct.pack("<HHQQ", 1, 16, 0, 0)
        + b"streamed"
        + struct.pack("<4sLQQ", b"PK\7\x08", streamed, 8, 8)
    )
    directory = (
        struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, small, 5, 5, 5, *[0] * 6)
        + b"a.txt"
        + struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 45, 45, 0x808, 0, 0, 33, streamed, 8, 8, 2, *[0] * 5, 40
        )
        + "ü".encode()
    )
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, len(directory), len(entries), 0)
    assert b"".join(pieces) == entries + directory + end


@pytest.mark.parametrize("offset", [MAX32 - 1, MAX32])
@pytest.mark.parametrize("size", [MAX32 - 1, MAX32])
def test_a_number_that_says_look_elsewhere_is_itself_written_elsewhere(offset, size):
    def fill(writer: ZipWriter) -> None:
        writer.position = offset
        writer.end(writer.begin("a"), Checksum(size, 1))

    _, [central, *_] = written(fill)
    values = [size, size] * (size == MAX32) + [offset] * (offset == MAX32)
    extra = struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values), *values) if values else b""
    fixed = (45, 45, 8, 0, 0, 33, 1, size, size, 1, len(extra), 0, 0, 0, 0, offset)
    assert central == struct.pack("<4s6H3L5H2L", b"PK\1\2", *fixed) + b"a" + extra


@pytest.mark.parametrize(("count", "start"), [(0xFFFE, 7), (0xFFFF, 7), (1, MAX32 - 1), (1, MAX32)])
def test_the_end_is_zip64_from_the_first_number_that_does_not_fit(count, start):
    def fill(writer: ZipWriter) -> None:
        writer.records += [writer.small("a", b"")] * (count - 1)
        writer.position = start

    writer, pieces = written(fill)
    size = 47 * count
    ends = [struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, start, 0)]
    if count == 0xFFFF or start == MAX32:
        ends = [
            struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start),
            struct.pack("<4sLQL", b"PK\6\7", 0, start + size, 1),
            struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, MAX32, MAX32, 0),
        ]
    assert pieces[count:] == ends
    assert writer.position == start + size + sum(map(len, ends))


@pytest.mark.long
def test_an_archive_of_more_than_sixteen_bits_of_entries_is_zip64(tmp_path):
    pieces, scanner = [], ZipScanner()
    writer = ZipWriter(lambda view: (pieces.append(bytes(view)), scanner.feed(view)))
    for number in range(66_000):
        writer.small(f"{number}", b"")
    writer.close()
    scanner.close()
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as opened:
        assert len(opened.namelist()) == 66_000


def test_entries_beyond_four_gibibytes_are_zip64():
    tail = []
    writer = ZipWriter(lambda view: tail.append(bytes(view)))
    record = writer.begin("huge")
    writer.position += 5 << 30  # as if five gibibytes had been fed
    writer.end(record, Checksum(5 << 30, 1))
    writer.small("after", b"x")
    tail.clear()
    start = writer.position
    writer.close()
    members = parse_directory(b"".join(tail), start, 2)
    assert [(m.name, m.size) for m in members] == [("huge", 5 << 30), ("after", 1)]
    assert members[1].offset > 5 << 30
