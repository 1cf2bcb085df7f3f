"""Writes a zip in one pass: entries stored uncompressed, dated 1980-01-01, without owner or permissions.

The bytes depend on names and contents only. A small file has its CRC-32 in its local header, so that
streaming readers need not search for its end. (``zipfile`` writes a data descriptor after every entry of
a target that cannot seek.) A large file streams through and has a data descriptor (APPNOTE 4.3.9).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from airflow_provider_assets.landing.crc import Checksum, crc32
from airflow_provider_assets.landing.zips.format import (
    CENTRAL,
    DESCRIBED,
    DESCRIPTOR,
    END,
    END64,
    LOCAL,
    LOCATOR64,
    MAX32,
    UTF8,
)

_DATE = 0x21  # 1980-01-01, the earliest date of the format


@dataclass(frozen=True, slots=True)
class Record:
    """An entry that was written, for the central directory.

    :param name: its encoded name. :param flags: general purpose bits (APPNOTE 4.4.4).
    :param crc: CRC-32. :param size: bytes. :param offset: offset of its local header.
    """

    name: bytes
    flags: int
    crc: int
    size: int
    offset: int


@dataclass(slots=True)
class ZipWriter:
    """Passes the bytes of an archive to *write*, in order."""

    write: Callable[[memoryview], object]
    position: int = 0
    records: list[Record] = field(default_factory=list)

    def small(self, name: str, data: memoryview | bytes) -> Record:
        """Write a file of which all bytes are in memory."""
        record = self._record(name, 0, crc32(data, 0), len(data))
        self._write(_local(record, wide=False))
        self._write(data)
        self.records.append(record)
        return record

    def begin(self, name: str) -> Record:
        """Begin a file of unknown length and CRC-32; :meth:`feed` follows."""
        record = self._record(name, DESCRIBED, 0, 0)
        self._write(_local(record, wide=True))
        return record

    def feed(self, view: memoryview) -> None:
        """Write the next bytes of the file that was begun."""
        self._write(view)

    def end(self, record: Record, whole: Checksum) -> Record:
        """End the file that was begun; *whole* is its checksum."""
        self._write(DESCRIPTOR + struct.pack("<LQQ", whole.crc32, whole.size, whole.size))
        written = replace(record, crc=whole.crc32, size=whole.size)
        self.records.append(written)
        return written

    def close(self) -> None:
        """Write the central directory and the end record."""
        start = self.position
        for record in self.records:
            self._write(_central(record))
        size, count = self.position - start, len(self.records)
        wide = count >= 0xFFFF or max(start, size) >= MAX32  # APPNOTE 4.4.1.4
        if wide:
            at = self.position
            self._write(
                END64 + struct.pack("<Q2H2L4Q", 44, 45, 45, 0, 0, count, count, size, start)
            )
            self._write(LOCATOR64 + struct.pack("<LQL", 0, at, 1))
        count, size, start = (0xFFFF, MAX32, MAX32) if wide else (count, size, start)
        self._write(END + struct.pack("<4H2LH", 0, 0, count, count, size, start, 0))

    def _record(self, name: str, flags: int, crc: int, size: int) -> Record:
        raw = name.encode()
        return Record(raw, flags | (0 if name.isascii() else UTF8), crc, size, self.position)

    def _write(self, data: memoryview | bytes) -> None:
        view = memoryview(data)
        self.write(view)
        self.position += len(view)


def _local(record: Record, *, wide: bool) -> bytes:
    # A file that streams through gets the zip64 form, since its length is not known yet.
    extra = struct.pack("<HHQQ", 1, 16, 0, 0) if wide else b""
    size = MAX32 if wide else record.size
    fixed = struct.pack(
        "<5H3L2H", 45 if wide else 20, record.flags, 0, 0, _DATE,
        record.crc, size, size, len(record.name), len(extra),
    )  # fmt: skip
    return LOCAL + fixed + record.name + extra


def _central(record: Record) -> bytes:
    described = bool(record.flags & DESCRIBED)
    far, big = record.offset >= MAX32, record.size >= MAX32
    values = [record.size, record.size] * big + [record.offset] * far
    extra = struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values), *values) if values else b""
    version = 45 if values or described else 20
    size, offset = MAX32 if big else record.size, MAX32 if far else record.offset
    fixed = struct.pack(
        "<6H3L5H2L", version, version, record.flags, 0, 0, _DATE,
        record.crc, size, size, len(record.name), len(extra), 0, 0, 0, 0, offset,
    )  # fmt: skip
    return CENTRAL + fixed + record.name + extra
