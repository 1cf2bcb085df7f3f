"""The one decompressor of zip entries: works piece by piece, and stops where its limits end.

What a header announces is a claim. Unpacking stops with the piece that passes the announced size, so
that a header that lies costs no more than it announced.
"""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from airflow_provider_assets.landing.zips.format import BZIP2, DEFLATED, ENCRYPTED, STORED, Member
from airflow_provider_assets.sansio.errors import IntegrityError, InvalidRequestError

STEP = 1 << 18  # bytes that one step unpacks to at most
_HARMLESS = 1 << 26  # bytes that an entry may unpack to at any ratio: one flat image


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of unpacking.

    :param max_unpacked: bytes of all entries together.
    :param max_ratio: unpacked bytes per packed byte of one entry; what is small is never refused.
    """

    max_unpacked: int
    max_ratio: int

    def check_ratio(self, name: str, packed: int, size: int) -> None:
        """:raises InvalidRequestError: if an entry unpacks to too much for what it takes packed."""
        if size > self.max_ratio * packed + _HARMLESS:
            raise InvalidRequestError(
                f"{name!r} unpacks to over {self.max_ratio} times its size; if that is expected, "
                "set a larger max_ratio or use layout='archive'"
            )

    def check_total(self, size: int) -> None:
        """:raises InvalidRequestError: if all entries together unpack to too much."""
        if size > self.max_unpacked:
            raise InvalidRequestError(
                f"the archive unpacks to {size} bytes, more than {self.max_unpacked}; if that is "
                "expected, set a larger max_unpacked or use layout='archive'"
            )

    def check(self, members: Iterable[Member]) -> None:
        """Check what a central directory lists, before anything is unpacked.

        :raises InvalidRequestError: if the archive cannot, or should not, be unpacked.
        :raises IntegrityError: if an entry contradicts itself.
        """
        total = 0
        for member in members:
            check_method(member.name, member.method, member.flags)
            if member.method == STORED and member.size != member.packed:
                raise IntegrityError(
                    f"{member.name!r} is damaged: it is stored, and its two sizes differ"
                )
            self.check_ratio(member.name, member.packed, member.size)
            total += member.size
        self.check_total(total)


def why_opaque(method: int, flags: int) -> str:
    """The reason why an entry cannot be unpacked, "" if it can."""
    if flags & ENCRYPTED:
        return "encrypted"
    return "" if method in (STORED, DEFLATED, BZIP2) else f"compression method {method}"


def check_method(name: str, method: int, flags: int) -> None:
    """:raises InvalidRequestError: if an entry cannot be unpacked."""
    if why := why_opaque(method, flags):
        raise InvalidRequestError(f"{name!r} cannot be unpacked: {why}; use layout='archive'")


@dataclass(slots=True)
class Inflater:
    """Unpacks one compressed entry.

    :param name: of the entry, for errors.
    :param announced: bytes it should unpack to; None where the archive says so only behind it.
    :ivar size: bytes that it has unpacked to so far; ``packed``: bytes that were fed.
    """

    name: str
    method: int
    announced: int | None = None
    size: int = 0
    packed: int = 0
    _engine: zlib._Decompress | bz2.BZ2Decompressor = field(init=False)

    def __post_init__(self) -> None:
        """Choose the engine."""
        deflated = self.method == DEFLATED
        self._engine = zlib.decompressobj(-15) if deflated else bz2.BZ2Decompressor()

    @property
    def eof(self) -> bool:
        """Whether the data has reached its own end."""
        return self._engine.eof

    @property
    def unused(self) -> bytes:
        """Bytes that were fed and lie behind the end."""
        return self._engine.unused_data

    def feed(self, packed: memoryview | bytes) -> Iterator[bytes]:
        """The unpacked form of the next bytes, in pieces of at most :data:`PIECE`.

        :raises IntegrityError: if it is no such data, or unpacks to more than was announced.
        """
        if self.eof:
            raise self._misplaced_end()
        self.packed += len(packed)
        while True:
            try:
                out = self._engine.decompress(packed, STEP)
            except (zlib.error, OSError) as error:
                raise IntegrityError(f"{self.name!r} is damaged: {error}") from error
            self.size += len(out)
            if self.announced is not None and self.size > self.announced:
                raise IntegrityError(
                    f"{self.name!r} is damaged: it unpacks to more than the {self.announced} bytes "
                    "that the archive announces"
                )
            yield out
            # A bz2 decompressor keeps what it did not use, and has no such attribute.
            packed = getattr(self._engine, "unconsumed_tail", b"")
            if self.eof or not (packed or len(out) == STEP):
                return

    def close(self) -> None:
        """:raises IntegrityError: unless the data ended with the last byte that was fed."""
        if not self.eof or self.unused:
            raise self._misplaced_end()

    def _misplaced_end(self) -> IntegrityError:
        return IntegrityError(f"{self.name!r} is damaged: its data does not end where it should")


def inflate(member: Member, packed: memoryview) -> bytes:
    """The data of a small compressed entry.

    :raises IntegrityError: if it is damaged, or longer than announced.
    """
    inflater = Inflater(member.name, member.method, member.size)
    data = b"".join(inflater.feed(packed))
    inflater.close()
    return data


def check_whole(member: Member, size: int, crc: int) -> None:
    """:raises IntegrityError: unless these are length and CRC-32 that the archive gives for *member*."""
    if (size, crc) != (member.size, member.crc):
        raise IntegrityError(
            f"{member.name!r} is damaged: {size} bytes with CRC-32 {crc:08x}, "
            f"the archive says {member.size} and {member.crc:08x}"
        )
