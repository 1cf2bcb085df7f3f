"""Part writers that adapt: for an object of one part, and for stores that take parts in order only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_assets.landing.crc import Checksum, crc32
from airflow_provider_assets.landing.stores.base import (
    Part,
    PartWriter,
    Store,
    StoredObject,
    StoredPart,
    best_effort,
)
from airflow_provider_assets.landing.transfer.pipeline import Feed
from airflow_provider_assets.sansio.errors import TransferInterruptedError


@dataclass(frozen=True, slots=True)
class NullWriter:
    """Takes everything, keeps nothing."""

    @property
    def state(self) -> Mapping[str, str]:
        """Nothing to resume."""
        return {}

    def put_part(self, part: Part, data: memoryview) -> str:
        """Nothing: the part is on its way already."""
        return ""

    def done(self) -> Sequence[StoredPart]:
        """Nothing."""
        return ()

    def read(self, offset: int, view: memoryview) -> bool:
        """Not possible."""
        return False

    def commit(self, whole: Checksum, *, overwrite: bool) -> StoredObject:
        """Nothing to publish."""
        return StoredObject(whole.size)

    def keep(self) -> None:
        """Nothing to keep."""

    def abort(self) -> None:
        """Nothing to remove."""


@dataclass(frozen=True, slots=True)
class BufferedPut(NullWriter):
    """An object of one part: held until it is verified, then stored in one request."""

    store: Store
    key: str
    held: list[memoryview] = field(default_factory=list)

    def put_part(self, part: Part, data: memoryview) -> str:
        """Hold it."""
        self.held.append(data)
        return ""

    def commit(self, whole: Checksum, *, overwrite: bool) -> StoredObject:
        """Store it."""
        data = self.held[0] if self.held else b""
        return self.store.put(self.key, data, crc32=whole.crc32, overwrite=overwrite)


@dataclass(slots=True)
class GuardedWriter:
    """Leaves nothing of parts that arrive after the landing was given up.

    Workers are waited for, but not without end: one may hang in a request to the store.
    """

    writer: PartWriter
    _is_aborted: bool = False

    def put_part(self, part: Part, data: memoryview) -> str:
        """Store it, unless the object was given up; if that happened meanwhile, clean up again."""
        if self._is_aborted:
            raise TransferInterruptedError("the landing was given up")
        try:
            return self.writer.put_part(part, data)
        finally:
            if self._is_aborted:
                best_effort(self.writer.abort)

    @property
    def state(self) -> Mapping[str, str]:
        """That of the writer."""
        return self.writer.state

    def done(self) -> Sequence[StoredPart]:
        """The parts that the writer holds."""
        return self.writer.done()

    def read(self, offset: int, view: memoryview) -> bool:
        """Read back, where the writer can."""
        return self.writer.read(offset, view)

    def commit(self, whole: Checksum, *, overwrite: bool) -> StoredObject:
        """Publish."""
        return self.writer.commit(whole, overwrite=overwrite)

    def keep(self) -> None:
        """Leave the parts; one that is late may be used as well."""
        self.writer.keep()

    def abort(self) -> None:
        """Remove every trace, now and after parts that are late."""
        self._is_aborted = True
        self.writer.abort()


@dataclass(slots=True)
class SequentialWriter:
    """For stores that take parts in their order only: they are written when their turn is audited."""

    verifier: Feed
    writer: PartWriter
    _part: Part = field(default=Part(0, 0, 0, 0))

    def feed(self, view: memoryview) -> None:
        """The next part."""
        self.verifier.feed(view)
        last = self._part
        self._part = Part(last.number + 1, last.offset + last.size, len(view), crc32(view, 0))
        self.writer.put_part(self._part, view)
