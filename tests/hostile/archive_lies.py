"""Headers that contradict each other or the data, and entries that share bytes."""

from __future__ import annotations

import bz2
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from archive_kit import (
    BOTH,
    TWO,
    WORDS,
    Hostile,
    broken,
    damaged,
    refused,
)
from zip_forge import (
    ENCRYPTED,
    MAX16,
    MAX32,
    Item,
    deflate,
    forge,
)


def overlapping() -> Iterator[Hostile]:
    """Entries that share bytes."""
    whole = [Item("a", WORDS), Item("b", WORDS, body=b"", central={"offset": 0})]
    yield broken("two records of one entry", forge(whole), "directory", indexed="overlaps")
    kernel = Item("k", deflate(WORDS), method=0)
    yield Hostile(
        "a zip in a zip",
        forge([Item("in.zip", forge([kernel, *TWO]))]),
        {"in.zip": forge([kernel, *TWO])},
    )


def fifield(count: int = 8, kernel: bytes = WORDS) -> Hostile:
    """Overlapping entries after D. Fifield, "A better zip bomb" (2019): all of them unpack one kernel.

    Each entry but the last quotes the header of the next in a stored block of deflate, and so its data.
    """
    item = Item(f"{count:03}", kernel, method=8)
    content, data, items, sizes = item.content(), kernel, [item], [len(item.local_bytes())]
    for number in reversed(range(count)):
        header = item.local_bytes()[: -len(content)]
        content = struct.pack("<BHH", 0, len(header), len(header) ^ MAX16) + header + content
        data = header + data
        item = Item(f"{number:03}", data, method=8, raw=content)
        items.insert(0, item)
        sizes.insert(0, len(item.local_bytes()))
    whole = items[0].local_bytes()
    shared = [
        replace(one, body=b"" if number else whole, central={"offset": len(whole) - size})
        for number, (one, size) in enumerate(zip(items, sizes, strict=True))
    ]
    return broken("overlap of Fifield", forge(shared), "directory", indexed="overlaps")


def lies() -> Iterator[Hostile]:
    """Headers that contradict each other or the data."""
    yield broken(
        "size", forge([Item("a", b"x", local={"size": 2}), *TWO]), "sizes differ", indexed="header"
    )
    yield broken(
        "size twice",
        forge([Item("a", b"xy", local={"size": 1}, central={"size": 1})]),
        "sizes differ",
    )
    packed = {"size": 3, "packed": 3}
    yield broken(
        "sizes too large",
        forge([Item("a", b"x", local=packed, central=packed)]),
        "damaged",
        indexed="overlaps",
    )
    short = {"size": 1, "packed": 1}
    yield broken(
        "sizes too small",
        forge([Item("a", b"xy", local=short, central=short)]),
        "damaged",
        indexed="CRC-32",
    )
    for method in (8, 12):
        for size in (1, 2 * len(WORDS)):
            item = Item("a", WORDS, method=method, local={"size": size}, central={"size": size})
            yield broken(f"size {size}, method {method}", forge([item]), "damaged")
        cut = Item("a", WORDS, method=method, raw=Item("a", WORDS, method=method).content()[:-4])
        yield broken(f"data that ends early, method {method}", forge([cut]), "damaged")
        more = Item("a", WORDS, method=method, raw=cut.content() + b"more" * 4)
        yield broken(f"data that is damaged, method {method}", forge([more]), "damaged")
        extra_ = Item(
            "a", WORDS, method=method, raw=Item("a", WORDS, method=method).content() + b"more"
        )
        yield broken(f"data after the end, method {method}", forge([extra_]), "damaged")
    yield broken("empty data, deflated", forge([Item("a", b"", method=8, raw=b"")]), "damaged")
    yield broken(
        "reserved block of deflate", forge([Item("a", b"x", method=8, raw=b"\x07")]), "damaged"
    )
    streams = bz2.compress(b"x") + bz2.compress(b"y")
    yield broken(
        "two streams of bzip2", forge([Item("a", b"xy", method=12, raw=streams)]), "damaged"
    )
    crc = {"crc": 1}
    yield broken("checksum", forge([Item("a", WORDS, local=crc, central=crc)]), "CRC-32")
    yield broken("checksum of nothing", forge([Item("a", b"", local=crc, central=crc)]), "CRC-32")
    yield broken(
        "checksum in the local header",
        forge([Item("a", WORDS, local=crc)]),
        "CRC-32",
        indexed="header",
    )
    yield broken(
        "checksum in the directory",
        forge([Item("a", WORDS, central=crc)]),
        "directory",
        indexed="header",
    )
    yield broken(
        "size in the directory",
        forge([Item("a", WORDS, method=8, central={"size": 1})]),
        "directory",
        indexed="header",
    )
    yield broken(
        "method in the local header",
        forge([Item("a", deflate(WORDS), local={"method": 8})]),
        "damaged",
        indexed="header",
    )
    yield broken(
        "method in the directory",
        forge([Item("a", WORDS, central={"method": 8})]),
        "directory",
        indexed="header",
    )
    yield broken(
        "name in the local header",
        forge([Item("safe", b"x", local_name=b"evil")]),
        "directory",
        indexed="another entry",
    )
    yield broken(
        "longer name in the local header",
        forge([Item("safe", b"x", local_name=b"safe2")]),
        "directory",
        indexed="another entry",
    )
    hidden, mixed = refused("encrypted"), damaged("header")
    item = Item("a", WORDS, local={"flags": ENCRYPTED})
    yield Hostile("encrypted only in the local header", forge([item]), mixed, None, hidden)
    item = Item("a", WORDS, central={"flags": ENCRYPTED})
    yield Hostile("encrypted only in the directory", forge([item]), hidden, streamed={"a": WORDS})
    for offset, why in ((1, "overlaps"), (MAX32 - 1, "overlaps"), (60, "overlaps")):
        item = Item("a", WORDS, central={"offset": offset})
        yield broken(f"offset {offset}", forge([item]), "directory", indexed=why)
    hidden = Item("hidden", b"evil").local_bytes()
    yield broken(
        "an entry that the directory hides",
        forge([*TWO], between=hidden),
        "directory",
        indexed=BOTH,
    )
    yield broken(
        "bytes before the directory", forge([*TWO], between=b"gap"), "damaged at byte", indexed=BOTH
    )
    shuffled = forge([*TWO], order=-1)
    yield Hostile("directory in another order", shuffled, BOTH)
    yield broken(
        "fewer entries than announced", forge(TWO, end={"count": 3, "count_here": 3}), "end record"
    )
    yield broken(
        "more entries than announced", forge(TWO, end={"count": 1, "count_here": 1}), "end record"
    )
    yield broken(
        "start of the directory", forge(TWO, end={"start": 3}), "end record", indexed="damaged"
    )
    yield broken(
        "start beyond the end",
        forge(TWO, end={"start": MAX32 - 1}),
        "end record",
        indexed="begins at byte",
    )
    yield broken("length of the directory", forge(TWO, end={"directory": 1}), "end record")
    yield broken("huge lengths", forge([Item("a", b"x", local={"packed": MAX32 - 1, "size": MAX32 - 1},
        central={"packed": MAX32 - 1, "size": MAX32 - 1})]), "early", indexed="overlaps")  # fmt: skip
    yield broken(
        "extra field beyond the end",
        forge([Item("a", b"x", local={"extra_length": MAX16})]),
        "early",
        indexed="overlaps",
    )
    yield Hostile(
        "extra field that lies about its length",
        forge([Item("a", b"x", extra=b"\1\0\xff\xff")]),
        {"a": b"x"},
    )
    yield Hostile(
        "version 255",
        forge([Item("a", b"x", local={"version": 255}, central={"version": 255})]),
        {"a": b"x"},
    )


