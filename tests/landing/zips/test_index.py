"""The directory of a zip, read by random access."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from itertools import permutations, product

import pytest
from landing_kit import zipped
from zip_kit import ALL_ELSEWHERE, scan, with_zip64_end

from airflow_provider_assets.landing.zips.format import STORED
from airflow_provider_assets.landing.zips.index import (
    Index,
    Read,
    locate,
    parse_directory,
    payload,
)
from airflow_provider_assets.landing.zips.inflate import check_whole, inflate
from airflow_provider_assets.sansio.errors import IntegrityError, InvalidRequestError

END = struct.pack("<4s4H2LH", b"PK\5\6", *[0] * 7)


def reading(data: bytes) -> Read:
    def read(offset: int, view: memoryview) -> None:
        assert 0 <= offset <= offset + len(view) <= len(data)
        view[:] = data[offset : offset + len(view)]

    return read


def index_of(data: bytes, max_entries: int = 9) -> Index:
    location = locate(reading(data), len(data))
    assert location is not None
    return location.read_index(reading(data), max_entries=max_entries)


def unpacked(data: bytes) -> dict[str, bytes]:
    """The contents of every entry, read by its place in the directory."""
    found = {}
    for extent in index_of(data):
        member = extent.member
        block = memoryview(data)[member.offset : extent.end]
        at = payload(block, extent)
        packed = block[at : at + member.packed]
        found[member.name] = bytes(packed) if member.method == STORED else inflate(member, packed)
        check_whole(member, len(found[member.name]), zlib.crc32(found[member.name]))
    return found


def names(data: bytes) -> list[str]:
    return [extent.member.name for extent in index_of(data)]


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_entries_come_in_the_order_of_their_data_whatever_that_of_the_directory(order):
    whole = zipped({"a": b"1", "b": b"22", "c": b"333"})
    start, size = whole.index(b"PK\1\2"), 47
    records = [whole[start + size * n : start + size * (n + 1)] for n in order]
    assert names(whole[:start] + b"".join(records) + whole[start + 3 * size :]) == ["a", "b", "c"]


def test_what_looks_like_an_end_does_not_hide_the_end():
    files = {"a": END, "b": b"PK\5\6"}
    assert names(zipped(files)) == ["a", "b"]
    assert names(zipped(files, comment=b"PK\5\6")) == ["a", "b"]
    assert names(zipped(files, comment=b"PK\5\6" * 4)) == ["a", "b"]
    assert names(zipped({}, comment=b"PK\5\6")) == []


@pytest.mark.parametrize("lengths", [(5, 5, 0), (5, 0, 5), (4, 5, 9), (4, 9, 5), (9, 4, 5)])
def test_a_record_may_have_a_name_an_extra_field_and_a_comment_of_any_lengths(lengths):
    name, extra, comment = lengths
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as out:
        for letter in "ab":
            info = zipfile.ZipInfo(letter * name)
            info.extra, info.comment = b"\x55\x54\1\0\0\0\0\0\0"[:extra], b"c" * comment
            out.writestr(info, letter)
    data = target.getvalue()
    assert names(data) == ["a" * name, "b" * name]
    assert [member.name for member in scan(data).members] == ["a" * name, "b" * name]


@pytest.mark.parametrize("narrow", [*product(*((None, one) for one in ALL_ELSEWHERE))])
def test_any_number_of_the_end_may_be_in_the_record_of_zip64(narrow):
    data = with_zip64_end(zipped({"a": b"1", "b": b"2"}), narrow=narrow)
    assert names(data) == ["a", "b"]
    assert len(scan(data).members) == 2


@pytest.mark.parametrize("wrong", [(3, None, None), (None, 7, None), (None, None, 7)])
def test_two_ends_that_contradict_each_other_are_refused(wrong):
    data = with_zip64_end(zipped({"a": b"1", "b": b"2"}), narrow=wrong)
    for read in (names, scan):
        with pytest.raises(IntegrityError):
            read(data)


@pytest.mark.parametrize("zip64", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_every_kind_of_archive_is_read_from_its_directory(method, streamed, zip64):
    files = {"a.txt": b"text " * 900, "empty": b"", "ü/": b"", "ü/b": bytes(range(256))}
    assert unpacked(zipped(files, method=method, streamed=streamed, zip64=zip64)) == files


@pytest.mark.parametrize(
    ("at", "is_seen"),
    # Offsets in a local header: version, flags, method, time, date, CRC-32, sizes, lengths, name.
    [
        (4, False), (6, True), (7, False), (8, True), (10, False), (12, False), (14, True),
        (17, True), (18, True), (21, True), (22, True), (25, True), (26, True), (27, True),
        (28, True), (29, True), (30, True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("zip64", [False, True])
def test_a_local_header_describes_its_entry_as_the_directory_does(at, is_seen, zip64):
    data = bytearray(zipped({"a": b"1", "b": b"2"}, zip64=zip64))
    data[at] ^= 1
    if is_seen:
        with pytest.raises(IntegrityError, match="'a'"):
            unpacked(bytes(data))
    else:
        assert unpacked(bytes(data)) == {"a": b"1", "b": b"2"}


@pytest.mark.parametrize("at", [16, 24, 32])
def test_the_sizes_of_an_entry_that_is_described_behind_it_are_those_of_the_directory(at):
    files = {"a": b"first", "b": b"second"}
    data = bytearray(zipped(files, streamed=True))
    data[14:26] = bytes(range(12))
    assert unpacked(bytes(data)) == files
    data[data.index(b"PK\1\2") + at] ^= 1
    with pytest.raises(IntegrityError):
        unpacked(bytes(data))


def test_the_same_bytes_are_another_name_if_only_one_header_says_utf8():
    data = bytearray(zipped({"ü": b"1"}))
    data[7] ^= 8
    with pytest.raises(IntegrityError, match="'ü' is damaged: its local header names another"):
        unpacked(bytes(data))


def test_a_missing_local_header_is_told_with_the_name():
    data = bytearray(zipped({"a": b"1", "b": b"2"}))
    data[0] ^= 1
    with pytest.raises(IntegrityError, match="'a' is damaged: its local header is missing"):
        unpacked(bytes(data))


def test_entries_that_overlap_are_refused():
    files = {"a": b"1", "b": b"2"}
    whole = zipped(files)
    second = whole.rindex(b"PK\1\2")
    for place in (0, 31):
        data = bytearray(whole)
        data[second + 42] = place
        with pytest.raises(IntegrityError, match="'a' overlaps the entry after it"):
            index_of(bytes(data))
    three = bytearray(zipped({"a": b"1", "b": b"2", "c": b"3"}))
    three[three.rindex(b"PK\1\2") + 42] -= 1
    with pytest.raises(IntegrityError, match="'b' overlaps the entry after it"):
        index_of(bytes(three))
    long = bytearray(whole)
    long[28] = 1  # an extra field of a byte, for which there is no room
    with pytest.raises(IntegrityError, match="'a' overlaps the entry after it"):
        unpacked(bytes(long))
    last = zipped({"a": b"1"}).replace(b"\1\0\0\0\1\0\0\0", b"\2\0\0\0\2\0\0\0")
    with pytest.raises(IntegrityError, match="'a' overlaps the entry after it"):
        index_of(last)


def test_a_directory_may_be_longer_than_the_end_that_is_read_first():
    files = {f"{number:020}": b"" for number in range(1500)}
    whole = zipped(files)
    assert [one.member.name for one in index_of(whole, 1500)] == list(files)
    with pytest.raises(InvalidRequestError, match="more than 1499 entries"):
        index_of(whole, 1499)
    assert names(zipped({"a": bytes(100_000), "b": b""}, comment=b"c" * 0xFFFF)) == ["a", "b"]


@pytest.mark.parametrize(
    "data", [b"", b"P", b"PK\3", b"PK\3\5" + bytes(40), b"\0PK\3\4", bytes(90_000)]
)
def test_what_does_not_begin_like_a_zip_is_none(data):
    assert locate(reading(data), len(data)) is None


def test_a_zip_without_its_end_is_told_as_truncated():
    for data in (b"PK\3\4", zipped({"a": b"1"})[:-1], zipped({"a": bytes(90_000)})[:80_000]):
        with pytest.raises(IntegrityError, match="truncated: its end record is missing"):
            locate(reading(data), len(data))


def test_a_directory_begins_within_its_archive():
    data = bytearray(zipped({}))
    data[16] = 22
    assert locate(reading(data), 22).size == 0
    data[16] = 23
    with pytest.raises(IntegrityError, match="its directory begins at byte 23 of 22"):
        locate(reading(data), 22)


@pytest.mark.parametrize("comment", [b"", b"c" * 0xFFFF])
def test_the_directory_of_a_large_archive_is_found_by_the_records_of_zip64(comment):
    data = with_zip64_end(zipped({"a": bytes(100_000), "b": b"2"}, comment=comment))
    assert names(data) == ["a", "b"]


def test_a_comment_that_looks_like_a_locator_does_not_hide_the_directory():
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as out:
        info = zipfile.ZipInfo("a")
        info.comment = struct.pack("<4sLQL", b"PK\6\7", 0, 7, 1)
        out.writestr(info, b"1")
    assert names(target.getvalue()) == ["a"]


def test_an_empty_archive_may_have_the_records_of_zip64():
    data = with_zip64_end(zipped({}))
    assert names(data) == []
    for at in (0, 3, 64):  # the signature of the record, and where the locator says that it is
        wrong = bytearray(data)
        wrong[at] ^= 1
        with pytest.raises(IntegrityError, match="its zip64 end record is missing"):
            index_of(bytes(wrong))


def test_without_a_locator_the_first_end_counts():
    data = bytearray(zipped({"a": b"1"}))
    start = data.index(b"PK\1\2")
    data[-12:-10] = b"\xff\xff"
    assert locate(reading(data), len(data)).start == start
    with pytest.raises(IntegrityError, match="does not match its directory"):
        index_of(bytes(data))


def test_what_follows_or_cuts_the_directory_is_told():
    whole = zipped({"a": b"1"})
    start = whole.index(b"PK\1\2")
    assert len(parse_directory(whole[start:], start, 1)) == 1
    with pytest.raises(IntegrityError, match="bytes follow the end"):
        parse_directory(whole[start:] + b"x", start, 1)
    for cut in range(start + 4, len(whole)):
        with pytest.raises(IntegrityError, match="its directory ends early"):
            parse_directory(whole[start:cut], start, 1)


@pytest.mark.parametrize("count", [0, 1, 2, 4, 7])
def test_the_end_counts_the_entries(count):
    data = bytearray(zipped({"a": b"1", "b": b"2", "c": b"3"}))
    assert data[-12] == 3
    data[-12] = count
    for read in (index_of, scan):
        with pytest.raises(IntegrityError, match="does not match its directory"):
            read(bytes(data))
