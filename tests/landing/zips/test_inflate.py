"""Unpacking piece by piece, and its limits."""

from __future__ import annotations

import bz2
import tracemalloc
import zlib

import pytest
from landing_kit import noise

from airflow_provider_assets.landing.zips.format import (
    BZIP2,
    DEFLATED,
    ENCRYPTED,
    STORED,
    Member,
    quoted,
)
from airflow_provider_assets.landing.zips.inflate import (
    STEP,
    Inflater,
    Limits,
    check_whole,
    inflate,
)
from airflow_provider_assets.sansio.errors import IntegrityError, InvalidRequestError

DATA = noise(1000) + bytes(3 * STEP) + noise(1000, 2)
MIB = 1 << 20


def packed(method: int, data: bytes = DATA) -> bytes:
    if method == BZIP2:
        return bz2.compress(data)
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return engine.compress(data) + engine.flush()


def member(name: str = "a", size: int = 0, packed: int = 0, method: int = DEFLATED, flags: int = 0):
    return Member(name, size, packed, 0, method, 0, name.encode(), flags)


@pytest.mark.parametrize("method", [DEFLATED, BZIP2])
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_a_compressed_entry_unpacks_in_pieces_of_limited_size(method, step):
    source = packed(method)
    inflater, pieces = Inflater("a", method, len(DATA)), []
    for at in range(0, len(source), step):
        assert not inflater.eof
        pieces += inflater.feed(source[at : at + step])
        assert inflater.size == sum(map(len, pieces))
        assert inflater.packed == min(at + step, len(source))
    inflater.close()
    assert b"".join(pieces) == DATA
    assert max(map(len, pieces)) <= STEP
    assert inflate(member(size=len(DATA), method=method), memoryview(source)) == DATA


@pytest.mark.parametrize("method", [DEFLATED, BZIP2])
def test_bytes_behind_the_end_are_known_and_refused(method):
    inflater = Inflater("a", method, len(DATA))
    assert b"".join(inflater.feed(packed(method) + b"behind")) == DATA
    assert (inflater.eof, inflater.unused) == (True, b"behind")
    with pytest.raises(IntegrityError, match="'a' is damaged: its data does not end where"):
        inflater.close()
    with pytest.raises(IntegrityError, match="'a' is damaged: its data does not end where"):
        next(inflater.feed(b"more"))


@pytest.mark.parametrize("method", [DEFLATED, BZIP2])
def test_an_entry_that_is_cut_is_refused(method):
    inflater = Inflater("a", method)
    for _ in inflater.feed(packed(method)[:-1]):
        pass
    with pytest.raises(IntegrityError, match="does not end where"):
        inflater.close()
    assert inflater.unused == b""


@pytest.mark.parametrize("method", [DEFLATED, BZIP2])
def test_an_entry_may_unpack_to_what_is_announced_and_not_to_a_byte_more(method):
    source = memoryview(packed(method))
    assert len(inflate(member(size=len(DATA), method=method), source)) == len(DATA)
    with pytest.raises(IntegrityError, match=f"to more than the {len(DATA) - 1} bytes"):
        inflate(member(size=len(DATA) - 1, method=method), source)


@pytest.mark.parametrize("method", [DEFLATED, BZIP2])
def test_a_false_size_costs_no_more_than_it_announces(method):
    source = packed(method, bytes(64 * MIB))
    tracemalloc.start()
    with pytest.raises(IntegrityError):
        inflate(member(size=MIB, method=method), memoryview(source))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * MIB


@pytest.mark.parametrize("method", [DEFLATED, BZIP2])
def test_what_is_not_compressed_is_refused(method):
    with pytest.raises(IntegrityError, match="'a' is damaged"):
        inflate(member(size=9, method=method), memoryview(b"\xff" * 30))


def test_limits_are_reached_and_not_exceeded():
    limits = Limits(max_unpacked=100 * MIB, max_ratio=10)
    limits.check_total(100 * MIB)
    with pytest.raises(InvalidRequestError, match=f"to {100 * MIB + 1} bytes.* max_unpacked"):
        limits.check_total(100 * MIB + 1)
    limits.check_ratio("a", 5, 50 + 64 * MIB)
    with pytest.raises(InvalidRequestError, match=r"'a' unpacks to over 10 times.* max_ratio"):
        limits.check_ratio("a", 5, 51 + 64 * MIB)


def test_a_directory_is_checked_entry_by_entry_and_as_a_whole():
    limits = Limits(max_unpacked=100, max_ratio=10)
    limits.check([])
    limits.check([member(size=50, packed=9), member("d/"), member("b", 50, 50, STORED)])
    for members, text in (
        ([member(size=50), member("b", 51)], "unpacks to 101 bytes, more than 100"),
        ([member(), member("d/", 1, 1)], "'d/' is a folder with content"),
        ([member(method=9)], "'a' cannot be unpacked: compression method 9"),
        ([member(flags=ENCRYPTED)], "'a' cannot be unpacked: encrypted"),
        ([member(size=65 * MIB, packed=9)], "'a' unpacks to over 10 times its size"),
    ):
        with pytest.raises(InvalidRequestError, match=text):
            limits.check(members)
    with pytest.raises(IntegrityError, match="'b' is damaged: it is stored"):
        limits.check([member(), member("b", 5, 6, STORED)])


def test_a_whole_entry_has_the_length_and_checksum_of_the_archive():
    known = Member("a", 3, 3, 0xABC, STORED, 0)
    check_whole(known, 3, 0xABC)
    for size, crc in ((4, 0xABC), (3, 0xABD)):
        with pytest.raises(
            IntegrityError, match=f"{size} bytes with CRC-32 00000ab.*3 and 00000abc"
        ):
            check_whole(known, size, crc)


def test_only_a_long_name_is_cut_in_messages():
    assert quoted("n" * 200) == repr("n" * 200)
    assert quoted("n" * 201) == repr("n" * 199 + "…")
