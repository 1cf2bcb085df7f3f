"""Records of zips by themselves."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from airflow_provider_assets.landing.zips.format import (
    MAX32,
    UTF8,
    Member,
    MemberTable,
    ZipCensus,
    check_count,
    decode_name,
    described,
    widen,
)
from airflow_provider_assets.sansio.errors import InvalidRequestError

ONE = Member("a/é", 1 << 40, 2 << 40, MAX32, 0xFFFF, 3 << 40, "a/é".encode(), 0xFFFF)
MEMBERS = [ONE, Member("", 0, 0, 0, 0, 0), Member("é", 1, 2, 3, 12, 4, b"\x82"), ONE]


def test_a_table_gives_back_every_entry_as_it_was():
    table = MemberTable()
    for member in MEMBERS:
        table.append(member)
    assert [*table] == MEMBERS
    assert len(table) == 4
    assert [table.offset(number) for number in range(4)] == [m.offset for m in MEMBERS]
    for number in (-1, 4):
        with pytest.raises(IndexError):
            table[number]


def test_the_census_sees_every_number_and_the_name():
    digests = {
        ONE.digest(),
        *(replace(ONE, **{name: 7}).digest() for name in ("offset", "method", "packed", "size")),
        replace(ONE, crc=7).digest(),
        replace(ONE, raw=b"b", name="b").digest(),
        replace(ONE, name="other").digest(),
    }
    assert len(digests) == 8
    assert max(digests) < 1 << 128
    # Flags are known from the directory only.
    assert replace(ONE, flags=0).digest() == ONE.digest()
    plain = Member("a", 1, 1, 1, 0, 0, b"a")
    assert replace(plain, name="other").digest() == plain.digest()


def test_the_census_does_not_depend_on_the_order():
    first, second = ZipCensus(), ZipCensus()
    for member in MEMBERS:
        first.add(member, 9)
    for member in reversed(MEMBERS):
        second.add(member, 9)
    assert first == second
    assert (first.offset, first.count) == (9, 4)
    assert 0 < first.digest < 1 << 128
    second.add(ONE, 10)
    assert second.offset == 10
    assert second.digest != first.digest


def test_the_census_is_that_of_earlier_releases():
    # A checkpoint that is kept during an upgrade holds it.
    assert f"{Member('a', 1, 2, 3, 8, 4, b'a').digest():032x}" == "fac7a2bdcbe85da7c2ed44afa04d251b"
    assert f"{ONE.digest():032x}" == "ed64ff295856068cae4f3b84eeab64e4"
    census = ZipCensus()
    for _ in range(2):  # the sum has 129 bits
        census.add(ONE, 9)
    assert f"{census.digest:032x}" == f"{2 * ONE.digest():033x}"[-32:]


def test_as_many_entries_and_bytes_of_names_as_are_allowed_pass():
    check_count(5, 5 * 128 + (1 << 20), 5)
    with pytest.raises(InvalidRequestError, match=r"more than 5 entries.*larger max_entries"):
        check_count(6, 0, 5)
    allowed = f"more than {5 * 128 + (1 << 20)} bytes.*larger max_entries"
    with pytest.raises(InvalidRequestError, match=allowed):
        check_count(5, 5 * 128 + (1 << 20) + 1, 5)


@pytest.mark.parametrize("signature", [b"PK\7\x08", b""], ids=["signed", "unsigned"])
def test_a_descriptor_has_its_length(signature):
    narrow, wide = struct.pack("<3L", 1, 2, 3), struct.pack("<LQQ", 1, 2, 3)
    lead = len(signature)
    for prefer_wide in (False, True):
        assert (
            described(signature + narrow + b"x" * 9, 1, 2, 3, prefer_wide=prefer_wide) == lead + 12
        )
        assert described(signature + wide + b"x", 1, 2, 3, prefer_wide=prefer_wide) == lead + 20
        for wrong in ((0, 2, 3), (1, 3, 3), (1, 2, 2)):
            assert described(signature + wide, *wrong, prefer_wide=prefer_wide) == 0
            assert described(signature + narrow, *wrong, prefer_wide=prefer_wide) == 0
    assert described(b"x" + signature + narrow, 1, 2, 3) == 0


def test_a_descriptor_that_can_be_read_in_two_ways_is_wide_where_the_entry_is():
    nothing = bytes(24)
    assert described(b"PK\7\x08" + nothing, 0, 0, 0) == 16
    assert described(b"PK\7\x08" + nothing, 0, 0, 0, prefer_wide=True) == 24
    # Beyond four gibibytes both sizes end in zeros.
    for packed, size in ((1 << 32, 0), (0, 1 << 32), (1 << 32, 1 << 32)):
        assert described(struct.pack("<LQQ", 0, packed, size), 0, packed, size) == 20
    # Some writers let 32 bits wrap.
    assert described(struct.pack("<3L", 0, 5, 6), 0, (1 << 32) + 5, (2 << 32) + 6) == 12
    largest = struct.pack("<3L", 0, MAX32, MAX32)
    assert described(largest, 0, MAX32, MAX32) == 12


def test_a_name_is_utf8_where_the_flag_says_so():
    assert decode_name("é".encode(), UTF8) == "é"
    assert decode_name(b"\x82", UTF8 | 1) == "\ufffd"
    assert decode_name(b"\x82", 0) == "é"
    assert decode_name(b"\x82", ~UTF8 & 0xFFFF) == "é"
    assert decode_name(b"a", 0) == "a"


def extra(kind: int, *values: int, more: bytes = b"") -> bytes:
    body = struct.pack(f"<{len(values)}Q", *values) + more
    return struct.pack("<HH", kind, len(body)) + body


M = MAX32
EXTRAS = {
    "none": (b"", (M, M, M), (M, M, M, False)),
    "empty": (extra(1), (5, 6, 7), (5, 6, 7, True)),
    "not asked for": (extra(1, 8, 9), (5, 6, 7), (5, 6, 7, True)),
    "all": (extra(1, 8, 9, 10), (M, M, M), (8, 9, 10, True)),
    "packed": (extra(1, 8), (5, M, 7), (5, 8, 7, True)),
    "offset": (extra(1, 8), (5, 6, M), (5, 6, 8, True)),
    "too short": (extra(1, 8), (M, M, 7), (8, M, 7, True)),
    "too short by a byte": (extra(1, 8, more=bytes(7)), (M, M, 7), (8, M, 7, True)),
    "largest of 32 bits": (extra(1, M, 9), (M, M, 7), (M, 9, 7, True)),
    "largest of 64 bits": (extra(1, (1 << 64) - 1), (M, 6, 7), ((1 << 64) - 1, 6, 7, True)),
    "behind another": (extra(2, 8) + extra(1, 9), (M, 6, 7), (9, 6, 7, True)),
    "behind an empty one": (extra(2) + extra(1, 9), (M, 6, 7), (9, 6, 7, True)),
    "behind an odd one": (extra(2, more=b"abc") + extra(1, 9), (M, 6, 7), (9, 6, 7, True)),
    "too short, before another": (
        extra(1, 8, more=bytes(7)) + extra(2),
        (M, M, 7),
        (8, M, 7, True),
    ),
    "behind a long one": (extra(2, more=bytes(40_000)) + extra(1, 9), (M, 6, 7), (9, 6, 7, True)),
    "only another": (extra(2, 8), (M, 6, 7), (M, 6, 7, False)),
    "the first of two": (extra(1, 8) + extra(1, 9), (M, 6, 7), (8, 6, 7, True)),
    "cut": (b"\1\0\0", (M, 6, 7), (M, 6, 7, False)),
    "cut behind another": (extra(2) + b"\1\0\0", (M, 6, 7), (M, 6, 7, False)),
    "cut in its value": (extra(1, 8)[:-1], (M, 6, 7), (M, 6, 7, True)),
}


@pytest.mark.parametrize(("field", "given", "found"), EXTRAS.values(), ids=EXTRAS)
def test_the_extra_field_of_zip64_has_what_does_not_fit(field, given, found):
    assert widen(field, *given) == found
