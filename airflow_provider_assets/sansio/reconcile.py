"""Compares the vendor's listing of a window with the landings under a destination.

An item is

* ``missing`` if no landing holds it,
* ``damaged`` if every landing that holds it is damaged where it holds it,
* ``changed`` if the vendor changed it after every intact landing of it was exported,
* ``landed`` otherwise: one intact landing is enough.

The comparison keeps the ids of the listing, a few bytes of facts for each, and nothing else; so a million
items need some 170 MB. A listing that is not split into periods is in memory beside it: 430 MB together.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from math import nan

from airflow_provider_assets.sansio.completeness import ids_in, most_words, names_of
from airflow_provider_assets.sansio.jobs import Data, Item

MAX_PROBLEMS = 1000
Id = tuple[str, str]  # kind and id, without the cost of an Item


class Found(IntEnum):
    """The result for an item; of several landings, the highest counts."""

    MISSING = 0
    DAMAGED = 1
    CHANGED = 2
    LANDED = 3


@dataclass(frozen=True, slots=True)
class Landing:
    """The contents of one landing by its manifest, and what was found wrong with the objects that it names.

    :param uri: of the manifest.
    :param items: kind of item -> ids of the items in the landing; None if the manifest does not list them.
    :param files: names of the vendor's files in the landing; None if they are unknown.
    :param exported_at: epoch seconds at which the vendor was asked for the items, if known.
    :param damaged: name of a file -> what is wrong with it.
    :param broken: what is wrong with the landing as a whole, or "".
    """

    uri: str
    items: Mapping[str, Collection[str]] | None = None
    files: Collection[str] | None = None
    exported_at: float | None = None
    damaged: Mapping[str, str] = field(default_factory=dict)
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """A manifest or an object that could not be trusted: its URI, and the reason."""

    uri: str
    why: str

    def to_dict(self) -> Data:
        """JSON form."""
        return {"uri": self.uri, "problem": self.why}


@dataclass(slots=True)
class Counts:
    """The numbers of one period."""

    listed: int = 0
    landed: int = 0
    missing: int = 0
    changed: int = 0
    damaged: int = 0
    pending: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every listed item has landed, is intact and up to date."""
        return self.listed == self.landed

    def add(self, other: Counts) -> None:
        """Add the numbers of another period."""
        for name, number in other.to_dict().items():
            setattr(self, name, getattr(self, name) + number)

    def to_dict(self) -> dict[str, int]:
        """JSON form."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Comparison:
    """Learns what is listed, period after period, then what has landed, and counts the differences.

    :param names_tell: whether files are named after the items in them.
    :ivar problems: what could not be trusted: the first thousand of ``problem_count``.
    :ivar landings: number of landings that hold listed items.
    """

    names_tell: bool = True
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0
    landings: int = 0
    _index: dict[str, dict[str, int]] = field(default_factory=dict)
    _labels: dict[str, int] = field(default_factory=dict)  # period -> items that are pending
    _period: array[int] = field(default_factory=lambda: array("L"))
    _changed: array[float] = field(default_factory=lambda: array("d"))
    _found: bytearray = field(default_factory=bytearray)
    _words: int = 0  # the most that an id has

    def begin(self, period: str) -> None:
        """Begin the listing of *period*."""
        self._labels.setdefault(period, 0)

    def expect(self, item: Item, changed_at: float | None = None) -> None:
        """An item of the present period.

        :param changed_at: epoch seconds of its last change, where that matters. An item that is listed
            again, in a later period, has moved there.
        """
        known = self._index.setdefault(item.kind, {})
        number = known.setdefault(item.id, len(self._found))
        if number == len(self._found):
            self._words = max(self._words, most_words([item.id]))
            self._found.append(Found.MISSING)
            self._period.append(0)
            self._changed.append(nan)
        self._period[number] = len(self._labels) - 1
        self._changed[number] = nan if changed_at is None else changed_at

    def postpone(self, count: int) -> None:
        """Items of the present period that the vendor lists but has not finished."""
        self._labels[next(reversed(self._labels))] += count

    def concerns(self, landing: Landing) -> bool:
        """Whether *landing* may hold a listed item, so that its objects are worth a look."""
        if landing.items is not None:
            ids = ((kind, one) for kind, all_ids in landing.items.items() for one in all_ids)
            return next(self._numbers(ids), None) is not None
        known = _AnyOf(self._index)
        return landing.files is None or any(
            one for name in landing.files for one in ids_in(name, known, self._words)
        )

    def add(self, landing: Landing) -> None:
        """Add what one landing holds."""
        if landing.items is None and (landing.files is None or not self.names_tell):
            self.note(landing.uri, "the manifest does not say which items the landing holds")
            return
        if landing.broken:
            self.note(landing.uri, landing.broken)
        for name, why in landing.damaged.items():
            self.note(landing.uri, f"{name}: {why}")
        held, damaged = self._held(landing)
        listed, bad = set(self._numbers(held)), set(self._numbers(damaged))
        self.landings += bool(listed)
        for number in listed:
            found = Found.LANDED
            if number in bad:
                found = Found.DAMAGED
            elif landing.exported_at is not None and self._changed[number] > landing.exported_at:
                found = Found.CHANGED
            self._found[number] = max(self._found[number], found)

    def note(self, uri: str, why: str) -> None:
        """Something that could not be trusted."""
        self.problem_count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(uri, why))

    def _held(self, landing: Landing) -> tuple[set[Id], set[Id]]:
        """The items in *landing*, and those of them that are damaged there."""
        wanted: Mapping[str, Collection[str]] = self._index
        words = self._words
        if landing.items is not None:
            wanted = {kind: frozenset(ids) for kind, ids in landing.items.items()}
            words = most_words(one for ids in wanted.values() for one in ids)
        known = _AnyOf(wanted)
        files = landing.files if self.names_tell else None
        names = names_of(known, files or (), words)
        named = known.pairs(names)
        if landing.items is None:
            held = named
        else:
            recorded = {(kind, one) for kind, ids in wanted.items() for one in ids}
            # Names without any of the ids tell nothing about completeness.
            held = named if files is not None and (named or not files) else recorded
        if landing.broken:
            return held, held
        own = {name: one for one, name in names.items()}
        damaged: set[Id] = set()
        for name in landing.damaged:
            damaged |= known.pairs([own[name]] if name in own else ids_in(name, known, words))
        # A damaged file that names no item may belong to any of them.
        return held, held if landing.damaged and not damaged else damaged

    def _numbers(self, ids: Iterable[Id]) -> Iterator[int]:
        """The numbers of those *ids* that are listed."""
        for kind, one in ids:
            number = self._index.get(kind, {}).get(one)
            if number is not None:
                yield number

    # --- the result ----------------------------------------------------------------------------

    def counts(self) -> dict[str, Counts]:
        """The numbers of each period, in order."""
        rows = [Counts(pending=pending) for pending in self._labels.values()]
        names = {found: found.name.lower() for found in Found}
        for period, found in zip(self._period, self._found, strict=True):
            row = rows[period]
            row.listed += 1
            name = names[Found(found)]
            setattr(row, name, getattr(row, name) + 1)
        return dict(zip(self._labels, rows, strict=True))

    def gaps(self) -> Iterator[Item]:
        """The items that are to be exported again, in the order of the listing."""
        return (item for item, found in self._each() if found != Found.LANDED)

    def landed(self) -> Iterator[Item]:
        """The other items, likewise."""
        return (item for item, found in self._each() if found == Found.LANDED)

    def _each(self) -> Iterator[tuple[Item, int]]:
        for kind, known in self._index.items():
            for one, number in known.items():
                yield Item(kind, one), self._found[number]

    def ids(self, found: Found) -> dict[str, list[str]]:
        """Period -> ids of the items of which *found* is true."""
        labels = list(self._labels)
        listed: dict[str, list[str]] = {}
        for known in self._index.values():
            for one, number in known.items():
                if self._found[number] == found:
                    listed.setdefault(labels[self._period[number]], []).append(one)
        return listed


@dataclass(frozen=True, slots=True)
class _AnyOf:
    """The ids of all kinds."""

    kinds: Mapping[str, Collection[str]]

    def __contains__(self, one: object) -> bool:
        return any(one in ids for ids in self.kinds.values())

    def pairs(self, ids: Iterable[str]) -> set[Id]:
        """Each of *ids* with its kind."""
        return {(kind, one) for one in ids for kind, known in self.kinds.items() if one in known}


def total(rows: Iterable[Counts]) -> Counts:
    """The sum of *rows*."""
    whole = Counts()
    for row in rows:
        whole.add(row)
    return whole
