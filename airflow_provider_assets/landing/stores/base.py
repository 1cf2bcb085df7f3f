"""Where objects are written: part writers with an atomic publish.

A store shows an object under its final name only by :meth:`Store.put` (one request, small objects)
or by :meth:`PartWriter.commit`, which verifies before it publishes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from airflow_provider_assets.landing.crc import Checksum, crc32
from airflow_provider_assets.landing.options import MIB
from airflow_provider_assets.sansio.errors import AssetsError, InvalidRequestError

_log = logging.getLogger(__name__)


def best_effort(clean: Callable[[], object]) -> None:
    """Clean up. A failure of that fails nothing: what stays is swept by the next landing of its key."""
    try:
        clean()
    except (AssetsError, OSError) as error:
        _log.warning("Something could not be cleaned up beside what landed: %s", error)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an object: number from 1, place and length in bytes, CRC-32 of its bytes."""

    number: int
    offset: int
    size: int
    crc32: int


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part that a store holds: number, bytes, and what the store calls its contents (an ETag)."""

    number: int
    size: int
    tag: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What a store says it holds: bytes, and CRC-32 where it keeps one itself."""

    size: int
    crc32: int | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What a store asks of parts.

    :param min_part: bytes of every part but the last.
    :param max_parts: parts an object may have.
    :param in_order: parts must come in their order, one at a time; else in any, side by side.
    :param checksum: whether the store verifies and keeps a checksum of the whole, as far as is known now.
    :param reads_back: whether an unfinished object can be read back (:meth:`PartWriter.read`).
    """

    min_part: int = 1
    max_parts: int = 1 << 30
    in_order: bool = False
    checksum: bool = False
    reads_back: bool = False

    def admit(self, number: int) -> None:
        """:raises InvalidRequestError: if an object cannot have a part of this *number*."""
        if number > self.max_parts:
            raise InvalidRequestError(
                f"what is landed does not say how long it is and needs more than {self.max_parts} "
                "parts, the limit of the store; set a larger part_size="
            )


class PartWriter(Protocol):
    """An object that grows out of sight."""

    def put_part(self, part: Part, data: memoryview) -> str:
        """Store one part, from many threads at once; returns its tag, as :meth:`done` will."""

    @property
    def state(self) -> Mapping[str, str]:
        """What :meth:`Store.resume` needs to find it again; empty where it cannot."""

    def done(self) -> Sequence[StoredPart]:
        """The parts that the store holds already, of an earlier attempt."""

    def commit(self, whole: Checksum, *, overwrite: bool) -> StoredObject:
        """Verify and publish.

        :raises IntegrityError: if the store holds something else; nothing is visible then.
        :raises InvalidRequestError: if the name is taken and *overwrite* is false.
        """

    def read(self, offset: int, view: memoryview) -> bool:
        """Read back what was written, where the store can do that; whether it could."""

    def keep(self) -> None:
        """Let go of it, but leave its parts for :meth:`Store.resume`."""

    def abort(self) -> None:
        """Remove every trace. Never raises for what is gone already."""


class Store(Protocol):
    """A place for objects, by key. Thread-safe."""

    @property
    def rules(self) -> Rules:
        """What it asks of parts."""

    def uri(self, key: str) -> str:
        """The address of *key*, for people and for other tools."""

    def head(self, key: str) -> StoredObject | None:
        """What is stored under *key*; None if nothing is."""

    def sizes(self, prefix: str) -> dict[str, int]:
        """Bytes of every object whose key begins with *prefix*."""

    def get(self, key: str) -> bytes | None:
        """The whole of a small object; None if there is none."""

    def read(self, key: str, offset: int, view: memoryview) -> None:
        """Fill *view* from *offset* on."""

    def put(
        self, key: str, data: memoryview | bytes, *, crc32: int, overwrite: bool
    ) -> StoredObject:
        """Store a small object in one step that happens wholly or not at all.

        :raises InvalidRequestError: if the name is taken and *overwrite* is false.
        """

    def begin(self, key: str, *, label: str) -> PartWriter:
        """Start an object of many parts.

        :param label: identity of the landing; what a crash leaves is recognised as ours.
        """

    def resume(self, key: str, state: Mapping[str, str]) -> PartWriter | None:
        """The unfinished object that an earlier :attr:`PartWriter.state` names; None if it is gone."""

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens if there is none."""

    def sweep(self, keys: Collection[str]) -> int:
        """Remove what dead landings left of *keys*, known by our mark; returns how many."""


def put_document(store: Store, key: str, document: bytes) -> None:
    """Store a small object of our own, a mark or a manifest, in the place of an earlier one."""
    store.put(key, document, crc32=crc32(document, 0), overwrite=True)


def holds(store: Store, key: str, whole: Checksum) -> bool:
    """Whether *whole* is stored under *key*.

    By the store's own checksum, else read back: that costs less than the vendor's bytes.
    """
    there = store.head(key)
    if there is None or there.size != whole.size:
        return False
    if there.crc32 is not None:
        return there.crc32 == whole.crc32
    crc, buffer = 0, memoryview(bytearray(min(MIB, whole.size)))
    for at in range(0, whole.size, MIB):
        view = buffer[: min(MIB, whole.size - at)]
        store.read(key, at, view)
        crc = crc32(view, crc)
    return crc == whole.crc32


def name_taken(uri: str) -> InvalidRequestError:
    """The error for a name that is in use by something else."""
    return InvalidRequestError(
        f"{uri} exists and is not what this landing would write; "
        "choose another name or, for files, a folder of its own in destination, or set overwrite=True"
    )
