"""Assets that are made when they are accessed, so that an account of a million needs no memory.

Their number determines them: they are created at even intervals, never changed, private and healthy.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from airflow_provider_assets.sandbox.images import PngBlob
from airflow_provider_assets.sandbox.options import Options
from airflow_provider_assets.sandbox.scenario.assets import Asset, asset_of, spread_bounds

_PREFIX = "asset_history"
_DIGITS = 15


@dataclass(frozen=True, slots=True)
class History:
    """``--history`` assets; the number of each is its place in order of creation.

    :param start: epoch milliseconds, as ``end``, which is exclusive.
    """

    count: int
    start: int
    end: int
    seed: int
    item_bytes: int

    @classmethod
    def of(cls, options: Options) -> History:
        """The history that the options ask for."""
        start, end = spread_bounds(options)
        return cls(options.history, start, end, options.seed, options.item_bytes)

    def created(self, number: int) -> int:
        """Epoch milliseconds of an asset's creation."""
        return self.start + number * (self.end - self.start) // max(self.count, 1)

    def before(self, moment: int) -> int:
        """Number of assets that were created before a moment (epoch milliseconds)."""
        return bisect_left(range(self.count), moment, key=self.created)

    def asset(self, number: int) -> Asset:
        """One asset; the same every time."""
        rng = random.Random(self.seed * 1_000_003 + number)
        created, seed = self.created(number), rng.randrange(1 << 31)
        size = int(self.item_bytes * rng.uniform(0.5, 1.5))
        image = PngBlob(seed, rng.randint(16, 64), rng.randint(16, 64), size)
        return asset_of(rng, f"{_PREFIX}{number:0{_DIGITS}d}", created, seed, image)

    def find(self, asset_id: str) -> Asset | None:
        """The asset of an id."""
        digits = asset_id.removeprefix(_PREFIX)
        known = asset_id.startswith(_PREFIX) and len(digits) == _DIGITS and digits.isdecimal()
        return self.asset(int(digits)) if known and int(digits) < self.count else None

    def __iter__(self) -> Iterator[Asset]:
        """All assets in order of creation."""
        return map(self.asset, range(self.count))


@dataclass(frozen=True, slots=True)
class Merged(Sequence[Asset]):
    """A few assets in memory and some of a history, in one order.

    :param places: of ``kept``, within the whole.
    """

    history: History
    numbers: Sequence[int]
    kept: Sequence[Asset]
    places: Sequence[int]
    is_reversed: bool

    @overload
    def __getitem__(self, index: int) -> Asset: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Asset]: ...

    def __getitem__(self, index: int | slice) -> Asset | Sequence[Asset]:
        """One asset, or those of a page."""
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        at = range(len(self))[index]
        at = len(self) - 1 - at if self.is_reversed else at
        earlier = bisect_left(self.places, at)
        if earlier < len(self.places) and self.places[earlier] == at:
            return self.kept[earlier]
        return self.history.asset(self.numbers[at - earlier])

    def __len__(self) -> int:
        """Number of assets."""
        return len(self.numbers) + len(self.kept)


def merge(
    history: History,
    numbers: Sequence[int],
    kept: Sequence[Asset],
    moments: Sequence[int],
    *,
    desc: bool,
) -> Merged:
    """The assets of ``numbers`` and ``kept``, in the order of time; ``moments`` are those of ``kept``."""
    places = [
        index + bisect_left(numbers, moment, key=history.created)
        for index, moment in enumerate(moments)
    ]
    return Merged(history, numbers, kept, places, desc)
