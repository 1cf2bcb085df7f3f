"""Part writers around a store's own: for objects of one part, stores that need order, and late parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_assets.landing.crc import Checksum, crc32
from airflow_provider_assets.landing.pipeline.scheduler import Feed
from airflow_provider_assets.landing.stores.base import (
    Part,
    PartWriter,
    Store,
    StoredObject,
    StoredPart,
    best_effort,
)
from airflow_provider_assets.landing.stores.object_options import ObjectOptions
from airflow_provider_assets.sansio.errors import TransferInterruptedError


@dataclass(frozen=True, slots=True)
class NullWriter:
    """A part writer that does nothing, used where the ordered feed does the writing."""

    @property
    def handle(self) -> Mapping[str, str]:
        """Empty: there is nothing to resume."""
        return {}

    def put_part(self, part: Part, data: memoryview) -> str:
        """Ignore the part."""
        return ""

    def done(self) -> Sequence[StoredPart]:
        """No parts."""
        return ()

    def read(self, offset: int, view: memoryview) -> bool:
        """Not supported: return false."""
        return False

    def commit(self, whole: Checksum, *, overwrite: bool) -> StoredObject:
        """Publish nothing."""
        return StoredObject(whole.size)

    def keep(self) -> None:
        """Keep nothing."""

    def discard(self) -> None:
        """Remove nothing."""


@dataclass(frozen=True, slots=True)
class BufferedPut(NullWriter):
    """An object of one part: kept in memory until it is verified, then stored in one request."""

    store: Store
    key: str
    options: ObjectOptions
    held: list[memoryview] = field(default_factory=list)

    def put_part(self, part: Part, data: memoryview) -> str:
        """Keep the part in memory.

        Its buffer counts as free once the part is verified, but no other part follows to take it.
        """
        self.held.append(data)
        return ""

    def commit(self, whole: Checksum, *, overwrite: bool) -> StoredObject:
        """Store the part."""
        data = self.held[0] if self.held else b""
        return self.store.put(
            self.key, data, crc32=whole.crc32, overwrite=overwrite, options=self.options
        )


@dataclass(slots=True)
class GuardedWriter:
    """Removes parts that arrive after the others were discarded.

    The pool waits for its workers only for a limited time: one may hang in a request to the store.
    """

    writer: PartWriter
    _is_discarded: bool = False

    def put_part(self, part: Part, data: memoryview) -> str:
        """Store the part, unless all are discarded; if that happens meanwhile, discard this one, too."""
        if self._is_discarded:
            raise TransferInterruptedError("the landing was aborted")
        try:
            return self.writer.put_part(part, data)
        finally:
            if self._is_discarded:
                best_effort(self.writer.discard)

    @property
    def handle(self) -> Mapping[str, str]:
        """The handle of the writer."""
        return self.writer.handle

    def done(self) -> Sequence[StoredPart]:
        """The parts that the writer holds."""
        return self.writer.done()

    def read(self, offset: int, view: memoryview) -> bool:
        """Read back, if the writer can."""
        return self.writer.read(offset, view)

    def commit(self, whole: Checksum, *, overwrite: bool) -> StoredObject:
        """Publish the object."""
        return self.writer.commit(whole, overwrite=overwrite)

    def keep(self) -> None:
        """Keep the parts; a late one may be used as well."""
        self.writer.keep()

    def discard(self) -> None:
        """Remove all parts, now and after each late one."""
        self._is_discarded = True
        self.writer.discard()


@dataclass(slots=True)
class SequentialWriter:
    """Writes parts in order, right after each was verified, for stores that accept no other order."""

    verifier: Feed
    writer: PartWriter
    _part: Part = field(default=Part(0, 0, 0, 0))

    def feed(self, view: memoryview) -> None:
        """Verify the next part, then write it."""
        self.verifier.feed(view)
        last = self._part
        self._part = Part(last.number + 1, last.offset + last.size, len(view), crc32(view, 0))
        self.writer.put_part(self._part, view)
