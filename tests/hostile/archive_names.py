"""Entries whose names lead elsewhere, and entries that are no plain files."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from archive_kit import (
    WORDS,
    Hostile,
    broken,
    folder,
    named,
)
from zip_forge import (
    MAX16,
    UTF8,
    Item,
    extra,
    forge,
)


def names() -> Iterator[Hostile]:
    """Names that lead elsewhere, or that stores and file systems do not take."""
    yield named("parent", "../../up.txt", lands=("up.txt",))
    yield named("parent, backslashes", "..\\..\\up.txt", lands=("up.txt",))
    yield named("parent inside", "a/b/../../../c.txt", lands=("a/b/c.txt",))
    yield named("dots and slashes", "....//....//x", lands=("x",))
    yield named("dots and spaces", ".. ./. ./ .. /x", lands=("x",))
    yield named("absolute", "/etc/passwd", "//etc/shadow", lands=("etc/passwd", "etc/shadow"))
    yield named("drive", "C:\\w\\y.txt", "d:z.txt", lands=("w/y.txt", "z.txt"))
    yield named("network share", "\\\\host\\share\\f", lands=("host/share/f",))
    yield named("device path", "\\\\?\\C:\\f", lands=("_/C_/f",))
    yield named("null byte", "a.png\0.exe", lands=("a.png_.exe",))
    yield named("control characters", "a\r\n\x1b[31mb\x7f", lands=("a___[31mb_",))
    yield named("control characters of Latin-1", "a\u0085\u009bb", lands=("a__b",))
    yield named("text direction", "a\u202egpj.exe", "b\u2066c\u2028", lands=("a_gpj.exe", "b_c_"))
    yield named("devices of Windows", "CON", "aux.txt", "NUL", lands=("CON", "aux.txt", "NUL"))
    yield named("second stream of a file", "a.txt:b:$DATA", lands=("a.txt_b_$DATA",))
    yield named("dots and spaces at the end", "a. . ", " b.. ", "c .", lands=("a", "b", "c"))
    yield named("255 bytes and more", "n" * 300 + ".png", lands=("n" * 251 + ".png",))
    yield named("65,535 bytes", "n" * MAX16, lands=("n" * 255,))
    wrong = Item("n" * MAX16, b"x", local={"crc": 1}, central={"crc": 1})
    yield broken("65,535 bytes that are damaged", forge([wrong]), "CRC-32")
    yield named("32,768 folders", "/".join("d" * 32_768), lands=("_".join("d" * 128),))
    yield named("no name", "", lands=("unnamed",))
    yield named("only dots", ".", "..", "...", lands=("unnamed", "unnamed-2", "unnamed-3"))
    yield folder("only a slash", "/")
    yield named("composed and decomposed", "\u00e9", "e\u0301", lands=("\u00e9", "\u00e9-2"))
    yield named(
        "case twins", "a.PNG", "A.png", "ss", "\u00df", lands=("a.PNG", "A-2.png", "ss", "\u00df-2")
    )
    yield named("code page 437", b"\x81\xff", lands=("\u00fc",))
    yield named(
        "broken UTF-8",
        b"\xff\xc0\xaf.\xed\xa0\x80",
        flags=UTF8,
        lands=("\ufffd\ufffd\ufffd.\ufffd\ufffd\ufffd",),
    )
    yield named("overlong dots", b"\xc0\xae\xc0\xae/x", flags=UTF8, lands=("\ufffd" * 4 + "/x",))
    yield named(
        "outside the first plane",
        "\U0001f468\u200d\U0001f680.png",
        lands=("\U0001f468\u200d\U0001f680.png",),
    )
    yield named(
        "percent signs", "%2e%2e%2fup", "a%00b", "c?d#e", lands=("%2e%2e%2fup", "a%00b", "c_d#e")
    )
    ours = (".staging/a", "b.landing", "d/E.zip.manifest.JSON", ".b.1-00000000.part", "metadata/a")
    free = (
        ".staging_/a",
        "b.landing_",
        "d/E.zip.manifest.JSON_",
        ".b.1-00000000.part_",
        "metadata_/a",
    )
    yield named("names of ours", *ours, lands=free)
    yield named("the same twice", "a", "a", "a-2", lands=("a", "a-2", "a-2-2"))
    yield named("file, then folder", "a", "a/b", lands=("a", "a-2/b"))
    yield named("folder, then file", "a/b", "a", lands=("a/b", "a-2"))
    long = "n" * 250
    yield named("twins that are cut alike", *(long + end for end in ("abcde", "abcde", "abcdf", "abcdf")),
        lands=(long + "abcde", long + "abc-2", long + "abcdf", long + "abc-3"))  # fmt: skip
    other = extra(0x7075, struct.pack("<BL", 1, zlib.crc32(b"a.txt")) + b"../../evil")
    yield Hostile(
        "Unicode path that differs", forge([Item("a.txt", b"x", extra=other)]), {"a.txt": b"x"}
    )
    for flags in ("local", "central"):
        item = Item(b"\xc3\xa9", b"x", **{flags: {"flags": UTF8}})
        yield broken(
            f"UTF-8 only in the {flags} header", forge([item]), "directory", indexed="another"
        )


def kinds() -> Iterator[Hostile]:
    """Entries that are no plain files; they land as plain files."""
    for title, mode in (
        ("symlink", 0o120777), ("pipe", 0o010644), ("character device", 0o020666),
        ("block device", 0o060666), ("socket", 0o140777), ("setuid root", 0o106755),
    ):  # fmt: skip
        item = Item("link", b"/etc/passwd", central={"external": mode << 16})
        yield Hostile(title, forge([item]), {"link": b"/etc/passwd"})
    unix = extra(0x000D, struct.pack("<LLHH", 0, 0, 0, 0) + b"/etc/passwd")
    yield Hostile("hard link", forge([Item("a", b"x", extra=unix)]), {"a": b"x"})
    through = Item("d", b"/etc", central={"external": 0o120777 << 16})
    yield Hostile(
        "through a symlink",
        forge([through, Item("d/passwd", b"x")]),
        {"d": b"/etc", "d-2/passwd": b"x"},
    )
    yield folder("folder with content", "d/")
    yield folder("folder with packed content", "d/", WORDS, method=8)
    nothing = [Item("d/"), Item("e/", method=8), Item("d/f", b"x")]
    yield Hostile("folders without content", forge(nothing), {"d/f": b"x"})
    attributes = Item("a", b"x", central={"external": 0x10 | 0o040755 << 16})
    yield Hostile("folder by its attributes alone", forge([attributes]), {"a": b"x"})
