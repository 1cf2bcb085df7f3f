"""Every compression method and encryption, and the corners of the 64-bit format."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from archive_kit import (
    BOTH,
    TWO,
    WORDS,
    Hostile,
    broken,
    damaged,
    opaque,
    refused,
)
from zip_forge import (
    ENCRYPTED,
    MAX16,
    MAX32,
    MAX64,
    STRONG,
    Item,
    extra,
    forge,
    wide,
)


def methods() -> Iterator[Hostile]:
    """Every compression method, and encryption."""
    for method in (0, 8, 12):
        yield Hostile(f"method {method}", forge([Item("a", WORDS, method)]), {"a": WORDS})
    for method in (
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        9,
        10,
        14,
        16,
        18,
        19,
        20,
        93,
        94,
        95,
        96,
        97,
        98,
        99,
        MAX16,
    ):
        yield opaque(f"method {method}", f"compression method {method}", method=method)
    yield opaque("encrypted", "encrypted", flags=ENCRYPTED)
    yield opaque(
        "encrypted with AES",
        "encrypted",
        flags=ENCRYPTED,
        method=99,
        extra=extra(0x9901, b"\2\0AE\3\0\0"),
    )
    yield opaque(
        "strong encryption", "encrypted", flags=ENCRYPTED | STRONG, extra=extra(0x0017, bytes(8))
    )
    item = Item("a", WORDS, flags=ENCRYPTED, described=True)
    blind = refused("verify=False")
    yield Hostile("encrypted, sizes behind the data", forge([item]), refused("encrypted"), blind)
    item = Item("a", WORDS, 93, raw=WORDS, described=True)
    yield Hostile("method 93, sizes behind the data", forge([item]), refused("method 93"), blind)
    masked = Item(
        "a", WORDS, flags=ENCRYPTED | STRONG | 1 << 13, local={"crc": 0, "packed": 0, "size": 0}
    )
    hidden = refused("encrypted")
    yield Hostile("masked local headers", forge([masked]), hidden, damaged("damaged"))
    block = b"PK\6\x08" + struct.pack("<L", 5) + b"extra"
    yield Hostile("archive extra data", forge(TWO, between=block), BOTH)
    yield broken(
        "archive extra data without end",
        forge(TWO, between=b"PK\6\x08\xff\xff\xff\xff"),
        "early",
        indexed=BOTH,
    )


def zip64() -> Iterator[Hostile]:
    """Corners of the 64-bit format."""
    full = {"size": MAX32, "packed": MAX32}
    item = Item("a", WORDS, local=full, central=full, extra=wide(len(WORDS), len(WORDS)))
    yield Hostile("zip64 for a small entry", forge([item]), {"a": WORDS})
    yield Hostile(
        "zip64 everywhere", forge([item, *TWO], end64={}, locator={}), {"a": WORDS, **BOTH}
    )
    yield Hostile(
        "zip64 records beside numbers that fit", forge(TWO, end64={}, locator={}, end={}), BOTH
    )
    yield Hostile(
        "longer zip64 end record", forge(TWO, end64={}, locator={}, more64=bytes(40)), BOTH
    )
    yield broken(
        "sentinels without zip64",
        forge([Item("a", WORDS, local=full, central=full)]),
        "early",
        indexed="overlaps",
    )
    yield Hostile(
        "zip64 without sentinels", forge([Item("a", WORDS, extra=wide(7, 7, 7))]), {"a": WORDS}
    )
    small = Item("a", WORDS, local=full, central=full, extra=wide(len(WORDS)))
    yield broken("zip64 with one number of two", forge([small]), "sizes differ", indexed="overlaps")
    odd = Item("a", WORDS, local=full, central=full, extra=extra(1, b"1234567"))
    yield broken("zip64 of seven bytes", forge([odd]), "early", indexed="overlaps")
    twice = Item(
        "a", WORDS, local=full, central=full, extra=wide(len(WORDS), len(WORDS)) + wide(1, 1)
    )
    yield Hostile("zip64 twice", forge([twice]), {"a": WORDS})
    huge = Item("a", WORDS, local=full, central=full, extra=wide(1 << 63, 1 << 63))
    yield broken("zip64 of 8 EiB", forge([huge]), "early", indexed="overlaps")
    most = Item("a", WORDS, local=full, central=full, extra=wide(MAX64, MAX64))
    yield broken("zip64 of the largest number", forge([most]), "early", indexed="overlaps")
    far = Item("a", WORDS, central={"offset": MAX32}, central_extra=wide(MAX64))
    yield broken("offset of the largest number", forge([far]), "directory", indexed="overlaps")
    near = Item("a", WORDS, central={"offset": MAX32}, central_extra=wide(0))
    yield Hostile("offset in zip64", forge([near]), {"a": WORDS})
    for title, place in (("outside", MAX64), ("at the start", 0), ("at itself", 150)):
        whole = forge(TWO, end64={}, locator={"place": place})
        yield broken(f"locator that points {title}", whole, "elsewhere", indexed="zip64 end record")
    alone = forge(TWO, end64={})
    yield broken("zip64 end record without locator", alone, "no locator", indexed="begins at byte")
    for more in (b"", bytes(20)):
        empty = {"count": MAX16, "count_here": MAX16, "directory": 0, "start": MAX32}
        yield broken(
            f"end record of nothing behind one of zip64 and {len(more)} bytes",
            forge(TWO, end64={}, locator={}, more64=more, end=empty),
            "end record",
        )
    yield broken(
        "locator without zip64 end record",
        forge(TWO, locator={}, end={"count": MAX16, "start": MAX32}),
        "damaged at byte",
        indexed="zip64 end record",
    )
    yield broken(
        "neither of them",
        forge(TWO, end={"count": MAX16, "count_here": MAX16, "directory": MAX32, "start": MAX32}),
        "end record",
        indexed="begins at byte",
    )
    for lie in ("count", "directory", "start"):
        yield broken(
            f"zip64 end record lies about {lie}",
            forge(TWO, end64={lie: 1 << 40}, locator={}),
            "end record",
            indexed="damaged",
        )
    yield broken(
        "zip64 end record that is too short",
        forge(TWO, end64={"length": 3}, locator={}),
        "too short",
    )
    yield broken(
        "zip64 end record of 8 EiB",
        forge(TWO, end64={"length": 1 << 63}, locator={}),
        "early",
        indexed="ends early",
    )
    yield broken(
        "end records that disagree",
        forge(TWO, end64={"start": 0}, locator={}, end={}),
        "end record",
    )
