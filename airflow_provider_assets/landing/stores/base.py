"""The protocols of stores and part writers, and what can be done with any store.

An object becomes visible under its final name only by :meth:`Store.put` (small objects, one request) or by
:meth:`PartWriter.commit`, which verifies it before publishing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Protocol
from urllib.parse import unquote

from airflow_provider_assets.landing.crc import Checksum, crc32
from airflow_provider_assets.landing.options import MIB
from airflow_provider_assets.landing.stores.object_options import DEFAULTS, ObjectOptions
from airflow_provider_assets.sansio.errors import AssetsError, InvalidRequestError

_log = logging.getLogger(__name__)
_CRC32 = re.compile("[0-9a-f]{8}")
_SWEPT = 100_000  # keys that are swept at a time


def best_effort(
    clean: Callable[[], object],
    *,
    otherwise: str = "Cleanup failed; the landing is not affected",
) -> None:
    """Call *clean*. Failures are logged only: the next landing of the key sweeps what is left.

    :param otherwise: consequence of a failure, for the log.
    """
    try:
        clean()
    except (AssetsError, OSError) as error:
        _log.warning("%s: %s", otherwise, error)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an object: number from 1, offset and size in bytes, CRC-32."""

    number: int
    offset: int
    size: int
    crc32: int


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part in a store: number, bytes, and the store's tag of its contents (such as an ETag)."""

    number: int
    size: int
    tag: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in a store: bytes, and CRC-32 if the store keeps it itself."""

    size: int
    crc32: int | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The requirements and capabilities of a store.

    :param min_part: least bytes of every part but the last. :param max_parts: most parts per object.
    :param needs_order: whether parts must arrive in order, one at a time; else in any order, in parallel.
    :param keeps_checksum: whether the store verifies and keeps a checksum of the whole, as far as is known.
    :param reads_back: whether an unfinished object can be read back (:meth:`PartWriter.read`).
    """

    min_part: int = 1
    max_parts: int = 1 << 30
    needs_order: bool = False
    keeps_checksum: bool = False
    reads_back: bool = False

    def admit(self, number: int) -> None:
        """Check the *number* of a part.

        :raises InvalidRequestError: if it exceeds the store's limit.
        """
        if number > self.max_parts:
            raise InvalidRequestError(
                f"the source announces no length and exceeds the store's limit of {self.max_parts} parts; "
                "set a larger part_size="
            )


class PartWriter(Protocol):
    """Writes one object in parts, invisibly until :meth:`commit`."""

    def put_part(self, part: Part, data: memoryview) -> str:
        """Store one part; thread-safe. Returns the tag that :meth:`done` will list."""

    @property
    def handle(self) -> Mapping[str, str]:
        """The names by which :meth:`Store.resume` finds the unfinished object; empty if it cannot."""

    def done(self) -> Sequence[StoredPart]:
        """The parts that the store holds, from earlier attempts too."""

    def commit(self, whole: Checksum, *, overwrite: bool) -> StoredObject:
        """Verify the object and publish it.

        :raises IntegrityError: if the store holds other bytes than *whole*; nothing is visible then.
        :raises InvalidRequestError: if the name is taken and *overwrite* is false.
        """

    def read(self, offset: int, view: memoryview) -> bool:
        """Fill *view* with bytes of the unfinished object; return whether the store can do that."""

    def keep(self) -> None:
        """Close the writer, but keep its parts for :meth:`Store.resume`."""

    def discard(self) -> None:
        """Remove what is not part of a published object; what is gone already is not an error."""


class Readable(Protocol):
    """Objects by key, read-only."""

    def uri(self, key: str) -> str:
        """The URI of *key*, for users and other tools."""

    def head(self, key: str) -> StoredObject | None:
        """The object under *key*; None if there is none."""

    def read(self, key: str, offset: int, view: memoryview) -> None:
        """Fill *view* with the object's bytes from *offset* on."""


