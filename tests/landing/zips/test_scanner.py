"""The one-pass zip reader against archives of every kind, cut into any pieces."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from landing_kit import noise, zipped
from zip_kit import scan, with_extra_data, with_zip64_end

from airflow_provider_assets.landing.zips.index import locate
from airflow_provider_assets.landing.zips.inflate import Limits
from airflow_provider_assets.landing.zips.scanner import ZipScanner
from airflow_provider_assets.sansio.errors import IntegrityError, InvalidRequestError


class _Collect:
    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def start(self, name):
        self.name, self.now = name, bytearray()

    def data(self, piece):
        self.now += piece

    def end(self):
        self.files[self.name] = bytes(self.now)


FILES = {
    "a.txt": b"text " * 5000,
    "empty": b"",
    "folder/": b"",
    "folder/ü.bin": noise(70_000),
    "trap.zip": b"PK\x07\x08" * 50
    + b"PK\x03\x04PK\x01\x02PK\x05\x06"
    + noise(300)
    + b"PK\x07\x08PK",
    "zeros": bytes(300_000),
}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("zip64", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_every_kind_of_archive_is_read_from_any_pieces(method, streamed, zip64, seed):
    data = zipped(FILES, method=method, streamed=streamed, zip64=zip64, comment=b"PK\x05\x06 hi")
    collect = _Collect()
    scanner = scan(data, seed, collect)
    assert collect.files == FILES
    assert [m.name for m in scanner.members] == list(FILES)
    assert not scanner.unverified


@pytest.mark.parametrize("zip64", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_may_be_cut_between_any_two_bytes(method, streamed, zip64):
    files = {"a.txt": b"text " * 9, "empty": b"", "trap": b"PK\x07\x08PK\x03\x04"}
    data = zipped(files, method=method, streamed=streamed, zip64=zip64, comment=b"hi")
    for whole in (data, with_zip64_end(data, b"more"), with_extra_data(data, b"more")):
        for step in (1, *range(2, len(whole), 3)):
            collect = _Collect()
            scanner = ZipScanner(handler=collect)
            for at in range(0, len(whole), step):
                scanner.feed(whole[at : at + step])
            scanner.close()
            assert collect.files == files


def test_an_archive_without_entries_is_whole():
    assert len(scan(zipped({})).members) == 0


@pytest.mark.long
def test_more_entries_than_sixteen_bits_count():
    files = {f"{n:05}": b"" for n in range(66_000)}
    archive = bytearray(zipped(files))
    assert len(scan(archive, 3).members) == len(files)

    def read(offset: int, view: memoryview) -> None:
        view[:] = archive[offset : offset + len(view)]

    def indexed(count: int) -> int:
        archive[-12:-10] = struct.pack("<H", count)  # beside the zip64 end record
        located = locate(read, len(archive))
        return len(located.read_index(read, max_entries=70_000).members)

    assert indexed(66_000 & 0xFFFF) == len(files)
    assert len(scan(archive).members) == len(files)
    with pytest.raises(IntegrityError, match="does not match its directory"):
        indexed(66_001 & 0xFFFF)


@given(st.data())
def test_a_cut_archive_is_never_whole(data):
    whole = zipped(FILES, streamed=data.draw(st.booleans()))
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(IntegrityError):
        scan(whole[:cut])


@given(st.data())
def test_a_changed_byte_of_content_is_always_found(data):
    method = data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    whole = bytearray(zipped({"a": noise(3000), "b": b"b" * 900}, method=method))
    end = whole.index(b"PK\x01\x02")
    at = data.draw(st.integers(31, end - 1))
    before = bytes(whole)
    whole[at] ^= data.draw(st.integers(1, 255))
    collect = _Collect()
    try:
        scan(bytes(whole), handler=collect)
    except (IntegrityError, InvalidRequestError):
        return
    # What no checksum covers (dates, versions) may differ; the contents may not.
    expected = _Collect()
    scan(before, handler=expected)
    assert list(collect.files.values()) == list(expected.files.values())


@given(st.binary(max_size=400))
def test_noise_is_refused_and_never_crashes_the_reader(data):
    for lead in (b"", b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"):
        try:
            scan(lead + data)
        except (IntegrityError, InvalidRequestError):
            continue
        assert lead + data == b"PK\x05\x06" + bytes(18)


def test_an_encrypted_entry_is_reported_as_unverified():
    whole = bytearray(zipped({"a": b"x" * 50}))
    whole[6] |= 1
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in scan(bytes(whole)).unverified


@pytest.mark.parametrize(
    ("at", "value", "why"), [(8, 93, "compression method 93"), (6, 1, "encrypted")]
)
def test_an_entry_that_cannot_be_unpacked_is_refused_where_its_contents_are_wanted(at, value, why):
    whole = bytearray(zipped({"a": b"x" * 50}))
    whole[at] = whole[whole.index(b"PK\x01\x02") + at + 2] = value
    assert scan(bytes(whole)).unverified == f"'a': {why}"
    with pytest.raises(InvalidRequestError, match=f"'a' cannot be unpacked: {why}"):
        scan(bytes(whole), handler=_Collect())
    whole[6] |= 8
    with pytest.raises(InvalidRequestError, match=f"'a' .{why}. has no announced length"):
        scan(bytes(whole))


def test_a_descriptor_that_does_not_match_is_told_with_the_name():
    whole = bytearray(zipped({"a": b"x" * 50}, zipfile.ZIP_DEFLATED, streamed=True))
    whole[whole.index(b"PK\x07\x08") + 4] ^= 1
    with pytest.raises(IntegrityError, match="'a' is damaged: its data descriptor does not match"):
        scan(bytes(whole))


def test_entries_are_listed_only_where_they_are_wanted():
    scanner = ZipScanner(keeps_members=False)
    scanner.feed(zipped(FILES))
    scanner.close()
    assert len(scanner.members) == 0
    assert scanner.census.count == len(FILES)


@pytest.mark.parametrize("comment", [b"", b"more", b"PK\5\6"])
def test_a_comment_that_holds_an_end_record_is_refused(comment):
    end = zipped({})
    for text in (end + comment, b"c" + end + comment):
        with pytest.raises(IntegrityError, match=r"its comment holds an end record$"):
            scan(zipped(FILES, comment=text))


def test_the_place_of_damage_is_told():
    whole = zipped({"a": b"1"})
    with pytest.raises(IntegrityError, match=r"damaged at byte 0$"):
        scan(b"\0" + whole)
    start = whole.index(b"PK\5\6")
    with pytest.raises(IntegrityError, match=f"damaged at byte {start}$"):
        scan(whole[:start] + b"PK\5\7" + whole[start + 4 :])
    with pytest.raises(IntegrityError, match=f"ends early, after {start} bytes$"):
        scan(whole[:start])


def test_bytes_after_the_end_are_refused():
    whole = zipped(FILES)
    with pytest.raises(IntegrityError, match=f"follow the end of the zip archive at {len(whole)}$"):
        scan(whole + b"x")


def test_a_directory_that_names_another_entry_is_refused():
    whole = zipped({"aaa": b"1", "bbb": b"2"})
    at = whole.rindex(b"bbb")
    with pytest.raises(IntegrityError, match="directory"):
        scan(whole[:at] + b"ccc" + whole[at + 3 :])


@pytest.mark.parametrize(
    ("method", "by", "why"),
    [
        (zipfile.ZIP_STORED, -1, "it is stored, but its packed and unpacked sizes differ"),
        (zipfile.ZIP_DEFLATED, -1, "its data ends early"),
        (zipfile.ZIP_DEFLATED, 1, r"it takes (\d+) bytes, the archive says \d+"),
    ],
)
def test_an_entry_of_a_false_length_is_told_with_its_name(method, by, why):
    whole = bytearray(zipped({"a": b"x" * 50}, method))
    whole[18] += by
    with pytest.raises(IntegrityError, match=f"^'a' is damaged: {why}$"):
        scan(bytes(whole))


def test_no_more_is_unpacked_than_an_entry_announces():
    whole = bytearray(zipped({"zeros": bytes(1 << 20)}, zipfile.ZIP_DEFLATED))
    whole[22:26] = struct.pack("<L", 1000)
    collected = _Collect()
    with pytest.raises(IntegrityError, match="'zeros'"):
        scan(bytes(whole), handler=collected)
    assert len(collected.now) <= 1001


def test_a_bomb_is_refused_while_it_unpacks():
    bomb = zipped({"zeros": bytes(80_000_000)}, method=zipfile.ZIP_BZIP2)
    scanner = ZipScanner(limits=Limits(max_unpacked=1 << 30, max_ratio=200))
    with pytest.raises(InvalidRequestError, match="times its size"):
        scanner.feed(bomb)


def test_what_is_only_verified_may_be_packed_at_any_ratio():
    scan(zipped({"zeros": bytes(80_000_000)}, method=zipfile.ZIP_DEFLATED))


def test_a_scan_continues_from_its_ledger():
    whole = zipped(FILES)
    first = ZipScanner()
    first.feed(whole[: whole.index(b"folder/\xc3\xbc") + 500])
    census = first.census
    second = ZipScanner(census=census)
    second.feed(whole[census.offset :])
    second.close()
    assert len(second.members) == len(FILES)


@given(st.integers(0, 43), st.integers(0, 80))
def test_a_damaged_zip64_end_is_told_as_damage(length, cut):
    end = struct.pack("<4sQ", b"PK\6\6", length) + bytes(length)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, cut, 1)
    whole = (
        end[: cut or None] + locator + struct.pack("<4s4H2LH", b"PK\5\6", *[0xFFFF] * 4, 0, 0, 0)
    )

    def read(offset, view):
        view[:] = whole[offset : offset + len(view)]

    for reader in (scan, lambda data: locate(read, len(data)).read_index(read, max_entries=9)):
        with pytest.raises(IntegrityError):
            reader(whole)


def test_a_directory_of_more_records_than_entries_is_refused_before_its_end():
    whole = zipped({"a": b"1"})
    start, end = whole.index(b"PK\1\2"), whole.index(b"PK\5\6")
    scanner = ZipScanner(max_entries=5)
    with pytest.raises(InvalidRequestError, match="more than 5"):
        scanner.feed(whole[:start] + whole[start:end] * 6)


def _large(method: int, flags: int) -> bytes:
    """The local header of an entry of two gibibytes."""
    return struct.pack("<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 0, 0, 1 << 31, 1 << 31, 1, 0)


@pytest.mark.parametrize(
    "start",
    [
        zipped({"a": b"1"})[:32] + b"PK\6\x08" + struct.pack("<L", 1 << 31),
        _large(zipfile.ZIP_STORED, 0) + b"a",
        _large(zipfile.ZIP_STORED, 8) + b"a",
        _large(zipfile.ZIP_STORED, 1) + b"a",
        _large(93, 0) + b"a",
    ],
    ids=["extra data", "stored", "stored without length", "encrypted", "unknown method"],
)
def test_nothing_long_is_held_in_memory(start):
    scanner = ZipScanner()
    scanner.feed(start)
    tracemalloc.start()
    for _ in range(32):
        scanner.feed(bytes(1 << 20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_descriptor_of_either_width_is_recognised():
    for wide in (False, True):
        data, crc = b"payload", zlib.crc32(b"payload")
        form = struct.pack("<LQQ" if wide else "<LLL", crc, 7, 7)
        head = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 8, 0, 0, 0, 0, 0, 0, 1, 0) + b"n"
        local = head + data + b"PK\x07\x08" + form
        central = (
            struct.pack(
                "<4s6H3L5H2L", b"PK\1\2", 20, 20, 8, 0, 0, 0, crc, 7, 7, 1, 0, 0, 0, 0, 0, 0
            )
            + b"n"
        )
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local), 0)
        assert scan(local + central + end).members[0].size == 7


def test_long_names_are_neither_shown_whole_nor_held_without_limit():
    files = {f"{number:02}" + "n" * 65_000: b"x" for number in range(20)}
    whole = zipped(files)

    def read(offset, view):
        view[:] = whole[offset : offset + len(view)]

    scanner = ZipScanner(max_entries=30)
    with pytest.raises(InvalidRequestError, match="names in the archive"):
        scanner.feed(whole[: whole.index(b"PK\1\2")])
    location = locate(read, len(whole))
    with pytest.raises(InvalidRequestError, match="names in the archive"):
        location.read_index(read, max_entries=30)
    damaged = bytearray(whole)
    damaged[30 + 65_002] ^= 1
    with pytest.raises(IntegrityError, match="00nn") as refused:
        scan(bytes(damaged))
    assert len(str(refused.value)) < 400
