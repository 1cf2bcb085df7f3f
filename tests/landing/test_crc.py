"""Checksums of pieces that are combined."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.landing.crc import CASTAGNOLI, combine, combine_all


@given(st.lists(st.binary(max_size=200)))
def test_checksums_of_pieces_combine_to_that_of_the_whole(pieces):
    assert combine_all((zlib.crc32(p), len(p)) for p in pieces) == zlib.crc32(b"".join(pieces))


@given(st.integers(0, 2**32 - 1), st.integers(1, 2**40))
def test_combining_zeros_shifts_only(crc, length):
    assert combine(crc, 0, length) == combine(combine(crc, 0, length // 2), 0, length - length // 2)


def test_checksums_of_google_cloud_storage_combine_likewise():
    """The check value of CRC-32C is that of "123456789", here in two parts."""
    one, two = 0xF63AF4EE, 0x83B565D8
    assert combine_all([(one, 4), (two, 5)], CASTAGNOLI) == 0xE3069283
