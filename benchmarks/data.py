"""Writes the benchmark's archive: stored members of incompressible bytes, the same every time.

python data.py FILE MIB [MEMBER_KIB=4096]
"""

from __future__ import annotations

import random
import sys
import zipfile
from pathlib import Path


def main(path: str, mib: int, member_kib: int = 4096) -> None:
    target = Path(path)
    half = target.with_suffix(".making")
    source = random.Random(7)
    left, number = mib << 20, 0
    with zipfile.ZipFile(half, "w", zipfile.ZIP_STORED) as archive:
        while left > 0:
            size = min(member_kib << 10, left)
            info = zipfile.ZipInfo(f"images/{number:06}.png", (2026, 1, 1, 0, 0, 0))
            archive.writestr(info, source.randbytes(size))
            left, number = left - size, number + 1
    half.rename(target)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *map(int, sys.argv[3:4]))