class Store(Readable, Protocol):
    """Keeps objects by key. Thread-safe."""

    @property
    def rules(self) -> Rules:
        """The store's requirements and capabilities."""

    def listing(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Key and bytes of every object whose key begins with *prefix*, page by page."""

    def get(self, key: str) -> bytes | None:
        """The bytes of a small object; None if there is none."""

    def check(self, options: ObjectOptions) -> None:
        """Check that the store can give its objects these properties.

        :raises InvalidRequestError: naming the first that it cannot give them.
        """

    def put(
        self,
        key: str,
        data: memoryview | bytes,
        *,
        crc32: int,
        overwrite: bool,
        options: ObjectOptions = DEFAULTS,
    ) -> StoredObject:
        """Store a small object atomically.

        :param options: properties that only data has; by default no more than the content type of its name.
        :raises InvalidRequestError: if the name is taken and *overwrite* is false.
        """

    def begin(self, key: str, *, label: str, options: ObjectOptions = DEFAULTS) -> PartWriter:
        """Begin an object of many parts.

        :param label: identity of the landing, kept where :meth:`sweep` can recognize the parts as ours.
        """

    def resume(
        self, key: str, handle: Mapping[str, str], *, options: ObjectOptions = DEFAULTS
    ) -> PartWriter | None:
        """The unfinished object that an earlier :attr:`PartWriter.handle` names; None if it is gone.

        :param options: properties of the object. One that was begun with others, which it would keep, is
            not resumed.
        """

    def delete(self, key: str) -> None:
        """Remove an object, if there is one."""

    def sweep(self, keys: Collection[str]) -> int:
        """Remove unfinished objects of *keys* that dead landings left; return their number."""


def sweep(store: Store, keys: Iterable[str]) -> None:
    """Remove what dead landings left of any number of keys, holding few of them in memory."""
    rest = iter(keys)
    while some := list(islice(rest, _SWEPT)):
        store.sweep(some)


def crc32_in(text: object) -> int | None:
    """The CRC-32 that this package has written somewhere, as eight hexadecimal digits.

    :returns: None for anything else, which another writer has put there.
    """
    return int(text, 16) if isinstance(text, str) and _CRC32.fullmatch(text) else None


def put_document(store: Store, key: str, document: bytes) -> None:
    """Store a document that this package keeps beside the data, replacing an earlier one."""
    store.put(key, document, crc32=crc32(document, 0), overwrite=True)


def holds(store: Readable, key: str, whole: Checksum) -> bool:
    """Whether the object under *key* has the size and CRC-32 of *whole*.

    Without a checksum of the store, the object is read back, which costs less than a download.
    """
    there = store.head(key)
    if there is None or there.size != whole.size:
        return False
    if there.crc32 is not None:
        return there.crc32 == whole.crc32
    crc = 0
    for piece in pieces(partial(store.read, key), whole.size):
        crc = crc32(piece, crc)
    return crc == whole.crc32


def pieces(
    read: Callable[[int, memoryview], object], size: int, step: int = MIB
) -> Iterator[memoryview]:
    """*size* bytes in pieces of *step* bytes, each of which is valid until the next one is asked for.

    :param read: fills a view with the bytes from an offset on.
    """
    buffer = memoryview(bytearray(min(step, size)))
    for at in range(0, size, step):
        view = buffer[: min(step, size - at)]
        read(at, view)
        yield view


def name_taken(uri: str) -> InvalidRequestError:
    """The error for a name that belongs to another object."""
    return InvalidRequestError(
        f"{uri} already exists with other contents, of another landing or of an attempt that failed; "
        "choose another name (for files: a folder of its own in destination), or set overwrite=True"
    )


def is_address_of(store: Store, key: str, uri: str) -> bool:
    """Whether *uri* is that of the object *key*; those of files may encode more than they must."""
    return plain(store.uri(key)) == plain(uri)


def plain(uri: str) -> str:
    """*uri* without percent-encoding, which only the addresses of files have."""
    return unquote(uri, errors="surrogateescape") if uri.startswith("file://") else uri
