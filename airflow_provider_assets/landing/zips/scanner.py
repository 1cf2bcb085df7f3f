"""Verifies a zip in one pass while it streams: structure, sizes and CRC-32 of every entry.

It is a push parser: it keeps no bytes and never needs the whole archive. It follows PKWARE's APPNOTE.TXT
6.3.10: local headers (4.3.7), data descriptors (4.3.9), zip64 (4.5.3) and the central directory
(4.3.12), which must describe exactly the entries that were passed. An entry that is stored *and* has a
data descriptor has no announced length; it ends where a descriptor matches the CRC-32 and the size of the
bytes before it.
"""

from __future__ import annotations

import struct
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Protocol

from airflow_provider_assets.landing.crc import crc32
from airflow_provider_assets.landing.zips.directory import Directory, Parser, Want
from airflow_provider_assets.landing.zips.format import (
    DESCRIBED,
    DESCRIPTOR,
    LOCAL,
    LONGEST_DESCRIPTOR,
    STORED,
    Member,
    MemberTable,
    ZipCensus,
    check_count,
    decode_name,
    described,
    quoted,
    widen,
)
from airflow_provider_assets.landing.zips.inflate import (
    Inflater,
    Limits,
    check_method,
    check_whole,
    why_opaque,
)
from airflow_provider_assets.sansio.errors import IntegrityError, InvalidRequestError

_STEP = 1 << 15  # bytes of an entry that one step asks for


class Handler(Protocol):
    """Receives the contents of the entries while the archive streams."""

    def start(self, name: str) -> None:
        """Begin an entry."""

    def data(self, piece: memoryview | bytes) -> None:
        """Process the next unpacked bytes of the entry, which are valid during the call only."""

    def end(self) -> None:
        """End the entry; its length and CRC-32 have been verified."""


@dataclass(slots=True)
class _Header:
    name: str
    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    zip64: bool