def descriptors() -> Iterator[Hostile]:
    """Sizes behind the data."""
    form = struct.pack("<3L", zlib.crc32(WORDS), len(WORDS), len(WORDS))
    wide_form = struct.pack("<LQQ", zlib.crc32(WORDS), len(WORDS), len(WORDS))
    for method in (0, 8):
        item = partial(Item, "a", WORDS, method, described=True)
        yield Hostile(
            f"honest descriptor, method {method}", forge([item(), *TWO]), {"a": WORDS, **BOTH}
        )
        for lie in ("crc", "packed", "size"):
            yield broken(f"descriptor lies about {lie}, method {method}",
                forge([item(descriptor={lie: 7}), *TWO]), "damaged" if method else "early",
                indexed={"a": WORDS, **BOTH})  # fmt: skip
        yield broken(
            f"no descriptor, method {method}",
            forge([item(descriptor=b"", local={"crc": 0}), *TWO]),
            "damaged" if method else "early",
            indexed={"a": WORDS, **BOTH},
        )
    yield Hostile(
        "descriptor of 64 bits",
        forge([Item("a", WORDS, described=True, descriptor=b"PK\7\x08" + wide_form)]),
        {"a": WORDS},
    )
    packed = struct.pack("<3L", zlib.crc32(WORDS), len(deflate(WORDS)), len(WORDS))
    yield Hostile(
        "descriptor without signature",
        forge([Item("a", WORDS, 8, described=True, descriptor=packed)]),
        {"a": WORDS},
    )
    yield broken(
        "stored, descriptor without signature",
        forge([Item("a", WORDS, described=True, descriptor=form)]),
        "early",
        indexed={"a": WORDS},
    )
    trap = WORDS + b"PK\7\x08" + form + b"PK\7\x08" * 9 + b"PK\1\2PK\5\6"
    yield broken(
        "descriptor inside the data",
        forge([Item("a", trap, described=True)]),
        "damaged",
        indexed={"a": trap},
    )
    decoy = b"PK\7\x08" * 20 + struct.pack("<3L", 1, 2, 3) + b"PK\3\4PK\5\6"
    yield Hostile("decoys inside the data", forge([Item("a", decoy, described=True)]), {"a": decoy})
