"""The end of a zip: its central directory, compared with the entries that went by."""

from __future__ import annotations

import struct
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from airflow_provider_assets.landing.zipformat import (
    CENTRAL,
    END,
    END64,
    EXTRA_DATA,
    LOCATOR64,
    Ledger,
    Member,
    decode_name,
    widen,
)
from airflow_provider_assets.sansio.errors import IntegrityError, InvalidRequestError

_END64 = 44  # bytes of a zip64 end after its length


@dataclass(frozen=True, slots=True)
class Want:
    """What a parser needs next: exactly *size* bytes, or a piece of at most that many."""

    size: int
    exact: bool


Parser = Generator[Want, memoryview, None]


@dataclass(slots=True)
class Directory:
    """What the central directory says.

    :param start: where it begins. :param max_entries: records it may have.
    :ivar members: its records, in its order.
    """

    start: int
    max_entries: int
    members: list[Member] = field(default_factory=list)
    seen: Ledger = field(default_factory=Ledger)

    def parse(self, signature: bytes, position: Callable[[], int]) -> Parser:
        """Reads from its first *signature* to the end of the archive; *position* tells where it is.

        :raises IntegrityError: if it contradicts itself.
        :raises InvalidRequestError: if it has too many records.
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
        count, length, at = -1, -1, -1
        if signature == END64:
            (more,) = struct.unpack("<Q", (yield Want(8, exact=True)))
            if more < _END64:
                raise IntegrityError("the zip archive is damaged: its zip64 end is too short")
            block = yield Want(min(more, 1 << 16), exact=True)
            count, length, at = struct.unpack_from("<QQQ", block, 20)
            signature = bytes((yield Want(4, exact=True)))
        if signature == LOCATOR64:
            yield Want(16, exact=True)
            signature = bytes((yield Want(4, exact=True)))
        if signature != END:
            raise IntegrityError(f"the zip archive is damaged at byte {position() - 4}")
        n, size, offset, comment = struct.unpack_from("<HLLH", (yield Want(18, exact=True)), 6)
        if comment:
            yield Want(comment, exact=True)
        if count < 0:
            # Writers without zip64 let the 16 bits wrap.
            count, length, at = self.seen.count & ~0xFFFF | n, size, offset
        if (count, length, at) != (self.seen.count, end - self.start, self.start):
            raise IntegrityError("the zip archive is damaged: its end does not fit its directory")

    def _record(self, fixed: bytes, tail: bytes, n: int, x: int) -> None:
        flags, method, _, _, crc, packed, size = struct.unpack_from("<4H3L", fixed, 4)
        (offset,) = struct.unpack_from("<L", fixed, 38)
        size, packed, offset, _ = widen(tail[n : n + x], size, packed, offset)
        member = Member(
            decode_name(tail[:n], flags), size, packed, crc, method, offset, tail[:n], flags
        )
        self.seen.add(member, 0)
        if self.seen.count > self.max_entries:
            raise InvalidRequestError(f"the archive has more than {self.max_entries} entries")
        self.members.append(member)

    def compare(self, went: Ledger) -> None:
        """:raises IntegrityError: unless it describes exactly the entries that *went* by."""
        if (self.seen.count, self.seen.digest) != (went.count, went.digest):
            raise IntegrityError(
                f"the zip archive is damaged: its directory lists {self.seen.count} entries and "
                f"does not describe the {went.count} that it holds"
            )


def _skip_extra_data() -> Parser:
    # Its length is whatever the archive says, so it is never held as a whole.
    (left,) = struct.unpack("<L", (yield Want(4, exact=True)))
    while left:
        left -= len((yield Want(left, exact=False)))
