"""The one-pass reader, fed as downloads feed it."""

from __future__ import annotations

import random
import struct

from airflow_provider_assets.landing.zips.scanner import ZipScanner


def scan(data: bytes, seed: int = 0, handler=None) -> ZipScanner:
    scanner = ZipScanner(handler=handler)
    draw = random.Random(seed)
    at = 0
    while at < len(data):
        step = draw.choice((1, 7, 100, 5000, 70000, len(data)))
        scanner.feed(memoryview(data)[at : at + step])
        at += step
    scanner.close()
    return scanner


ALL_ELSEWHERE = (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)


def with_zip64_end(
    data: bytes, more: bytes = b"", narrow: tuple[int | None, ...] = ALL_ELSEWHERE
) -> bytes:
    """The same archive with the numbers of its end in the records of zip64, which hold *more*.

    :param narrow: count, length and offset in the narrow record; None: that of the archive.
    """
    place = data.rindex(b"PK\5\6")
    known = struct.unpack_from("<HLL", data, place + 10)
    count, size, start = known
    left = [own if new is None else new for own, new in zip(known, narrow, strict=True)]
    numbers = (44 + len(more), 45, 45, 0, 0, count, count, size, start)
    return (
        data[:place]
        + struct.pack("<4sQ2H2L4Q", b"PK\6\6", *numbers)
        + more
        + struct.pack("<4sLQL", b"PK\6\7", 0, place, 1)
        + struct.pack("<4s4H2L", b"PK\5\6", 0, 0, left[0], *left)
        + data[place + 20 :]
    )


def with_extra_data(data: bytes, more: bytes) -> bytes:
    """The same archive with a record of extra data (APPNOTE 4.3.11) before its directory."""
    start, place = data.index(b"PK\1\2"), data.rindex(b"PK\5\6") + 16
    record = struct.pack("<4sL", b"PK\6\x08", len(more)) + more
    offset = struct.pack("<L", start + len(record))
    return data[:start] + record + data[start:place] + offset + data[place + 4 :]
