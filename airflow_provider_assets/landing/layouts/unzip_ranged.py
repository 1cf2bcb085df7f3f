"""Unpacks a zip whose source can be read at any place: in parallel, without touching the disk.

Small neighbours are fetched together in one block. A large stored entry is fetched in parts, like a file
of its own. A large compressed entry is unpacked piece by piece by one worker.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from airflow_provider_assets.landing.call import LandingCall
from airflow_provider_assets.landing.crc import Checksum, combine_all, crc32
from airflow_provider_assets.landing.entries import UnpackedFiles
from airflow_provider_assets.landing.files_checkpoint import verified_keys
from airflow_provider_assets.landing.layouts.parts import object_writer, part_size
from airflow_provider_assets.landing.names import FEW_FOLDERS, Names
from airflow_provider_assets.landing.options import MIB
from airflow_provider_assets.landing.pipeline.buffers import BufferPool
from airflow_provider_assets.landing.pipeline.writers import GuardedWriter
from airflow_provider_assets.landing.previous import refuse_fewer
from airflow_provider_assets.landing.source.connections import Connections
from airflow_provider_assets.landing.stores.base import Part, PartWriter, best_effort, pieces, sweep
from airflow_provider_assets.landing.zips.format import STORED, Member
from airflow_provider_assets.landing.zips.index import (
    HEADER,
    LONGEST_EXTRA,
    Extent,
    Index,
    payload,
)
from airflow_provider_assets.landing.zips.inflate import Inflater, Limits, check_whole, inflate

BLOCK = 4 * MIB
_MOST_IN_BLOCK = 4096  # each takes half a kilobyte while the block is unpacked
_READ_SIZE = MIB  # bytes that a large compressed entry is read in


class Reader(Protocol):
    """Random access to the archive."""

    @property
    def busy(self) -> int:
        """Number of responses so far in which the source said that it is busy."""

    def read(self, connections: Connections, offset: int, view: memoryview) -> None:
        """Fill *view* with the bytes from *offset* on. Thread-safe."""


@dataclass(slots=True)
class LargeEntry:
    """A large stored entry whose parts are being moved.

    :ivar parts: the parts that are stored. :ivar data: offset of the entry's data in the archive.
    """

    extent: Extent
    key: str
    part_size: int
    parts: list[Part] = field(default_factory=list)
    data: int = -1
    writer: PartWriter | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One step of a worker: a block of small entries, a part of a large one, or a compressed one."""

    extents: Sequence[Extent]
    large: LargeEntry | None = None
    part: int = 0
    parts: int = 0


