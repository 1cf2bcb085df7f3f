"""Where objects are written: part writers with an atomic publish.

A store shows an object under its final name only by :meth:`Store.put` (one request, small objects)
or by :meth:`PartWriter.commit`, which verifies before it publishes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an object: number from 1, place and length in bytes, CRC-32 of its bytes."""

    number: int
    offset: int
    size: int
    crc32: int


@dataclass(frozen=True, slots=True)
class Whole:
    """What an object must be: bytes and CRC-32."""

    size: int
    crc32: int


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store says it holds: bytes, and CRC-32 where it keeps one itself."""

    size: int
    crc32: int | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What a store asks of parts.

    :param min_part: bytes of every part but the last.
    :param max_parts: parts an object may have.
    :param any_order: whether parts may come in any order and side by side.
    :param checksum: whether the store verifies and keeps a checksum of the whole.
    """

    min_part: int = 1
    max_parts: int = 1 << 30
    any_order: bool = True
    checksum: bool = False


class PartWriter(Protocol):
    """An object that grows out of sight."""

    def put_part(self, part: Part, data: memoryview) -> None:
        """Store one part; from many threads at once where the rules allow it."""

    def done(self) -> Sequence[Part]:
        """The parts that the store holds already, of an earlier attempt."""

    def commit(self, whole: Whole, *, overwrite: bool) -> Stored:
        """Verify and publish.

        :raises IntegrityError: if the store holds something else; nothing is visible then.
        :raises InvalidRequestError: if the name is taken and *overwrite* is false.
        """

    def abort(self) -> None:
        """Remove every trace. Never raises for what is gone already."""


class Store(Protocol):
    """A place for objects, by key. Thread-safe."""

    rules: Rules

    def uri(self, key: str) -> str:
        """The address of *key*, for people and for other tools."""

    def head(self, key: str) -> Stored | None:
        """What is stored under *key*; None if nothing is."""

    def sizes(self, prefix: str) -> dict[str, int]:
        """Bytes of every object whose key begins with *prefix*."""

    def get(self, key: str) -> bytes | None:
        """The whole of a small object; None if there is none."""

    def read(self, key: str, offset: int, view: memoryview) -> None:
        """Fill *view* from *offset* on."""

    def put(self, key: str, data: memoryview | bytes, *, crc32: int, overwrite: bool) -> Stored:
        """Store a small object in one step that happens wholly or not at all.

        :raises InvalidRequestError: if the name is taken and *overwrite* is false.
        """

    def begin(self, key: str, *, label: str, resume: Mapping[str, str] | None = None) -> PartWriter:
        """Start an object of many parts.

        :param label: identity of the landing; what a crash leaves is recognised by it.
        :param resume: what an earlier writer's ``state`` held, to go on with its parts.
        """

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens if there is none."""

    def sweep(self, key: str, *, label: str) -> int:
        """Remove what earlier, dead attempts of this landing left of *key*; returns how many."""
