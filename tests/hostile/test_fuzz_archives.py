"""Mutated archives: our two readers and ``zipfile`` agree on all that they accept, and end in time."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from archive_mutants import mutant
from archive_readers import Seen, by_index, by_scanner, by_zipfile

PARTS, SHORT, LONG = 4, 20_000, 1_000_000
PATIENCE = 20  # seconds for one archive of a few hundred bytes


@contextmanager
def patience() -> Iterator[None]:
    def give_up(number: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def disagree(one: Seen | None, other: Seen | None) -> bool:
    if one is None or other is None:
        return False
    both = one.files is not None and other.files is not None
    return one.facts != other.facts or (both and one.files != other.files)


def differences(data: bytes, seed: int) -> tuple[list[str], tuple[bool, bool]]:
    """Pairs of readers that disagree; and whether ours accept it, and all three."""
    scanned, indexed = by_scanner(data, random.Random(seed)), by_index(data)
    known = by_zipfile(data) if scanned or indexed else None
    pairs = {
        "scanner, index": (scanned, indexed),
        "scanner, zipfile": (scanned, known),
        "index, zipfile": (indexed, known),
    }
    ours = scanned is not None and indexed is not None
    return [name for name, pair in pairs.items() if disagree(*pair)], (
        ours,
        ours and known is not None,
    )


@pytest.mark.parametrize("part", range(PARTS))
def test_readers_agree_on_what_they_accept(part, full_form, figure):
    count = (LONG if full_form else SHORT) // PARTS
    wrong: list[str] = []
    ours = all_three = 0
    began = time.monotonic()
    with patience():
        for seed in range(part * count, (part + 1) * count):
            data = mutant(seed)
            signal.alarm(PATIENCE)
            try:
                found, (by_us, by_all) = differences(data, seed)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is not one of ours
                found, by_us, by_all = [repr(error)], False, False
            ours, all_three = ours + by_us, all_three + by_all
            if found:
                wrong.append(f"seed {seed}: {found}: {data.hex()}")
    assert not wrong, "\n".join(wrong[:20])
    assert all_three > count // 100
    rate = count / (time.monotonic() - began)
    figure(
        f"{count} mutated archives: our readers accept {ours}, zipfile too {all_three}; {rate:.0f}/s"
    )
