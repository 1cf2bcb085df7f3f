"""Makes zips byte by byte, so that each of their fields can lie (names as in PKWARE APPNOTE.TXT 6.3.10)."""

from __future__ import annotations

import bz2
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

UTF8, DESCRIBED, ENCRYPTED, STRONG = 1 << 11, 1 << 3, 1, 1 << 6
MAX16, MAX32, MAX64 = 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
Fields = Mapping[str, int | bytes]

# Field -> format, in the order of the record; the names and extra fields follow.
LOCAL = {
    "signature": "L", "version": "H", "flags": "H", "method": "H", "time": "H", "date": "H",
    "crc": "L", "packed": "L", "size": "L", "name_length": "H", "extra_length": "H",
}  # fmt: skip
CENTRAL = {
    "signature": "L", "made_by": "H", "version": "H", "flags": "H", "method": "H", "time": "H",
    "date": "H", "crc": "L", "packed": "L", "size": "L", "name_length": "H", "extra_length": "H",
    "comment_length": "H", "disk": "H", "internal": "H", "external": "L", "offset": "L",
}  # fmt: skip
END = {
    "signature": "L", "disk": "H", "start_disk": "H", "count_here": "H", "count": "H",
    "directory": "L", "start": "L", "comment_length": "H",
}  # fmt: skip
END64 = {
    "signature": "L", "length": "Q", "made_by": "H", "version": "H", "disk": "L", "start_disk": "L",
    "count_here": "Q", "count": "Q", "directory": "Q", "start": "Q",
}  # fmt: skip
LOCATOR = {"signature": "L", "disk": "L", "place": "Q", "disks": "L"}
DESCRIPTOR = {"signature": "L", "crc": "L", "packed": "L", "size": "L"}
SIGNATURES = {
    b"PK\3\4": LOCAL, b"PK\1\2": CENTRAL, b"PK\5\6": END, b"PK\6\6": END64, b"PK\6\7": LOCATOR,
    b"PK\7\x08": DESCRIPTOR,
}  # fmt: skip


def record(form: Mapping[str, str], honest: Fields, lies: Fields) -> bytes:
    """A record of *form* in which *lies* replace the *honest* fields."""
    values = {**dict.fromkeys(form, 0), **honest, **lies}
    return struct.pack("<" + "".join(form.values()), *(values[name] for name in form))


def signed(signature: bytes) -> int:
    return int.from_bytes(signature, "little")


def extra(kind: int, body: bytes) -> bytes:
    """An extra field."""
    return struct.pack("<HH", kind, len(body)) + body


def wide(*values: int) -> bytes:
    """The zip64 extra field."""
    return extra(1, struct.pack(f"<{len(values)}Q", *values))


def deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return engine.compress(data) + engine.flush()


def packed(data: bytes, method: int) -> bytes:
    return {8: deflate, 12: bz2.compress}.get(method, bytes)(data)


@dataclass(frozen=True)
class Item:
    """An entry that is honest but for the fields in ``local``, ``central`` and ``descriptor``.

    ``raw``: its bytes in the archive. ``described``: its sizes follow its data, and are 0 before it.
    ``body``: what stands in the archive for the whole entry, from the local header on.
    """

    name: bytes | str
    data: bytes = b""
    method: int = 0
    flags: int = 0
    raw: bytes | None = None
    described: bool = False
    extra: bytes = b""
    central_extra: bytes | None = None
    local: Fields = field(default_factory=dict)
    central: Fields = field(default_factory=dict)
    descriptor: bytes | Fields = field(default_factory=dict)
    local_name: bytes | None = None
    body: bytes | None = None

    @property
    def encoded(self) -> bytes:
        return self.name.encode() if isinstance(self.name, str) else self.name

    def facts(self) -> dict[str, int | bytes]:
        utf8 = isinstance(self.name, str) and not self.name.isascii()
        return {
            "version": 20,
            "flags": self.flags | (DESCRIBED if self.described else 0) | (UTF8 if utf8 else 0),
            "method": self.method,
            "date": 0x21,
            "crc": zlib.crc32(self.data),
            "packed": len(self.content()),
            "size": len(self.data),
            "name_length": len(self.encoded),
        }

    def content(self) -> bytes:
        return packed(self.data, self.method) if self.raw is None else self.raw

    def local_bytes(self) -> bytes:
        if self.body is not None:
            return self.body
        name = self.encoded if self.local_name is None else self.local_name
        facts = self.facts() | {"signature": signed(b"PK\3\4"), "extra_length": len(self.extra)}
        facts["name_length"] = len(name)
        if self.described:
            facts |= {"crc": 0, "packed": 0, "size": 0}
        return record(LOCAL, facts, self.local) + name + self.extra + self.content() + self._after()

    def _after(self) -> bytes:
        if not self.described:
            return b""
        if isinstance(self.descriptor, bytes):
            return self.descriptor
        return record(
            DESCRIPTOR, self.facts() | {"signature": signed(b"PK\7\x08")}, self.descriptor
        )

    def central_bytes(self, offset: int) -> bytes:
        more = self.extra if self.central_extra is None else self.central_extra
        facts = self.facts() | {
            "signature": signed(b"PK\1\2"),
            "made_by": 3 << 8 | 20,
            "extra_length": len(more),
            "offset": offset,
        }
        return record(CENTRAL, facts, self.central) + self.encoded + more


def forge(
    items: Iterable[Item],
    *,
    prefix: bytes = b"",
    shift: int = 0,
    between: bytes = b"",
    end64: Fields | None = None,
    locator: Fields | None = None,
    more64: bytes = b"",
    end: Fields | None = None,
    comment: bytes = b"",
    after: bytes = b"",
    order: int = 1,
) -> bytes:
    """A zip.

    ``prefix``: bytes before it, and ``shift``: how far its offsets count them. ``between``: bytes between
    entries and directory. ``end64``, ``locator``: there are such records, with these lies.
    ``order``: -1 for a directory in reverse.
    """
    body, records = bytearray(prefix), []
    for item in items:
        records.append(item.central_bytes(len(body) - len(prefix) + shift))
        body += item.local_bytes()
    body += between
    start = len(body) - len(prefix) + shift
    directory = b"".join(records[::order])
    facts: dict[str, int | bytes] = {
        "count_here": len(records), "count": len(records), "directory": len(directory),
        "start": start, "comment_length": len(comment),
    }  # fmt: skip
    body += directory
    place = len(body) - len(prefix) + shift
    if end64 is not None:
        known = {
            "signature": signed(b"PK\6\6"),
            "length": 44 + len(more64),
            "version": 45,
            "made_by": 45,
        }
        body += record(END64, facts | known, end64) + more64
    if locator is not None:
        where = {"signature": signed(b"PK\6\7"), "place": place, "disks": 1}
        body += record(LOCATOR, where, locator)
    lies = {"count_here": MAX16, "count": MAX16, "directory": MAX32, "start": MAX32}
    if end64 is None or end is not None:
        narrow = {name: min(int(value), MAX32) for name, value in facts.items()}
        narrow |= {name: int(narrow[name]) & MAX16 for name in ("count", "count_here")}
        lies = narrow | dict(end or {})
    known_end = {"signature": signed(b"PK\5\6"), "comment_length": len(comment)}
    return bytes(body + record(END, known_end, lies) + comment + after)
