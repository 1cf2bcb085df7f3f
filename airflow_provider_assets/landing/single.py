"""Part writers that adapt: for an object of one part, and for stores that write in order only."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_provider_assets.landing.crc import crc32
from airflow_provider_assets.landing.nowhere import Nowhere
from airflow_provider_assets.landing.pump import Feed
from airflow_provider_assets.landing.store import Part, PartWriter, Store, Stored, Whole


@dataclass(frozen=True, slots=True)
class Single(Nowhere):
    """An object of one part: held until it is verified, then stored in one request."""

    store: Store
    key: str
    held: list[memoryview] = field(default_factory=list)

    def put_part(self, part: Part, data: memoryview) -> str:
        """Hold it."""
        self.held.append(data)
        return ""

    def commit(self, whole: Whole, *, overwrite: bool) -> Stored:
        """Store it."""
        data = self.held[0] if self.held else b""
        return self.store.put(self.key, data, crc32=whole.crc32, overwrite=overwrite)


@dataclass(slots=True)
class InOrder:
    """For stores that take parts in their order only: they are written when their turn is audited."""

    audit: Feed
    writer: PartWriter
    _part: Part = field(default=Part(0, 0, 0, 0))

    def feed(self, view: memoryview) -> None:
        """The next part."""
        self.audit.feed(view)
        last = self._part
        self._part = Part(last.number + 1, last.offset + last.size, len(view), crc32(view, 0))
        self.writer.put_part(self._part, view)
