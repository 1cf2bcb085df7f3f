"""The words of the zip format that reading, unpacking and packing share (PKWARE APPNOTE.TXT 6.3.10)."""

from __future__ import annotations

import hashlib
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
END64, LOCATOR64 = b"PK\x06\x06", b"PK\x06\x07"
DESCRIPTOR, EXTRA_DATA = b"PK\x07\x08", b"PK\x06\x08"
STORED, DEFLATED, BZIP2 = 0, 8, 12
ENCRYPTED, DESCRIBED, UTF8 = 1, 8, 1 << 11
LONGEST_DESCRIPTOR = 24
_COLUMNS = 6  # of a table of entries
MAX32 = 0xFFFFFFFF  # in a 32-bit field: look into the zip64 extra


@dataclass(frozen=True, slots=True)
class Member:
    """One entry, as the archive describes it.

    :param size: bytes unpacked; ``packed``: bytes in the archive.
    :param offset: of its local header. :param raw: the name as it is in the archive.
    :param flags: general purpose bits, known from the directory only.
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
        """A number that differs when any of it differs."""
        facts = f"{self.offset}:{self.method}:{self.packed}:{self.size}:{self.crc}:".encode()
        return int.from_bytes(hashlib.blake2b(facts + self.raw, digest_size=16).digest(), "big")


@dataclass(slots=True)
class MemberTable:
    """Entries of an archive in a few bytes each: columns of numbers, and the names in one piece.

    An archive may have a million of them. A :class:`Member` is made when it is looked at.
    """

    _numbers: array[int] = field(default_factory=lambda: array("Q"))
    _names: bytearray = field(default_factory=bytearray)

    def append(self, member: Member) -> None:
        """Add one at the end."""
        self._names += member.raw
        kind = member.method << 16 | member.flags
        numbers = (member.size, member.packed, member.crc, member.offset, kind, len(self._names))
        self._numbers.extend(numbers)

    def __len__(self) -> int:
        """Entries."""
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
        """All of them, in the order in which they were added."""
        return map(self.__getitem__, range(len(self)))

    def offset(self, index: int) -> int:
        """Of the local header of the entry at *index*."""
        return self._numbers[index * _COLUMNS + 3]


@dataclass(slots=True)
class ZipCensus:
    """What went by so far, small enough to be stored: where, how many, and a sum of their digests."""

    offset: int = 0
    count: int = 0
    digest: int = 0

    def add(self, member: Member, end: int) -> None:
        """One more entry, which ends at *end*."""
        self.offset, self.count = end, self.count + 1
        self.digest = (self.digest + member.digest()) % (1 << 128)


def described(
    block: bytes | bytearray, crc: int, packed: int, size: int, *, prefer_wide: bool = False
) -> int:
    """Length of the data descriptor at the start of *block*, 0 if there is none that fits."""
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
    """Sizes and offset with the zip64 extra field (id 1) applied, and whether there is one."""
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
