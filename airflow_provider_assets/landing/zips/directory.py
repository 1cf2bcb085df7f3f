"""Parses the central directory of a zip, in pieces of any size, and compares it with what was passed."""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from airflow_provider_assets.landing.zips.format import (
    CENTRAL,
    END,
    END64,
    END_SIZE,
    EXTRA_DATA,
    LOCATOR64,
    MAX32,
    Member,
    MemberTable,
    ZipCensus,
    check_count,
    decode_name,
    widen,
)
from airflow_provider_assets.sansio.errors import IntegrityError

_END64 = 44  # bytes of a zip64 end record after its length field


@dataclass(frozen=True, slots=True)
class Want:
    """The request of a parser for its next bytes: exactly *size*, or at most that many."""

    size: int
    exact: bool


Parser = Generator[Want, memoryview, None]


@dataclass(slots=True)
class Directory:
    """Parser of a central directory.

    :param start: its offset. :param max_entries: largest number of records.
    :param keeps_members: whether to list them, or only to compare them with what was passed.
    :ivar members: its entries, in its order. :ivar seen: census of these entries.
    """

    start: int
    max_entries: int
    keeps_members: bool = True
    members: MemberTable = field(default_factory=MemberTable)
    seen: ZipCensus = field(default_factory=ZipCensus)
    _named: int = 0

    def parse(self, signature: bytes, position: Callable[[], int]) -> Parser:
        """Parse from the first *signature* to the end of the archive; *position* returns the current offset.

        :raises IntegrityError: if it contradicts itself.
        :raises InvalidRequestError: if it has too many entries.
        """
        if signature == EXTRA_DATA:
            yield from _skip_extra_data()
            self.start = position()
            signature = bytes((yield Want(4, exact=True)))
        while signature == CENTRAL:
            fixed = yield Want(42, exact=True)
            n, x, c = struct.unpack_from("<3H", fixed, 24)
            tail = bytes((yield Want(n + x + c, exact=True))) if n + x + c else b""
            self._record(bytes(fixed), tail, n, x)
            signature = bytes((yield Want(4, exact=True)))
        end = position() - 4
        wide: tuple[int, int, int] | None = None
        if signature == END64:
            wide = yield from _parse_end64(end)
            signature = bytes((yield Want(4, exact=True)))
        if signature != END:
            raise IntegrityError(f"the zip archive is damaged at byte {position() - 4}")
        n, size, offset, comment = struct.unpack_from("<HLLH", (yield Want(18, exact=True)), 6)
        if comment:
            text = bytes((yield Want(comment, exact=True)))
            # Most readers take the last end record for the right one, whatever precedes it.
            if 0 <= text.find(END) <= len(text) - END_SIZE:
                raise IntegrityError("the zip archive is damaged: its comment holds an end record")
        # Writers without zip64 let the 16 bits wrap.
        found = wide or (self.seen.count & ~0xFFFF | n, size, offset)
        # Readers differ in whether they believe this record or the wide one, but for a count that wraps.
        is_same = not wide or (
            n in (0xFFFF, wide[0] & 0xFFFF)
            and size in (MAX32, wide[1])
            and offset in (MAX32, wide[2])
        )
        if found != (self.seen.count, end - self.start, self.start) or not is_same:
            raise IntegrityError(
                "the zip archive is damaged: its end record does not match its directory"
            )

    def _record(self, fixed: bytes, tail: bytes, n: int, x: int) -> None:
        flags, method, _, _, crc, packed, size = struct.unpack_from("<4H3L", fixed, 4)
        (offset,) = struct.unpack_from("<L", fixed, 38)
        size, packed, offset, _ = widen(tail[n : n + x], size, packed, offset)
        member = Member(
            decode_name(tail[:n], flags), size, packed, crc, method, offset, tail[:n], flags
        )
        self.seen.add(member, 0)
        self._named += n
        check_count(self.seen.count, self._named, self.max_entries)
        if self.keeps_members:
            self.members.append(member)

    def compare(self, passed: ZipCensus) -> None:
        """Compare the directory with the entries that were *passed*.

        :raises IntegrityError: unless it describes exactly these.
        """
        if (self.seen.count, self.seen.digest) != (passed.count, passed.digest):
            raise IntegrityError(
                f"the zip archive is damaged: its directory lists {self.seen.count} entries and "
                f"does not describe the {passed.count} that it holds"
            )


def _parse_end64(place: int) -> Generator[Want, memoryview, tuple[int, int, int]]:
    """The entries, length and start of the directory, from the records of zip64 that begin at *place*."""
    (more,) = struct.unpack("<Q", (yield Want(8, exact=True)))
    if more < _END64:
        raise IntegrityError("the zip archive is damaged: its zip64 end record is too short")
    block = yield Want(min(more, 1 << 16), exact=True)
    count, length, start = struct.unpack_from("<QQQ", block, 20)
    if bytes((yield Want(4, exact=True))) != LOCATOR64:
        raise IntegrityError("the zip archive is damaged: its zip64 end record has no locator")
    if struct.unpack_from("<Q", (yield Want(16, exact=True)), 4) != (place,):
        raise IntegrityError("the zip archive is damaged: its zip64 locator points elsewhere")
    return count, length, start


def _skip_extra_data() -> Parser:
    # The archive may announce any length, so the block is never held as a whole.
    (left,) = struct.unpack("<L", (yield Want(4, exact=True)))
    while left:
        left -= len((yield Want(left, exact=False)))
