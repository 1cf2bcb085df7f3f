"""Memory that a block needs at most, measured by Linux."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Peak:
    """Bytes by which the process grew within a block at most; known when the block ends."""

    bytes: int = 0


@contextmanager
def peak_of() -> Iterator[Peak]:
    Path("/proc/self/clear_refs").write_text("5")  # begins a new peak: proc(5)
    before, peak = _resident("VmRSS"), Peak()
    yield peak
    peak.bytes = _resident("VmHWM") - before


def _resident(kind: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    [line] = (line for line in lines if line.startswith(f"{kind}:"))
    return int(line.split()[1]) << 10


@contextmanager
def young_garbage() -> Iterator[None]:
    """Collecting is cheap in the block, since it leaves alone what is there already."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
