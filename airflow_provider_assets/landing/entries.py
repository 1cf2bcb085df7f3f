"""The files of a landing, of which there may be a million, in as little memory as an archive lists them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from airflow_provider_assets.landing.manifest import Entry
from airflow_provider_assets.landing.zips.format import UTF8, Member, MemberTable


class Files(Protocol):
    """Files that can be counted and listed, more than once."""

    def __len__(self) -> int:
        """Number of files."""

    def __iter__(self) -> Iterator[Entry]:
        """All files."""


@dataclass(slots=True)
class ArchivedFiles:
    """The files in the central directory of an archive, without its folders."""

    members: MemberTable
    _count: int | None = None  # an archive may list a million, and is asked more than once

    def __len__(self) -> int:
        """Number of files."""
        if self._count is None:
            self._count = sum(not member.is_folder for member in self.members)
        return self._count

    def __iter__(self) -> Iterator[Entry]:
        """All files, in the order of the directory."""
        return (_entry(member) for member in self.members if not member.is_folder)


@dataclass(slots=True)
class UnpackedFiles:
    """The files that have landed so far; listed by name."""

    _table: MemberTable = field(default_factory=MemberTable)
    _order: Sequence[int] = ()

    def add(self, name: str, size: int, crc: int) -> None:
        """Add a file. Not thread-safe."""
        self._table.append(Member(name, size, 0, crc, 0, 0, name.encode(), UTF8))

    def __len__(self) -> int:
        """Number of files."""
        return len(self._table)

    def __iter__(self) -> Iterator[Entry]:
        """All files, by name."""
        if len(self._order) != len(self._table):
            by_name = sorted(range(len(self._table)), key=lambda place: self._table[place].raw)
            self._order = array("L", by_name)
        return (_entry(self._table[place]) for place in self._order)


def _entry(member: Member) -> Entry:
    return Entry(member.name, member.size, f"{member.crc:08x}")
