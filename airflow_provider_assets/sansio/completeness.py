"""Finds requested items that are missing among the names of the files that landed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

_WORD = re.compile(r"[^\W_]+")


def missing_items(ids: Collection[str], names: Iterable[str]) -> list[str]:
    """The *ids* that do not occur in any of *names*. Extra files do not make up for missing ones.

    If there are names and none of them contains any id, they say nothing about completeness, and
    the result is empty.
    """
    given = list(names)
    found = names_of(ids, given)
    return [item for item in ids if item not in found] if found or not given else []


def names_of(ids: Collection[str], names: Iterable[str]) -> dict[str, str]:
    """Id -> the first of *names* in which it occurs, for those of *ids* that occur in one."""
    wanted = set(ids)
    found: dict[str, str] = {}
    for name in names:
        for item in ids_in(name, wanted):
            found.setdefault(item, name)
    return found


def ids_in(name: str, wanted: Collection[str]) -> Iterator[str]:
    """The ids in *name* as whole words or runs of words, the longest first: ``a-12`` is not ``a-1``."""
    words = [(match.start(), match.end()) for match in _WORD.finditer(name)]
    first = 0
    while first < len(words):
        last = len(words) - 1
        while last >= first and name[words[first][0] : words[last][1]] not in wanted:
            last -= 1
        if last >= first:
            yield name[words[first][0] : words[last][1]]
        first = max(first, last) + 1
