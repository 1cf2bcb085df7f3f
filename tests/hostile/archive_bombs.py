"""Archives that are small to send and large to hold, each made in a second or two."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator

from archive_lies import fifield
from zip_forge import END, END64, LOCATOR, MAX16, MAX32, Item, forge, record, signed

from airflow_provider_assets.landing.crc import combine_all

MIB = 1 << 20


def zeros(size: int) -> tuple[bytes, int]:
    """*size* MiB of zeros, deflated, and their CRC-32."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    engine.compress(bytes(MIB))
    engine.flush(
        zlib.Z_SYNC_FLUSH
    )  # from here on, each piece is the same and refers to zeros before it
    piece = engine.compress(bytes(MIB)) + engine.flush(zlib.Z_SYNC_FLUSH)
    first = zlib.compressobj(9, zlib.DEFLATED, -15)
    begin = first.compress(bytes(MIB)) + first.flush(zlib.Z_SYNC_FLUSH)
    end = zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    return begin + piece * (size - 1) + end, combine_all([(zlib.crc32(bytes(MIB)), MIB)] * size)


def inflating(count: int, size: int) -> bytes:
    """An archive of *count* entries of *size* MiB of zeros."""
    raw, crc = zeros(size)
    facts = {"crc": crc, "size": size * MIB}
    return forge(
        Item(f"{number:04}", b"", 8, raw=raw, local=facts, central=facts) for number in range(count)
    )


def gzipped(size: int) -> bytes:
    """A gzip of *size* MiB of zeros."""
    raw, crc = zeros(size)
    return gzip.compress(b"")[:10] + raw + struct.pack("<2L", crc, size * MIB & MAX32)


def many(names: Iterator[bytes], *, reverse: bool = False) -> bytes:
    """An archive of empty entries."""
    body, records = bytearray(), []
    item = Item("")
    local, central = item.local_bytes(), item.central_bytes(0)
    for name in names:
        length = struct.pack("<H", len(name))
        records.append(central[:28] + length + central[30:42] + struct.pack("<L", len(body)) + name)
        body += local[:26] + length + local[28:] + name
    directory = b"".join(reversed(records) if reverse else records)
    facts = {"count": len(records), "count_here": len(records), "directory": len(directory)}
    known = {"signature": signed(b"PK\6\6"), "length": 44, "start": len(body)}
    place = len(body) + len(directory)
    tail = record(END64, facts, known)
    tail += record(LOCATOR, {"signature": signed(b"PK\6\7"), "place": place, "disks": 1}, {})
    full = {"count": MAX16, "count_here": MAX16, "directory": MAX32, "start": MAX32}
    return bytes(body + directory + tail + record(END, {"signature": signed(b"PK\5\6")}, full))


def numbered(count: int) -> Iterator[bytes]:
    return (b"%07d" % number for number in range(count))


def folders() -> Iterator[bytes]:
    """Names of 900 bytes, each of 440 folders of its own."""
    return (b"%05d/" % number + b"d/" * 440 + b"x" for number in range(50_000))


def cut_alike() -> Iterator[bytes]:
    """Twins that differ only where a number would have to stand."""
    return (b"n" * 247 + b"%08x" % (number // 2) for number in range(100_000))


def commented() -> bytes:
    """A directory of more than 64 MiB, most of which are comments."""
    text = {"comment_length": MAX16}
    items = [Item(f"{number:04}", b"x", central=text) for number in range(1050)]
    whole = forge(items)
    first = whole.index(b"PK\1\2")
    end = whole.rindex(b"PK\5\6")
    size = (end - first) // len(items)
    records = [whole[at : at + size] + bytes(MAX16) for at in range(first, end, size)]
    directory = b"".join(records)
    tail = bytearray(whole[end:])
    struct.pack_into("<L", tail, 12, len(directory))
    return whole[:first] + directory + bytes(tail)


BOMBS: dict[str, Callable[[], bytes]] = {
    "one entry of 100 MiB": lambda: inflating(1, 100),
    "40 entries of 60 MiB": lambda: inflating(40, 60),
    "Fifield's overlap, 250 times 1 MiB": lambda: fifield(250, bytes(MIB)).data,
    "directory of 69 MB": commented,
    "gzip of 400,000 members": lambda: gzip.compress(b"") * 400_000,
    "gzip of 1 GiB": lambda: gzipped(1024),
    "1,000,000 empty entries": lambda: many(numbered(1_000_000)),
    "1,000,000 empty entries, directory reversed": lambda: many(numbered(1_000_000), reverse=True),
    "1,000,001 empty entries": lambda: many(numbered(1_000_001)),
    "22,000,000 folders": lambda: many(folders()),
    "100,000 names that are cut alike": lambda: many(cut_alike()),
    "the same name 200,000 times": lambda: many(b"a" for _ in range(200_000)),
    "directory that begins at 0 of 60 MiB": lambda: forge(
        [], prefix=bytes(60 * MIB), end={"start": 0}
    ),
}
# What takes more than a few seconds.
LONG = frozenset(list(BOMBS)[list(BOMBS).index("gzip of 1 GiB") :])
