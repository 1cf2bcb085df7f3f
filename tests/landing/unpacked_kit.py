"""The zips that tests unpack: the same files, packed in every way."""

from __future__ import annotations

import zipfile
from functools import cache

from landing_kit import noise, zipped

KINDS = ("stored", "deflated", "described", "described deflated", "zip64 bzip2")


@cache
def files() -> dict[str, bytes]:
    return {
        **{f"images/{n:03}.png": noise(200_000 + n, n) for n in range(60)},
        "images/deep/er.txt": b"words " * 9000,
        "large stored.bin": noise(13_000_000, 5),
        "empty": b"",
    }


@cache
def kind(name: str) -> bytes:
    """The archive of one of KINDS."""
    match name:
        case "stored":
            return zipped(files())
        case "deflated":
            return zipped(files() | {"zeros": bytes(7_000_000)}, zipfile.ZIP_DEFLATED)
        case "described":
            return zipped(files(), streamed=True)
        case "described deflated":
            return zipped(files(), zipfile.ZIP_DEFLATED, streamed=True)
        case "zip64 bzip2":
            # bzip2 is slow; one file is larger than the pieces that are read.
            cut = {
                name: data[: 300_000 if "large" in name else 30_000]
                for name, data in files().items()
            }
            return zipped(cut, zipfile.ZIP_BZIP2, zip64=True)
    raise KeyError(name)
