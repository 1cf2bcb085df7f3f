"""The entries of a zip over random access: where its directory begins, where each entry and its data are."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from airflow_provider_assets.landing.zips.directory import Directory
from airflow_provider_assets.landing.zips.format import (
    DESCRIBED,
    ENCRYPTED,
    END,
    END64,
    END_SIZE,
    LOCAL,
    LOCATOR64,
    LONGEST_DESCRIPTOR,
    MAX32,
    Member,
    MemberTable,
    decode_name,
    quoted,
    widen,
)
from airflow_provider_assets.sansio.errors import IntegrityError

Read = Callable[[int, memoryview], None]
HEADER = 30  # bytes of a local header before its name
LONGEST_EXTRA = 0xFFFF
_LOCATOR, _END64_RECORD = 20, 56  # bytes
_LONGEST_COMMENT = 0xFFFF
_SLACK = LONGEST_EXTRA + LONGEST_DESCRIPTOR


@dataclass(frozen=True, slots=True)
class Extent:
    """An entry and its extent: the number of bytes in the archive, from its local header on."""

    member: Member
    size: int

    @property
    def end(self) -> int:
        """Offset at which the next entry may begin."""
        return self.member.offset + self.size


@dataclass(slots=True)
class Index:
    """The entries of an archive, sorted by offset.

    :param start: offset of the central directory, where the last entry ends.
    """

    members: MemberTable
    start: int
    _order: Sequence[int] = ()

    def __post_init__(self) -> None:
        """Sort the entries; most directories are sorted already."""
        places = range(len(self.members))
        offset = self.members.offset
        in_order = all(offset(place) <= offset(place + 1) for place in places[:-1])
        self._order = places if in_order else array("Q", sorted(places, key=offset))

    def __len__(self) -> int:
        """Number of entries."""
        return len(self.members)

    def __iter__(self) -> Iterator[Extent]:
        """All entries, each with its extent."""
        for number, place in enumerate(self._order):
            member = self.members[place]
            is_last = number + 1 == len(self._order)
            end = self.start if is_last else self.members.offset(self._order[number + 1])
            room, least = end - member.offset, HEADER + len(member.raw) + member.packed
            if room < least:
                raise IntegrityError(f"{quoted(member.name)} overlaps the entry after it")
            yield Extent(member, min(room, least + _SLACK))

    def check(self) -> None:
        """Check every extent.

        :raises IntegrityError: if entries overlap.
        """
        for _ in self:
            pass


@dataclass(frozen=True, slots=True)
class Location:
    """Position of the central directory in an archive of *total* bytes that ends with *tail*."""

    start: int
    total: int
    tail: bytes

    @property
    def size(self) -> int:
        """Bytes from the first record to the end of the archive."""
        return self.total - self.start

    def read_index(self, read: Read, *, max_entries: int) -> Index:
        """Read the entries of the archive.

        :raises IntegrityError: if the directory contradicts itself.
        :raises InvalidRequestError: if it has more than *max_entries* entries.
        """
        tail_start = self.total - len(self.tail)
        before = max(0, tail_start - self.start)  # bytes of the directory that are not in the tail
        block = bytearray(self.size)
        if before:
            read(self.start, memoryview(block)[:before])
        block[before:] = self.tail[max(0, self.start - tail_start) :]
        index = Index(parse_directory(block, self.start, max_entries), self.start)
        index.check()
        return index


def locate(read: Read, total: int) -> Location | None:
    """Find the central directory of an archive of *total* bytes.

    :param read: fills a view with the bytes from an offset on.
    :returns: None if the file is not a zip.
    :raises IntegrityError: if the end record is missing, or contradicts itself.
    """
    tail_size = min(total, END_SIZE + _LONGEST_COMMENT + _LOCATOR + _END64_RECORD)
    tail = bytearray(tail_size)
    read(total - tail_size, memoryview(tail))
    start = _directory_start(bytes(tail), total)
    if start is None:
        magic = bytearray(min(4, total))
        read(0, memoryview(magic))
        if magic == LOCAL:
            raise IntegrityError("the zip archive is truncated: its end record is missing")
        return None
    if not 0 <= start <= total:
        raise IntegrityError(
            f"the zip archive is damaged: its directory begins at byte {start} of {total}"
        )
    return Location(start, total, bytes(tail))


def parse_directory(block: bytes | bytearray, start: int, max_entries: int) -> MemberTable:
    """The entries of a central directory that begins at *start* and ends with the archive."""
    at = 4
    directory = Directory(start, max_entries)
    parser = directory.parse(bytes(block[:4]), lambda: start + at)
    try:
        want = next(parser)
        while True:
            piece = memoryview(block)[at : at + want.size]
            if len(piece) < want.size:
                raise IntegrityError("the zip archive is damaged: its directory ends early")
            at += want.size
            want = parser.send(piece)
    except StopIteration:
        if at != len(block):
            raise IntegrityError("bytes follow the end of the zip archive") from None
    return directory.members


def payload(block: memoryview, extent: Extent) -> int:
    """Offset of the data of an entry in *block*, which begins with its local header.

    :param block: at least the header with its name and extra field.
    :raises IntegrityError: if the header is missing, or does not describe the entry as the directory does.
    """
    member = extent.member
    if bytes(block[:4]) != LOCAL:
        raise IntegrityError(f"{quoted(member.name)} is damaged: its local header is missing")
    flags, method, _, _, crc, packed, size, n, x = struct.unpack_from("<4H3L2H", block, 6)
    raw = bytes(block[HEADER : HEADER + n])
    if raw != member.raw or decode_name(raw, flags) != member.name:
        raise IntegrityError(
            f"{quoted(member.name)} is damaged: its local header names another entry"
        )
    size, packed, _, _ = widen(bytes(block[HEADER + n : HEADER + n + x]), size, packed, 0)
    known = (member.method, member.flags & ENCRYPTED, member.crc, member.packed, member.size)
    numbers = known[2:] if flags & DESCRIBED else (crc, packed, size)
    if (method, flags & ENCRYPTED, *numbers) != known:
        raise IntegrityError(
            f"{quoted(member.name)} is damaged: its local header and the directory contradict each other"
        )
    at = int(HEADER + n + x)
    if at + member.packed > extent.size:
        raise IntegrityError(f"{quoted(member.name)} overlaps the entry after it")
    return at


def _directory_start(tail: bytes, total: int) -> int | None:
    at = tail.rfind(END)
    while at >= 0:
        if at + END_SIZE <= len(tail):
            start, comment = struct.unpack_from("<LH", tail, at + 16)
            if at + END_SIZE + comment == len(tail):
                is_wide = start == MAX32  # APPNOTE 4.4.1.4
                return _wide_start(tail, at, total) if is_wide else int(start)
        at = tail.rfind(END, 0, at)
    return None


def _wide_start(tail: bytes, end: int, total: int) -> int:
    at = end - _LOCATOR
    if at < 0 or tail[at : at + 4] != LOCATOR64:
        return int(struct.unpack_from("<L", tail, end + 16)[0])
    (place,) = struct.unpack_from("<Q", tail, at + 8)
    place -= total - len(tail)
    if not 0 <= place <= len(tail) - _END64_RECORD or tail[place : place + 4] != END64:
        raise IntegrityError("the zip archive is damaged: its zip64 end record is missing")
    return int(struct.unpack_from("<Q", tail, place + 48)[0])
