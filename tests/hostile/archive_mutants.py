"""Archives of the zoo and others made at random, damaged in the same way for every seed."""

from __future__ import annotations

import random
import re
import struct
import zlib
from collections.abc import Callable
from functools import cache, lru_cache

from hostile_archives import zoo
from zip_forge import CENTRAL, LOCAL, MAX32, SIGNATURES, UTF8, Item, extra, forge, packed, wide

_LONGEST = 1500  # bytes: small archives are tried more often
_ANY = re.compile(b"PK(?:\3\4|\1\2|\5\6|\6\6|\6\7|\7\x08)")
_BOUNDS = {
    1: (0, 1, 0x7F, 0x80, 0xFF),
    2: (0, 1, 2, 8, 12, 93, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF),
    4: (0, 1, 2, 4, 30, 46, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF),
    8: (0, 1, 56, 0xFFFFFFFF, 0x100000000, (1 << 63) - 1, 1 << 63, (1 << 64) - 1),
}
_CODES = {1: "<B", 2: "<H", 4: "<L", 8: "<Q"}


@cache
def corpus() -> list[bytes]:
    return [one.data for one in zoo().values() if len(one.data) <= _LONGEST]


def mutant(seed: int) -> bytes:
    draw = random.Random(seed)
    if draw.random() < 0.5:
        data, times = bytearray(draw.choice(corpus())), draw.choice((1, 1, 1, 2, 3))
    else:
        data, times = bytearray(_forged(draw)), draw.choice((0, 0, 1, 1, 2))
    for _ in range(times):
        if not data:
            break
        draw.choice(_WAYS)(data, draw)
    return bytes(data)


_NAMES = ("a", "A", "d/", "d/a", "\u00e9", "../x", "", "a\0b", b"\x81", b"\xff", "n" * 90)
_CONTENTS = (b"", b"x", b"words " * 20, b"PK\7\x08" * 5, b"PK\3\4PK\1\2PK\5\6" * 3, bytes(300))
_EXTRAS = (b"", extra(0x5455, b"\1abcd"), extra(0x7075, b"\1abcdname"), b"\1\0\x10", wide(1, 2, 3))


def _item(draw: random.Random) -> Item:
    """An entry that is unusual, but honest."""
    data, method = draw.choice(_CONTENTS), draw.choice((0, 0, 8, 8, 8, 12))
    how: dict[str, object] = {"described": draw.random() < 0.3, "extra": draw.choice(_EXTRAS)}
    sizes = (len(data), len(_packed(data, method)))
    full = {"size": MAX32, "packed": MAX32}
    if draw.random() < 0.2:
        how |= {"extra": wide(*sizes), "local": full, "central": full, "described": False}
    elif how["described"]:
        form = draw.choice(("<3L", "<LQQ"))
        signature = draw.choice((b"PK\7\x08", b"PK\7\x08", b""))
        how["descriptor"] = signature + struct.pack(form, zlib.crc32(data), *sizes[::-1])
    if draw.random() < 0.2:
        how["central_extra"] = how["extra"] + draw.choice(_EXTRAS)  # type: ignore[operator]  # bytes
    name = draw.choice(_NAMES)
    return Item(name, data, method, draw.choice((0, 0, UTF8)), raw=_packed(data, method), **how)


_packed = lru_cache(packed)


def _forged(draw: random.Random) -> bytes:
    """An archive of up to four such entries."""
    items = [_item(draw) for _ in range(draw.choice((0, 1, 1, 2, 2, 3, 4)))]
    how: dict[str, object] = {}
    if draw.random() < 0.2:
        how |= {"end64": {}, "locator": {}, "more64": draw.choice((b"", bytes(20)))}
    if draw.random() < 0.2:
        how["comment"] = draw.choice((b"a comment", b"PK\5\6"))
    if draw.random() < 0.1:
        how |= {"prefix": b"MZ", "shift": draw.choice((0, 2))}
    if draw.random() < 0.1:
        how["between"] = draw.choice((b"gap", b"PK\6\x08\2\0\0\0ab"))
    return forge(items, order=draw.choice((1, 1, 1, -1)), **how)


def _flip(data: bytearray, draw: random.Random) -> None:
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def _byte(data: bytearray, draw: random.Random) -> None:
    data[draw.randrange(len(data))] = draw.choice(_BOUNDS[1])


def _fields(form: dict[str, str]) -> list[tuple[str, int, int]]:
    """Name, offset and width of each field."""
    found, at = [], 0
    for name, code in form.items():
        width = struct.calcsize(f"<{code}")
        found.append((name, at, width))
        at += width
    return found


_LAYOUTS = {signature: _fields(form) for signature, form in SIGNATURES.items()}
_TWICE = sorted(set(LOCAL) & set(CENTRAL) - {"signature"})


def _set(data: bytearray, at: int, width: int, draw: random.Random) -> int:
    """A new value for the field at *at*: a limit, a neighbour, or what another field could mean."""
    code, room = _CODES[width], (1 << 8 * width) - 1
    if at + width > len(data):
        return 0
    (old,) = struct.unpack_from(code, data, at)
    value = draw.choice((*_BOUNDS[width], old + 1, old - 1, old ^ 8, len(data), at)) & room
    struct.pack_into(code, data, at, value)
    return value


def _field(data: bytearray, draw: random.Random) -> None:
    """A field of one record changes."""
    if found := list(_ANY.finditer(data)):
        record = draw.choice(found)
        _, at, width = draw.choice(_LAYOUTS[record[0]])
        _set(data, record.start() + at, width, draw)


def _field_everywhere(data: bytearray, draw: random.Random) -> None:
    """A field changes in all local headers and in the directory alike."""
    name, value = draw.choice(_TWICE), None
    for record in _ANY.finditer(bytes(data)):
        for field, at, width in _LAYOUTS[record[0]]:
            place = record.start() + at
            if field != name or place + width > len(data):
                continue
            if value is None:
                value = _set(data, place, width, draw)
            struct.pack_into(_CODES[width], data, place, value)


def _name(data: bytearray, draw: random.Random) -> None:
    """The byte behind a header, where names begin, changes."""
    for record in _ANY.finditer(bytes(data)):
        size = {b"PK\3\4": 30, b"PK\1\2": 46}.get(record[0])
        if size and record.start() + size < len(data):
            data[record.start() + size] = draw.choice(b"a/\\.\0\x80\xff")


def _delete(data: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(data))
    del data[at : at + draw.randrange(1, 40)]


def _cut(data: bytearray, draw: random.Random) -> None:
    del data[draw.randrange(len(data)) :]


def _insert(data: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(data))
    data[at:at] = draw.randbytes(draw.randrange(1, 40))


def _repeat(data: bytearray, draw: random.Random) -> None:
    """Some bytes, or a whole record, come twice."""
    starts = [record.start() for record in _ANY.finditer(data)] or [0]
    start = draw.choice((*starts, draw.randrange(len(data))))
    piece = data[start : start + draw.choice((4, 22, 46, 100, 300))]
    at = draw.choice((*starts, draw.randrange(len(data))))
    data[at:at] = piece


def _splice(data: bytearray, draw: random.Random) -> None:
    """The end comes from another archive."""
    other = draw.choice(corpus()) or b"P"
    at = draw.choice([record.start() for record in _ANY.finditer(other)] or [0])
    data[draw.randrange(len(data)) :] = other[at:]


_WAYS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _flip, _flip, _byte, _field, _field, _field, _field_everywhere, _field_everywhere, _name,
    _delete, _cut, _insert, _repeat, _splice,
)  # fmt: skip
