"""Constants and records of the zip format that readers and the writer share (PKWARE APPNOTE.TXT 6.3.10)."""

from __future__ import annotations

import hashlib
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from airflow_provider_assets.sansio.errors import InvalidRequestError

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
END64, LOCATOR64 = b"PK\x06\x06", b"PK\x06\x07"
DESCRIPTOR, EXTRA_DATA = b"PK\x07\x08", b"PK\x06\x08"
STORED, DEFLATED, BZIP2 = 0, 8, 12
ENCRYPTED, DESCRIBED, UTF8 = 1, 8, 1 << 11
LONGEST_DESCRIPTOR = 24
END_SIZE = 22  # bytes of the end record, without its comment
_COLUMNS = 6  # numbers per entry in a table
_LONGEST_SHOWN = 200  # characters of a name in a message
_NAME = 128  # most bytes per name on average, and an allowance for a few long ones
_LEAST_NAMES = 1 << 20
MAX32 = 0xFFFFFFFF  # in a 32-bit field: the value is in the zip64 extra field


@dataclass(frozen=True, slots=True)
class Member:
    """One entry, as the archive describes it.

    :param size: bytes unpacked. :param packed: bytes in the archive.
    :param offset: offset of its local header. :param raw: the name as the archive encodes it.
    :param flags: general purpose bits; 0 if only the local header was read.
    """

    name: str
    size: int
    packed: int
    crc: int
    method: int
    offset: int
    raw: bytes = b""
    flags: int = 0

    @property
    def is_folder(self) -> bool:
        """Whether it is a directory entry."""
        return self.name.endswith("/")

    def digest(self) -> int:
        """A 128-bit digest of the offset, sizes, CRC-32, method and name."""
        numbers = f"{self.offset}:{self.method}:{self.packed}:{self.size}:{self.crc}:".encode()
        # The same bytes are another name where only one of two headers says that they are UTF-8.
        name = self.raw if self.raw.isascii() else self.raw + self.name.encode()
        return int.from_bytes(hashlib.blake2b(numbers + name, digest_size=16).digest(), "big")


@dataclass(slots=True)
class MemberTable:
    """A compact sequence of entries: one array of numbers, and all names in one buffer.

    An archive may have a million entries. A :class:`Member` is created when it is accessed.
    """

    _numbers: array[int] = field(default_factory=lambda: array("Q"))
    _names: bytearray = field(default_factory=bytearray)

    def append(self, member: Member) -> None:
        """Append an entry."""
        self._names += member.raw
        kind = member.method << 16 | member.flags
        numbers = (member.size, member.packed, member.crc, member.offset, kind, len(self._names))
        self._numbers.extend(numbers)

    def __len__(self) -> int:
        """Number of entries."""
        return len(self._numbers) // _COLUMNS

    def __getitem__(self, index: int) -> Member:
        """The entry at *index*."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        at = index * _COLUMNS
        size, packed, crc, offset, kind, end = self._numbers[at : at + _COLUMNS]
        raw = bytes(self._names[self._numbers[at - 1] if index else 0 : end])
        method, flags = kind >> 16, kind & 0xFFFF
        name = decode_name(raw, flags)
        return Member(name, size, packed, crc, method, offset, raw, flags)

    def __iter__(self) -> Iterator[Member]:
        """All entries, in the order in which they were added."""
        return map(self.__getitem__, range(len(self)))

    def offset(self, index: int) -> int:
        """Offset of the local header of the entry at *index*."""
        return self._numbers[index * _COLUMNS + 3]


@dataclass(slots=True)
class ZipCensus:
    """The entries that a scan has passed, in three numbers: end offset, count, and sum of their digests."""

    offset: int = 0
    count: int = 0
    digest: int = 0

    def add(self, member: Member, end: int) -> None:
        """Count one more entry, which ends at *end*."""
        self.offset, self.count = end, self.count + 1
        self.digest = (self.digest + member.digest()) % (1 << 128)


def quoted(name: str) -> str:
    """*name* for a message; an archive may give an entry one of 65,535 bytes."""
    return repr(name if len(name) <= _LONGEST_SHOWN else f"{name[: _LONGEST_SHOWN - 1]}…")


def check_count(entries: int, names: int, max_entries: int) -> None:
    """Check how many *entries* an archive has so far, and that their *names* in bytes fit into memory.

    :raises InvalidRequestError: if it has too many.
    """
    if entries > max_entries:
        raise InvalidRequestError(
            f"the archive has more than {max_entries} entries; if that is expected, "
            "set a larger max_entries"
        )
    if names > max_entries * _NAME + _LEAST_NAMES:
        raise InvalidRequestError(
            f"the names in the archive take more than {max_entries * _NAME + _LEAST_NAMES} bytes; "
            "if that is expected, set a larger max_entries"
        )


def described(
    block: bytes | bytearray, crc: int, packed: int, size: int, *, prefer_wide: bool = False
) -> int:
    """Length of the data descriptor at the start of *block*; 0 if none there has these values."""
    narrow = struct.pack("<LLL", crc, packed & MAX32, size & MAX32)
    wide = struct.pack("<LQQ", crc, packed, size)
    for form in (wide, narrow) if prefer_wide or max(packed, size) > MAX32 else (narrow, wide):
        for lead in (DESCRIPTOR, b""):
            if block.startswith(lead + form):
                return len(lead + form)
    return 0


def decode_name(raw: bytes, flags: int) -> str:
    """An entry's name: UTF-8 where the flag says so, else code page 437 (APPNOTE D.1)."""
    if flags & UTF8:
        return raw.decode("utf-8", "replace")
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError:
        return raw.decode("cp437")


def widen(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int, bool]:
    """Size, packed size and offset after the zip64 extra field (id 1), and whether there is one."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        body = extra[at + 4 : at + 4 + length]
        at += 4 + length
        if kind != 1:
            continue
        values = [v for (v,) in struct.iter_unpack("<Q", body[: len(body) // 8 * 8])]
        fields = [size, packed, offset]
        for index, value in enumerate(fields):
            if value == MAX32 and values:
                fields[index] = values.pop(0)
        return fields[0], fields[1], fields[2], True
    return size, packed, offset, False
