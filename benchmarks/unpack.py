"""Unpacking in flight: ``python benchmarks/unpack.py [--rounds 5] [SCENE ...]``.

1,000 stored members of 1 MiB. Scenes: ``fast``, ``slow-puts`` (20 ms before each answer of the store; base:
the archive to disk, then one put after another), ``throttled`` (20 MiB/s a connection; base: a single
pass over the stream). Needs what ``transfer.py`` needs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ends import archive, ends
from transfer import run, runner

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", nargs="*", default=["fast", "slow-puts", "throttled"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mib", type=int, default=1000)
    parser.add_argument("--work", type=Path, default=HERE.parent / ".bench")
    args = parser.parse_args()
    args.work.mkdir(exist_ok=True)
    file = archive(args.work, args.mib, 1024)
    for scene in args.scenes:
        source = {"RATE": 20 << 20} if scene == "throttled" else None
        sink = {"DELAY": 20} if scene == "slow-puts" else None
        base = "stream_unpack" if scene == "throttled" else "disk_unpack"
        with ends(args.work, file, source=source, sink=sink) as at:
            ways = [runner(base, at), runner("engine_unpack", at)]
            if scene != "throttled":
                ways.append(runner("stream_unpack", at))
            title = f"unpack {scene}: {args.mib:,} x 1 MiB"
            run(title, at, ways, mib=args.mib, rounds=args.rounds, work=args.work)


if __name__ == "__main__":
    main()
