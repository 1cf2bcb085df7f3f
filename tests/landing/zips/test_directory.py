"""The directory of a zip, read by random access."""

from __future__ import annotations

import io
import struct
import zipfile
from itertools import permutations, product

import pytest
from landing_kit import zipped
from zip_kit import ALL_ELSEWHERE, scan, with_zip64_end

from airflow_provider_assets.landing.zips.directory import Index, Read, locate
from airflow_provider_assets.sansio.errors import IntegrityError

END = struct.pack("<4s4H2LH", b"PK\5\6", *[0] * 7)


def reading(data: bytes) -> Read:
    def read(offset: int, view: memoryview) -> None:
        assert 0 <= offset <= offset + len(view) <= len(data)
        view[:] = data[offset : offset + len(view)]

    return read


def index_of(data: bytes) -> Index:
    location = locate(reading(data), len(data))
    assert location is not None
    return location.read_index(reading(data), max_entries=9)


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
