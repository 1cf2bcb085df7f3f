"""Unpacking of entries, within limits, and the checks that decide whether they are whole."""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Iterator, Sequence

from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.job import Job
from airflow_provider_assets.landing.options import MIB
from airflow_provider_assets.landing.zips.format import BZIP2, DEFLATED, ENCRYPTED, STORED, Member
from airflow_provider_assets.sansio.errors import IntegrityError, InvalidRequestError

_PIECE = MIB
_HARMLESS = 16 * MIB  # bytes that an entry may unpack to at any ratio


def engine(member: Member) -> zlib._Decompress | bz2.BZ2Decompressor:
    """What unpacks *member*."""
    return zlib.decompressobj(-15) if member.method == DEFLATED else bz2.BZ2Decompressor()


def unpack(
    inflater: zlib._Decompress | bz2.BZ2Decompressor, piece: memoryview | bytes, member: Member
) -> Iterator[bytes]:
    """What *piece* unpacks to, in pieces of at most 1 MiB.

    :raises IntegrityError: if it is no such data.
    """
    while True:
        try:
            out = inflater.decompress(piece, _PIECE)
        except (zlib.error, OSError) as error:
            raise IntegrityError(f"{member.name!r} is damaged: {error}") from error
        yield out
        piece = b"" if isinstance(inflater, bz2.BZ2Decompressor) else inflater.unconsumed_tail
        if inflater.eof or not (piece or len(out) == _PIECE):
            return


def inflate(member: Member, packed: memoryview) -> bytes:
    """The data of a small compressed entry.

    :raises IntegrityError: if it is damaged, or longer than announced.
    """
    inflater, pieces, size = engine(member), [], 0
    for piece in unpack(inflater, packed, member):
        pieces.append(piece)
        size += len(piece)
        if size > member.size:
            break
    if not inflater.eof or inflater.unused_data or size != member.size:
        raise IntegrityError(
            f"{member.name!r} is damaged: it does not unpack to {member.size} bytes"
        )
    return b"".join(pieces)


def check(member: Member, whole: Checksum) -> None:
    """:raises IntegrityError: unless *whole* is what the archive says of *member*."""
    if (whole.size, whole.crc32) != (member.size, member.crc):
        raise IntegrityError(
            f"{member.name!r} is damaged: {whole.size} bytes with CRC-32 {whole.crc32:08x}, "
            f"the archive says {member.size} and {member.crc:08x}"
        )


def check_limits(members: Sequence[Member], job: Job) -> None:
    """:raises InvalidRequestError: if the archive cannot, or should not, be unpacked."""
    options = job.options
    total = sum(member.size for member in members)
    if total > options.max_unpacked:
        raise InvalidRequestError(
            f"the archive unpacks to {total} bytes, more than {options.max_unpacked}"
        )
    for member in members:
        known = member.method in (STORED, DEFLATED, BZIP2)
        if not known or member.flags & ENCRYPTED:
            why = f"compression method {member.method}" if not known else "encrypted"
            raise InvalidRequestError(
                f"{member.name!r} cannot be unpacked: {why}; use layout='archive'"
            )
        if member.method == STORED and member.size != member.packed:
            raise IntegrityError(f"{member.name!r}: a stored entry with two sizes")
        if member.size > options.max_ratio * member.packed + _HARMLESS:
            raise InvalidRequestError(
                f"{member.name!r} unpacks to over {options.max_ratio} times its size"
            )