@dataclass(slots=True)
class ZipScanner:
    """Feed it the archive in order, then call :meth:`close`.

    :param handler: receives the contents; None: only verify.
    :param census: result of an earlier scan; feeding continues at its ``offset``.
    :param limits: limits of unpacking; None if the unpacked bytes are not kept.
    :param keeps_members: whether ``members`` is wanted; a million take 60 MB.
    :ivar members: entries of the central directory, in its order.
    :ivar unverified: reason why the CRC-32 of an entry could not be verified; "" if all were.
    """

    handler: Handler | None = None
    census: ZipCensus = field(default_factory=ZipCensus)
    max_entries: int = 1_000_000
    limits: Limits | None = None
    keeps_members: bool = True
    members: MemberTable = field(default_factory=MemberTable)
    unverified: str = ""
    position: int = 0
    _parser: Parser | None = None
    _want: Want = field(default=Want(4, exact=True), repr=False)
    _held: bytearray = field(default_factory=bytearray)
    _back: bytes = b""
    _ended: bool = False
    _named: int = 0

    def __post_init__(self) -> None:
        """Start at the end of the census."""
        self.position = self.census.offset
        self._parser = self._archive()
        self._want = next(self._parser)

    def feed(self, view: memoryview | bytes) -> None:
        """Verify the next bytes of the archive.

        :raises IntegrityError: as soon as they contradict the archive's own structure or checksums.
        """
        view = memoryview(view)
        while view:
            view = view[self._step(view) :]
            while self._back:
                back, self._back = self._back, b""
                rest = memoryview(back)
                self._back_after(rest[self._step(rest) :])

    def close(self) -> None:
        """End the archive.

        :raises IntegrityError: if it is incomplete.
        """
        if not self._ended or self._held:
            raise IntegrityError(f"the zip archive ends early, after {self.position} bytes")

    def _back_after(self, rest: memoryview) -> None:
        self._back += bytes(rest)

    def _step(self, view: memoryview) -> int:
        """Give the parser the bytes of *view* that it wants; return their number."""
        want = self._want
        if not want.exact:
            used = min(want.size, len(view))
            self._send(view[:used])
            return used
        used = min(want.size - len(self._held), len(view))
        self._held += view[:used]
        if len(self._held) == want.size:
            whole, self._held = memoryview(bytes(self._held)), bytearray()
            self._send(whole)
        return used

    def _send(self, piece: memoryview) -> None:
        assert self._parser is not None  # noqa: S101  # for the type checker: set on creation
        self.position += len(piece)
        self._want = self._parser.send(piece)

    def _give_back(self, piece: bytes) -> None:
        self.position -= len(piece)
        self._back = piece + self._back

    def _archive(self) -> Parser:
        while (signature := bytes((yield Want(4, exact=True)))) == LOCAL:
            yield from self._entry(self.position - 4)
        yield from self._directory(signature)
        self._ended = True
        yield Want(1, exact=False)
        raise IntegrityError(f"bytes follow the end of the zip archive at {self.position - 1}")

    def _directory(self, signature: bytes) -> Parser:
        directory = Directory(self.position - 4, self.max_entries, self.keeps_members)
        yield from directory.parse(signature, lambda: self.position)
        self.members = directory.members
        directory.compare(self.census)

    def _entry(self, offset: int) -> Parser:
        fixed = yield Want(26, exact=True)
        _, flags, method, _, _, crc, packed, size, n, x = struct.unpack("<5H3L2H", fixed)
        tail = bytes((yield Want(n + x, exact=True))) if n + x else b""
        name = decode_name(tail[:n], flags)
        size, packed, _, zip64 = widen(tail[n:], size, packed, 0)
        head = _Header(name, tail[:n], flags, method, crc, packed, size, zip64)
        if self.handler:
            self.handler.start(name)
        if why := why_opaque(method, flags):
            member = yield from self._opaque(head, offset, why)
        elif method != STORED:
            member = yield from self._compressed(head, offset)
        elif flags & DESCRIBED:
            member = yield from self._stored_blind(head, offset)
        else:
            member = yield from self._stored(head, offset)
        if self.handler:
            self.handler.end()
        self.census.add(member, self.position)
        self._named += n
        check_count(self.census.count, self._named, self.max_entries)

    def _stored(self, head: _Header, offset: int) -> Generator[Want, memoryview, Member]:
        left, crc = head.size, 0
        if head.packed != head.size:
            raise IntegrityError(
                f"{quoted(head.name)} is damaged: it is stored, but its packed and unpacked sizes differ"
            )
        while left:
            piece = yield Want(left, exact=False)
            left -= len(piece)
            crc = crc32(piece, crc)
            self._emit(piece)
        return _checked(head, offset, size=head.size, packed=head.packed, crc=crc)

    def _stored_blind(self, head: _Header, offset: int) -> Generator[Want, memoryview, Member]:
        window, size, crc = bytearray(), 0, 0
        while True:
            window += yield Want(_STEP, exact=False)
            while True:
                at = window.find(DESCRIPTOR)
                known = at if at >= 0 else max(0, len(window) - 3)
                crc, size = crc32(window[:known], crc), size + known
                self._emit(bytes(window[:known]))
                del window[:known]
                if at < 0 or len(window) < LONGEST_DESCRIPTOR:
                    break
                width = described(window, crc, size, size, prefer_wide=head.zip64)
                if width:
                    self._give_back(bytes(window[width:]))
                    return Member(head.name, size, size, crc, STORED, offset, head.raw)
                crc, size = crc32(window[:4], crc), size + 4
                self._emit(bytes(window[:4]))
                del window[:4]

    def _compressed(self, head: _Header, offset: int) -> Generator[Want, memoryview, Member]:
        described = bool(head.flags & DESCRIBED)
        inflater = Inflater(head.name, head.method, None if described else head.size)
        crc = 0
        while not inflater.eof:
            room = _STEP if described else min(_STEP, head.packed - inflater.packed)
            if not room:
                raise IntegrityError(f"{quoted(head.name)} is damaged: its data ends early")
            for out in inflater.feed((yield Want(room, exact=False))):
                crc = crc32(out, crc)
                self._emit(out)
                # A zip bomb only harms unpacking: verifying keeps nothing of what comes out.
                if self.limits:
                    self.limits.check_ratio(head.name, inflater.packed, inflater.size)
        unused, size = bytes(inflater.unused), inflater.size
        packed = inflater.packed - len(unused)
        self._give_back(unused)
        if described:
            yield from self._descriptor(head, crc, packed, size)
        return _checked(head, offset, size=size, packed=packed, crc=crc)

    def _descriptor(self, head: _Header, crc: int, packed: int, size: int) -> Parser:
        # The end record, at least, follows every descriptor, so that these bytes always exist.
        block = bytes((yield Want(LONGEST_DESCRIPTOR, exact=True)))
        width = described(block, crc, packed, size, prefer_wide=head.zip64)
        if not width:
            raise IntegrityError(
                f"{quoted(head.name)} is damaged: its data descriptor does not match its data"
            )
        self._give_back(block[width:])
        head.crc, head.packed, head.size = crc, packed, size

    def _opaque(self, head: _Header, offset: int, why: str) -> Generator[Want, memoryview, Member]:
        if self.handler:
            check_method(head.name, head.method, head.flags)
        if head.flags & DESCRIBED:
            raise InvalidRequestError(
                f"{quoted(head.name)} ({why}) has no announced length, so the archive cannot be verified "
                "while it streams; land it with verify=False"
            )
        self.unverified = self.unverified or f"{quoted(head.name)}: {why}"
        left = head.packed
        while left:
            left -= len((yield Want(left, exact=False)))
        return Member(head.name, head.size, head.packed, head.crc, head.method, offset, head.raw)

    def _emit(self, piece: memoryview | bytes) -> None:
        if self.handler and len(piece):
            self.handler.data(piece)


def _checked(head: _Header, offset: int, *, size: int, packed: int, crc: int) -> Member:
    member = Member(
        head.name, head.size, head.packed, head.crc, head.method, offset, head.raw, head.flags
    )
    check_whole(member, size, crc)
    if packed != head.packed:
        raise IntegrityError(
            f"{quoted(head.name)} is damaged: it takes {packed} bytes, the archive says {head.packed}"
        )
    return member
