"""Finds requested items that are missing among the names of the files that landed.

A name may quote more ids than that of the file's own item: a prompt names another asset, or an exported file
was processed again under its own name. So a file accounts for one item, and never makes up for the missing
file of another.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Container, Iterable, Iterator, Sequence

_WORD = re.compile(r"[^\W_]+")


def missing_items(ids: Collection[str], names: Iterable[str]) -> list[str]:
    """The *ids* for which none of *names* accounts. Extra files do not make up for missing ones.

    If there are names and none of them contains any id, they say nothing about completeness, and
    the result is empty.
    """
    given = list(names)
    found = names_of(set(ids), given, most_words(ids))
    return [item for item in ids if item not in found] if found or not given else []


def names_of(wanted: Container[str], names: Iterable[str], words: int) -> dict[str, str]:
    """Id -> the one of *names* that accounts for it, for those of *wanted* that have one.

    A name with a single id comes first, for it leaves no doubt; then one with a single id that has no file
    yet. Where neither is left, the last of the ids counts: vendors put the file's own behind what it quotes.

    :param words: as in :func:`ids_in`.
    """
    found: dict[str, str] = {}
    several: list[tuple[str, list[str]]] = []
    for name in names:
        ids = list(dict.fromkeys(ids_in(name, wanted, words)))
        if len(ids) == 1:
            found.setdefault(ids[0], name)
        elif ids:
            several.append((name, ids))
    found.update(_shared_out(several, found))
    return found


def _shared_out(
    several: Sequence[tuple[str, Sequence[str]]], found: Container[str]
) -> dict[str, str]:
    """Id -> name, for the ids that are not in *found*; each of *several* is a name with its ids."""
    shared: dict[str, str] = {}
    left = [{item for item in ids if item not in found} for _, ids in several]
    quoted: dict[str, list[int]] = {}
    for number, ids_left in enumerate(left):
        for item in ids_left:
            quoted.setdefault(item, []).append(number)
    clear = deque(number for number, ids_left in enumerate(left) if len(ids_left) == 1)
    in_order = iter(range(len(several)))
    while (number := clear.popleft() if clear else next(in_order, -1)) >= 0:
        if not left[number]:
            continue
        name, ids = several[number]
        item = next(one for one in reversed(ids) if one in left[number])
        shared[item] = name
        left[number] = set()
        for other in quoted.pop(item):
            left[other].discard(item)
            if len(left[other]) == 1:
                clear.append(other)
    return shared


def most_words(ids: Iterable[str]) -> int:
    """The largest number of words in one of *ids*."""
    return max((len(_WORD.findall(one)) for one in ids), default=0)


def ids_in(name: str, wanted: Container[str], words: int) -> Iterator[str]:
    """The ids in *name* as whole words or runs of words, the longest first: ``a-12`` is not ``a-1``.

    :param words: the most words that one of *wanted* has. An archive may name an entry with 32,000 words,
        so that longer runs are not tried.
    """
    spans = [(match.start(), match.end()) for match in _WORD.finditer(name)]
    first = 0
    while first < len(spans):
        last = min(first + words, len(spans)) - 1
        while last >= first and name[spans[first][0] : spans[last][1]] not in wanted:
            last -= 1
        if last >= first:
            yield name[spans[first][0] : spans[last][1]]
        first = max(first, last) + 1