@dataclass(slots=True)
class Unpacker:
    """Plans the work, performs it step by step, and collects the entries that have landed.

    :param extents: the entries of the zip, in the order of the archive.
    :param there: key -> bytes of the objects that an earlier attempt may have landed.
    """

    call: LandingCall
    reader: Reader
    extents: Index
    buffers: BufferPool
    there: Mapping[str, int] = field(default_factory=dict)
    entries: UnpackedFiles = field(default_factory=UnpackedFiles)
    _items: Iterator[WorkItem] | None = None
    _renamed: dict[int, str] = field(default_factory=dict)
    _kept: set[str] = field(default_factory=set)
    _open: list[LargeEntry] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Check the limits, name the files and find those that have landed, before anything is written."""
        options = self.call.options
        limits = Limits(options.max_unpacked, options.max_ratio)
        limits.check(extent.member for extent in self.extents)
        self._name(Names(max(options.max_entries, FEW_FOLDERS), self.call.prefix))
        refuse_fewer(self.call, sum(1 for _ in self._files()), self.call.replacing.at_least)
        self._keep_what_landed()
        sweep(self.call.store, (self._key(member) for member in self._files()))
        self._items = self._plan()

    def step(self, connections: Connections) -> bool:
        """Perform one work item; false if none is left."""
        with self._lock:
            item = next(self._items, None) if self._items else None
        if item is None:
            return False
        if item.large:
            self._part(connections, item, item.large)
        elif self._is_large(item.extents[0]):
            self._inflate_large(connections, item.extents[0])
        else:
            self._block(connections, item.extents)
        return True

    def cancel(self) -> None:
        """Hand out no more work, and end waits for buffers."""
        with self._lock:
            self._items = None
        self.buffers.cancel()

    def abort(self) -> None:
        """Remove the parts of entries that were not published."""
        for large in self._open:
            if large.writer:
                best_effort(large.writer.discard)

    def _files(self) -> Iterator[Member]:
        return (extent.member for extent in self.extents if not extent.member.is_folder)

    def _name(self, names: Names) -> None:
        """Give every file its name; only names that differ from the entry's own are kept in memory."""
        for member in self._files():
            if (given := names.give(member.name)) != member.name:
                self._renamed[member.offset] = given

    def _key(self, member: Member) -> str:
        return self.call.prefix + self._renamed.get(member.offset, member.name)

    def _keep_what_landed(self) -> None:
        if not self.there:
            return
        wanted = {
            key: Checksum(member.size, member.crc)
            for member in self._files()
            if self.there.get(key := self._key(member)) == member.size
        }
        self._kept = verified_keys(self.call.store, wanted) if wanted else set()
        for key in self._kept:
            self._landed(key, wanted[key])

    # -- planning -----------------------------------------------------------------------------

    def _plan(self) -> Iterator[WorkItem]:
        block: list[Extent] = []
        for extent in self.extents:
            if self._kept and self._key(extent.member) in self._kept:
                self.call.meter.keep(extent.end - extent.member.offset)
                continue
            large = self._is_large(extent)
            too_far = block and extent.end - block[0].member.offset > BLOCK
            if block and (large or too_far or len(block) == _MOST_IN_BLOCK):
                yield WorkItem(tuple(block))
                block = []
            if not large:
                block.append(extent)
            elif extent.member.method == STORED and not self.call.store.rules.needs_order:
                yield from self._parts(extent)
            else:
                yield WorkItem((extent,))
        if block:
            yield WorkItem(tuple(block))

    def _parts(self, extent: Extent) -> Iterator[WorkItem]:
        size = part_size(self.call, extent.member.size)
        large = LargeEntry(extent, self._key(extent.member), size)
        self._open.append(large)
        count = -(-extent.member.size // size)
        for part in range(count):
            yield WorkItem((extent,), large, part, count)

    def _is_large(self, extent: Extent) -> bool:
        return max(extent.size, extent.member.size) > BLOCK

    def _landed(self, key: str, whole: Checksum) -> None:
        name = key[len(self.call.prefix) :]
        with self._lock:
            self.entries.add(name, whole.size, whole.crc32)

    # -- work ---------------------------------------------------------------------------------

    def _block(self, connections: Connections, extents: Sequence[Extent]) -> None:
        begin = extents[0].member.offset
        size = extents[-1].end - begin
        with self.buffers.lent(max(size, BLOCK)) as buffer:
            block = memoryview(buffer)[:size]
            self.reader.read(connections, begin, block)
            for extent in extents:
                if not extent.member.is_folder:
                    self._small(extent, block[extent.member.offset - begin :])

    def _small(self, extent: Extent, block: memoryview) -> None:
        member = extent.member
        at = payload(block, extent)
        packed = block[at : at + member.packed]
        data = packed if member.method == STORED else inflate(member, packed)
        whole = Checksum(len(data), crc32(data, 0))
        check_whole(member, whole.size, whole.crc32)
        key, call = self._key(member), self.call
        call.store.put(
            key,
            data,
            crc32=whole.crc32,
            overwrite=call.replacing.is_allowed,
            options=call.object_options,
        )
        self._landed(key, whole)

    def _part(self, connections: Connections, item: WorkItem, large: LargeEntry) -> None:
        member = large.extent.member
        with large.lock:
            if large.writer is None:
                large.data = self._find_data(connections, large.extent)
                call = self.call
                begun = call.store.begin(large.key, label=call.label, options=call.object_options)
                large.writer = GuardedWriter(begun)
        writer, offset = large.writer, item.part * large.part_size
        with self.buffers.lent(large.part_size) as buffer:
            view = memoryview(buffer)[: min(large.part_size, member.size - offset)]
            self.reader.read(connections, large.data + offset, view)
            part = Part(item.part + 1, offset, len(view), crc32(view, 0))
            writer.put_part(part, view)
        with large.lock:
            large.parts.append(part)
            if len(large.parts) < item.parts:
                return
        large.parts.sort(key=lambda part: part.number)
        crc = combine_all((part.crc32, part.size) for part in large.parts)
        whole = Checksum(sum(part.size for part in large.parts), crc)
        check_whole(member, whole.size, whole.crc32)
        writer.commit(whole, overwrite=self.call.replacing.is_allowed)
        large.writer = None
        best_effort(writer.discard)
        self._landed(large.key, whole)

    def _inflate_large(self, connections: Connections, extent: Extent) -> None:
        member = extent.member
        key, at = self._key(member), self._find_data(connections, extent)
        call, size = self.call, part_size(self.call, member.size)
        writer = object_writer(call, key, self.buffers, size)
        try:
            writer.write_all(self._inflated(connections, member, at))
            written = writer.whole()
            check_whole(member, written.size, written.crc32)
            whole = writer.finish(overwrite=call.replacing.is_allowed)
        except BaseException:
            writer.abort()
            raise
        self._landed(key, whole)

    def _inflated(self, connections: Connections, member: Member, at: int) -> Iterator[bytes]:
        stored = member.method == STORED
        inflater = Inflater(member.name, member.method, member.size)

        def read(offset: int, view: memoryview) -> None:
            self.reader.read(connections, at + offset, view)

        for packed in pieces(read, member.packed, _READ_SIZE):
            yield from (bytes(packed),) if stored else inflater.feed(packed)
        if not stored:
            inflater.close()

    def _find_data(self, connections: Connections, extent: Extent) -> int:
        member = extent.member
        head = memoryview(bytearray(min(extent.size, HEADER + len(member.raw) + LONGEST_EXTRA)))
        self.reader.read(connections, member.offset, head)
        return member.offset + payload(head, extent)
