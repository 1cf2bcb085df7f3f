"""Bytes around archives, archives that are cut, and other things under the name of a zip."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator

from archive_kit import (
    BOTH,
    TWO,
    WORDS,
    Hostile,
    broken,
    damaged,
)
from zip_forge import (
    END,
    MAX16,
    Item,
    forge,
    record,
    signed,
)


def frames() -> Iterator[Hostile]:
    """Bytes around the archive, and several archives in one."""
    whole = forge(TWO)
    yield Hostile(
        "program before it",
        forge(TWO, prefix=b"MZ" + bytes(70), shift=72),
        BOTH,
        damaged("not a zip"),
        damaged("not a zip"),
    )
    yield Hostile(
        "program before it, not counted",
        forge(TWO, prefix=b"MZ" + bytes(70)),
        damaged("damaged"),
        damaged("not a zip"),
        damaged("not a zip"),
    )
    for title, tail in (("line feed", b"\n"), ("zeros", bytes(600)), ("page", b"<html>" * 20_000)):
        yield broken(f"{title} after it", whole + tail, "follow", indexed="end record is missing")
    yield Hostile("long comment", forge(TWO, comment=b"c" * MAX16), BOTH)
    yield broken(
        "comment that is longer than announced",
        forge(TWO, end={"comment_length": 3}, comment=b"comment"),
        "follow",
        indexed="end record is missing",
    )
    yield broken(
        "comment that is shorter than announced",
        forge(TWO, end={"comment_length": 9}, comment=b"comment"),
        "early",
        indexed="end record is missing",
    )
    yield Hostile("signature in the comment", forge(TWO, comment=b"PK\5\6" * 5), BOTH)
    other = record(END, {"signature": signed(b"PK\5\6")}, {})
    for title, more in (("at its end", b""), ("inside", b"more")):
        spoken = forge(TWO, comment=b"c" + other + more)
        yield broken(f"end record in the comment, {title}", spoken, "end record", indexed="damaged")
    yield broken("two archives", whole + forge([Item("c", b"x")]), "follow", indexed="damaged")
    both = whole + forge([Item("c", b"x")], shift=len(whole))
    yield broken("two archives, the second shifted", both, "follow", indexed={"c": b"x"})
    yield broken("two end records", whole + other, "follow", indexed="damaged")
    yield Hostile("second disk", forge(TWO, end={"disk": 1, "start_disk": 1}), BOTH)
    yield Hostile(
        "entry on another disk", forge([Item("a", b"x", central={"disk": 5})]), {"a": b"x"}
    )
    yield Hostile(
        "spanned",
        b"PK\7\x08" + forge(TWO, shift=4),
        BOTH,
        damaged("not a zip"),
        damaged("not a zip"),
    )
    yield Hostile("no entries", forge([]), {})
    yield Hostile(
        "no entries, zip64",
        forge([], end64={}, locator={}),
        {},
        damaged("not a zip"),
        damaged("not a zip"),
    )
    described = forge([Item("a.txt", b"first", 8, described=True), *TWO])
    central, end = described.index(b"PK\1\2"), described.index(b"PK\5\6")
    behind = described.index(b"PK\7\x08")
    for at in (4, 20, 32, 38, behind, behind + 7, behind + 25, central, central + 20, central + 48,
               end, end + 11):  # fmt: skip
        yield broken(f"cut at {at}", described[:at], "early", indexed="end record is missing")
    yield broken("cut in the signature", described[:3], "not a zip")


def strangers() -> Iterator[Hostile]:
    """Other things than zips, under the name of one."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("../evil"))
    others = {
        "gzip": gzip.compress(WORDS, mtime=0),
        "tar": target.getvalue(),
        "7z": b"7z\xbc\xaf\x27\x1c" + bytes(40),
        "rar": b"Rar!\x1a\7\1\0" + bytes(40),
        "pdf": b"%PDF-1.7\n" + WORDS,
        "HTML": b"<!DOCTYPE html><h1>Sorry</h1>",
        "JSON": b'{"error": "expired"}',
        "noise": bytes(range(256)),
        "one byte": b"P",
        "directory alone": forge(TWO)[71:],
    }
    for title, data in others.items():
        refusal = damaged("not a zip")
        seen = damaged("damaged") if title == "directory alone" else refusal
        yield Hostile(title, data, seen, refusal, refusal)
    yield Hostile("nothing", b"", damaged("not a zip"), damaged("empty"))
    page = b"<html>sorry</html>"
    yield Hostile("HTML without a name of a zip", page, {"export": page}, called="export")
    cut = gzip.compress(WORDS, mtime=0)[:-3]
    yield Hostile(
        "gzip that is cut", cut, damaged("ends early"), damaged("ends early"), called="export.gz"
    )
    twice = gzip.compress(b"") * 5000
    yield Hostile("gzip of 5,000 members", twice, {"export.gz": twice}, called="export.gz")
