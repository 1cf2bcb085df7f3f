"""Decompresses zip entries piece by piece, within limits.

A header's sizes are not trusted. Unpacking stops with the piece that exceeds the announced size, so that a
false header costs no more than it announced.
"""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from airflow_provider_assets.landing.zips.format import (
    BZIP2,
    DEFLATED,
    ENCRYPTED,
    STORED,
    Member,
    quoted,
)
from airflow_provider_assets.sansio.errors import IntegrityError, InvalidRequestError

STEP = 1 << 18  # largest number of bytes that one step unpacks to
_HARMLESS = 1 << 26  # bytes that an entry may unpack to at any ratio, as a single-colour image does


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of unpacking.

    :param max_unpacked: bytes of all entries together.
    :param max_ratio: unpacked bytes per packed byte of one entry; entries of up to 64 MiB always pass.
    """

    max_unpacked: int
    max_ratio: int

    def check_ratio(self, name: str, packed: int, size: int) -> None:
        """Check the ratio of one entry.

        :raises InvalidRequestError: if it exceeds the limit.
        """
        if size > self.max_ratio * packed + _HARMLESS:
            raise InvalidRequestError(
                f"{quoted(name)} unpacks to over {self.max_ratio} times its size; if that is expected, "
                "set a larger max_ratio or use layout='archive'"
            )

    def check_total(self, size: int) -> None:
        """Check the unpacked size of all entries together.

        :raises InvalidRequestError: if it exceeds the limit.
        """
        if size > self.max_unpacked:
            raise InvalidRequestError(
                f"the archive unpacks to {size} bytes, more than {self.max_unpacked}; if that is "
                "expected, set a larger max_unpacked or use layout='archive'"
            )

    def check(self, members: Iterable[Member]) -> None:
        """Check the entries of a central directory before anything is unpacked.

        :raises InvalidRequestError: if an entry cannot be unpacked, or a limit is exceeded.
        :raises IntegrityError: if an entry contradicts itself.
        """
        total = 0
        for member in members:
            check_method(member.name, member.method, member.flags)
            if member.is_folder and member.size:
                raise holds_content(member.name)
            if member.method == STORED and member.size != member.packed:
                raise IntegrityError(
                    f"{quoted(member.name)} is damaged: it is stored, but its packed and unpacked "
                    "sizes differ"
                )
            self.check_ratio(member.name, member.packed, member.size)
            total += member.size
        self.check_total(total)


def holds_content(name: str) -> InvalidRequestError:
    """The error for an entry that is named like a folder, but has bytes."""
    return InvalidRequestError(
        f"{quoted(name)} is a folder with content, which cannot be a file; use layout='archive'"
    )


def why_opaque(method: int, flags: int) -> str:
    """The reason why an entry cannot be unpacked; "" if it can."""
    if flags & ENCRYPTED:
        return "encrypted"
    return "" if method in (STORED, DEFLATED, BZIP2) else f"compression method {method}"


def check_method(name: str, method: int, flags: int) -> None:
    """Check that an entry can be unpacked.

    :raises InvalidRequestError: if it cannot.
    """
    if why := why_opaque(method, flags):
        raise InvalidRequestError(f"{quoted(name)} cannot be unpacked: {why}; use layout='archive'")


@dataclass(slots=True)
class Inflater:
    """Unpacks one compressed entry.

    :param name: name of the entry, for errors. :param method: compression method.
    :param announced: bytes that it should unpack to; None if the archive announces them only after it.
    :ivar size: bytes that came out so far. :ivar packed: bytes that were fed so far.
    """

    name: str
    method: int
    announced: int | None = None
    size: int = 0
    packed: int = 0
    _engine: zlib._Decompress | bz2.BZ2Decompressor = field(init=False)

    def __post_init__(self) -> None:
        """Choose the decompressor."""
        deflated = self.method == DEFLATED
        self._engine = zlib.decompressobj(-15) if deflated else bz2.BZ2Decompressor()

    @property
    def eof(self) -> bool:
        """Whether the compressed data has reached its end marker."""
        return self._engine.eof

    @property
    def unused(self) -> bytes:
        """Bytes that were fed beyond the end."""
        return self._engine.unused_data

    def feed(self, packed: memoryview | bytes) -> Iterator[bytes]:
        """The unpacked form of the next bytes, in pieces of at most :data:`STEP` bytes.

        :raises IntegrityError: if the data is damaged, or unpacks to more than was announced.
        """
        if self.eof:
            raise self._misplaced_end()
        self.packed += len(packed)
        while True:
            try:
                out = self._engine.decompress(packed, STEP)
            except (zlib.error, OSError) as error:
                raise IntegrityError(f"{quoted(self.name)} is damaged: {error}") from error
            self.size += len(out)
            if self.announced is not None and self.size > self.announced:
                raise IntegrityError(
                    f"{quoted(self.name)} is damaged: it unpacks to more than the {self.announced} bytes "
                    "that the archive announces"
                )
            yield out
            # A bz2 decompressor keeps its unused input itself, and has no such attribute.
            packed = getattr(self._engine, "unconsumed_tail", b"")
            if self.eof or not (packed or len(out) == STEP):
                return

    def close(self) -> None:
        """End the entry.

        :raises IntegrityError: unless the data ended with the last byte that was fed.
        """
        if not self.eof or self.unused:
            raise self._misplaced_end()

    def _misplaced_end(self) -> IntegrityError:
        return IntegrityError(
            f"{quoted(self.name)} is damaged: its data does not end where it should"
        )


def inflate(member: Member, packed: memoryview) -> bytes:
    """Unpack a small compressed entry at once.

    :raises IntegrityError: if it is damaged, or longer than announced.
    """
    inflater = Inflater(member.name, member.method, member.size)
    data = b"".join(inflater.feed(packed))
    inflater.close()
    return data


def check_whole(member: Member, size: int, crc: int) -> None:
    """Compare the length and CRC-32 of an unpacked entry with those in the archive.

    :raises IntegrityError: if they differ.
    """
    if (size, crc) != (member.size, member.crc):
        raise IntegrityError(
            f"{quoted(member.name)} is damaged: {size} bytes with CRC-32 {crc:08x}, "
            f"the archive says {member.size} and {member.crc:08x}"
        )
