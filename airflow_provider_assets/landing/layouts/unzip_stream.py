"""Unpacks a zip whose source can only be read once, from its start to its end."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

from airflow_provider_assets.landing.call import LandingCall
from airflow_provider_assets.landing.entries import UnpackedFiles
from airflow_provider_assets.landing.layouts.parts import object_writer
from airflow_provider_assets.landing.names import FEW_FOLDERS, Names
from airflow_provider_assets.landing.pipeline.buffers import BufferPool
from airflow_provider_assets.landing.pipeline.object_writer import ObjectWriter
from airflow_provider_assets.landing.previous import refuse_fewer
from airflow_provider_assets.landing.stores.base import sweep
from airflow_provider_assets.landing.verify import ZIP_MAGICS, StreamVerifier
from airflow_provider_assets.landing.zips.inflate import Limits, holds_content
from airflow_provider_assets.landing.zips.scanner import ZipScanner
from airflow_provider_assets.sansio.errors import IntegrityError

_AHEAD = 64  # uploads under way: an empty file takes no buffer that another one would wait for


class Scanner(Protocol):
    """Takes a stream in pieces."""

    def feed(self, data: memoryview) -> None:
        """Process the next bytes."""

    def close(self) -> None:
        """End the stream."""


@dataclass(slots=True)
class StreamUnpacker:
    """The :class:`~.zips.scanner.Handler` that lands the entries of a zip.

    :param pool: runs the uploads.
    """

    call: LandingCall
    buffers: BufferPool
    part_size: int
    pool: Executor
    entries: UnpackedFiles = field(default_factory=UnpackedFiles)
    _names: Names = field(default_factory=Names)
    _limits: Limits = field(init=False)
    _writer: ObjectWriter | None = None
    _folder: str = ""
    _under_way: deque[ObjectWriter] = field(default_factory=deque)
    _total: int = 0

    def __post_init__(self) -> None:
        """Set the limits."""
        options = self.call.options
        self._names = Names(max(options.max_entries, FEW_FOLDERS), self.call.prefix)
        self._limits = Limits(options.max_unpacked, options.max_ratio)

    def scanner_for(self, first: memoryview, name: str) -> Scanner:
        """A scanner for a stream that begins with *first*: of a zip's entries, or of one plain file.

        :param name: the vendor's name of the stream, under which it lands if it is not a zip.
        """
        if bytes(first[:4]) in ZIP_MAGICS:
            options = self.call.options
            return ZipScanner(
                self,
                max_entries=options.max_entries,
                limits=self._limits,
                keeps_members=False,  # those that have landed are counted here
            )
        refuse_zip_name(self.call, name)
        return _Plain(self, name, StreamVerifier(name, hash_it=False, look_inside=self.call.verify))

    def start(self, name: str) -> None:
        """Begin an entry."""
        self._wait_until_left(_AHEAD)
        self._writer, self._folder = None, name
        if not name.endswith("/"):
            key = self.call.prefix + self._names.give(name)
            self._writer = object_writer(self.call, key, self.buffers, self.part_size, self.pool)

    def data(self, piece: memoryview | bytes) -> None:
        """Write the next bytes of the entry."""
        self._total += len(piece)
        self._limits.check_total(self._total)
        if self._writer is None:
            raise holds_content(self._folder)
        self._writer.write(piece)

    def end(self) -> None:
        """Publish the entry, which is complete and verified."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        self._under_way.append(writer)
        whole = writer.finish(overwrite=self.call.replacing.is_allowed)
        name = writer.key[len(self.call.prefix) :]
        self.entries.add(name, whole.size, whole.crc32)

    def close(self) -> None:
        """Wait for the uploads, then remove what dead landings left.

        :raises AssetsError: if a file could not be published.
        """
        self._wait_until_left(0)
        # Only now are they counted; what the manifest lists besides files of the same names is all there.
        refuse_fewer(self.call, len(self.entries), self.call.replacing.at_least, is_unpacked=True)
        # Only now are all names known.
        sweep(self.call.store, (self.call.prefix + entry.name for entry in self.entries))

    def abort(self) -> None:
        """Abort the entries that are not published."""
        for writer in [*self._under_way, *([self._writer] if self._writer else [])]:
            writer.abort()

    def _wait_until_left(self, most: int) -> None:
        """Raise what an upload has raised, and wait until at most so many are left."""
        left: deque[ObjectWriter] = deque()
        for writer in self._under_way:
            if writer.is_uploaded:
                writer.wait()
            else:
                left.append(writer)
        while len(left) > most:
            left.popleft().wait()
        self._under_way = left


@dataclass(slots=True)
class _Plain:
    """Lands a stream that is not a zip as one file."""

    unpacker: StreamUnpacker
    name: str
    verifier: StreamVerifier
    _begun: bool = False

    def feed(self, data: memoryview) -> None:
        self._begin()
        self.verifier.feed(data)
        self.unpacker.data(data)

    def close(self) -> None:
        self._begin()
        self.verifier.close()
        self.unpacker.end()

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self.unpacker.start(self.name)


def refuse_zip_name(call: LandingCall, name: str) -> None:
    """Refuse a file that is named ``.zip`` without being a zip, since it is most likely an error page.

    :raises IntegrityError: if it is refused.
    """
    for given in (name, call.name):
        if given.lower().endswith(".zip"):
            raise IntegrityError(f"{given} is not a zip archive")
