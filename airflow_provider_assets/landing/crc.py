"""CRC-32 of a whole from the CRC-32s of its pieces, so that parts may arrive in any order.

CRC-32 is linear over GF(2): appending ``n`` bytes multiplies the checksum by ``x^(8n)`` modulo the
polynomial of IEEE 802.3 (reflected form ``0xEDB88320``), which is what ``crc32_combine`` of zlib does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

IEEE = 0xEDB88320  # CRC-32: zip, S3
CASTAGNOLI = 0x82F63B78  # CRC-32C: Google Cloud Storage
_ONE = 1 << 31


@dataclass(frozen=True, slots=True)
class Checksum:
    """Length in bytes and CRC-32 of some bytes."""

    size: int
    crc32: int


def _multiply(a: int, b: int, poly: int) -> int:
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ poly if b & 1 else b >> 1
    return product


@lru_cache(maxsize=256)
def _shift(length: int, poly: int) -> int:
    factor, square = _ONE, 1 << 23  # x^0 and x^8: one byte
    while length:
        if length & 1:
            factor = _multiply(square, factor, poly)
        square = _multiply(square, square, poly)
        length >>= 1
    return factor


def combine(first: int, second: int, length: int, poly: int = IEEE) -> int:
    """CRC-32 of A + B from those of A and B, where B has *length* bytes."""
    return _multiply(first, _shift(length, poly), poly) ^ second


def combine_all(pieces: Iterable[tuple[int, int]], poly: int = IEEE) -> int:
    """CRC-32 of the pieces in order, each given as (crc, length)."""
    whole = 0
    for crc, length in pieces:
        whole = combine(whole, crc, length, poly)
    return whole


def _fastest() -> Callable[[bytes | bytearray | memoryview, int], int]:
    try:
        from isal.isal_zlib import crc32  # four times zlib's, where it is installed
    except ImportError:
        from zlib import crc32
    return crc32  # type: ignore[no-any-return,unused-ignore]  # isal has no types


crc32 = _fastest()
