"""``layout="files"`` from one download: the files inside a zip land as objects; any other file as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from airflow_provider_assets.landing.call import LandingCall
from airflow_provider_assets.landing.describe import describe_files
from airflow_provider_assets.landing.entries import Files, UnpackedFiles
from airflow_provider_assets.landing.files_checkpoint import stored_files
from airflow_provider_assets.landing.layouts.files import land_files
from airflow_provider_assets.landing.layouts.parts import FIRST, part_size
from airflow_provider_assets.landing.layouts.unzip_ranged import BLOCK, Reader, Unpacker
from airflow_provider_assets.landing.layouts.unzip_stream import StreamUnpacker, refuse_zip_name
from airflow_provider_assets.landing.manifest import Manifest
from airflow_provider_assets.landing.options import MIB, PARALLEL_REQUESTS, Source
from airflow_provider_assets.landing.pipeline.autotune import MOST, Tuner
from airflow_provider_assets.landing.pipeline.buffers import BufferPool
from airflow_provider_assets.landing.pipeline.workers import WorkerPool
from airflow_provider_assets.landing.source.connections import Connections
from airflow_provider_assets.landing.source.download import Download, SourceChangedError
from airflow_provider_assets.landing.stores.base import Store
from airflow_provider_assets.landing.zips.index import Index, Location, Read, locate
from airflow_provider_assets.landing.zips.scanner import ZipScanner
from airflow_provider_assets.sansio.errors import TransferInterruptedError

_LARGEST_INDEX = 64 * MIB  # a zip with a larger central directory is read as one stream


@dataclass(frozen=True, slots=True)
class StoredReader:
    """Reads an archive that is in the store already."""

    store: Store
    key: str
    busy: int = 0

    def read(self, connections: Connections, offset: int, view: memoryview) -> None:
        """Fill *view* from *offset* on."""
        self.store.read(self.key, offset, view)


def _as_stream(read: Read, total: int) -> Callable[[memoryview], int]:
    """A function that reads a source of *total* bytes from its start to its end."""
    at = 0

    def next_bytes(view: memoryview) -> int:
        nonlocal at
        size = min(len(view), total - at)
        read(at, view[:size])
        at += size
        return size

    return next_bytes


def land_unpacked(call: LandingCall, source: Source) -> tuple[Manifest, Files]:
    """Land the files inside the zip of *source*; a file that is not a zip lands as it is.

    :raises AssetsError: if the landing failed. Files that were verified before stay for the next attempt,
        but do not count as landed without a manifest.
    """
    download = Download(source, call.options, call.cancel, on_bytes=call.meter.add)
    connections, other = (Connections(call.options) for _ in range(2))
    try:
        download.open(connections, FIRST)
        call.meter.begin(download.total)
        if not download.is_ranged or download.total is None:
            entries, is_zip = _unpack_stream(call, download.read_stream, source.own_name)
            known = download.total is not None
            return describe_files(call, entries, known_length=known, zipped=is_zip), entries
        read = partial(download.read, other)
        source_id = f"{download.validator} {download.total}"
        if location := locate(read, download.total):
            return _land_located(
                call, download, connections, location, read=read, source_id=source_id
            )
    except SourceChangedError:
        raise TransferInterruptedError("the download changed while it was unpacked") from None
    finally:
        connections.close()
        other.close()
    refuse_zip_name(call, source.own_name)
    call.meter.begin(download.total)
    return land_files(call, [source])


def unpack_stored(call: LandingCall, key: str, total: int, name: str) -> tuple[Manifest, Files]:
    """Land the files inside the zip that is stored under *key*; a file that is not a zip lands as *name*.

    :raises IntegrityError: if the zip is damaged.
    """
    reader, connections = StoredReader(call.store, key), Connections()
    read = partial(reader.read, connections)
    if location := locate(read, total):
        source_id = f"{key} {total}"
        return _land_located(call, reader, connections, location, read=read, source_id=source_id)
    entries, is_zip = _unpack_stream(call, _as_stream(read, total), name)
    return describe_files(call, entries, zipped=is_zip), entries


def _land_located(
    call: LandingCall,
    reader: Reader,
    connections: Connections,
    location: Location,
    *,
    read: Read,
    source_id: str,
) -> tuple[Manifest, Files]:
    """Land the files of a zip after its central directory was located.

    :param connections: may hold an open response with the first bytes.
    :param read: reads any place over other connections.
    """
    if location.size > _LARGEST_INDEX:
        stream = _as_stream(partial(reader.read, connections), location.total)
        entries, _ = _unpack_stream(call, stream, call.name)
    else:
        there = stored_files(call, source_id)
        # Nothing here keeps the index, so that its memory is free when the manifest is written.
        entries = _unpack_ranged(
            call,
            reader,
            location.read_index(read, max_entries=call.options.max_entries),
            connections,
            there=there,
        )
    return describe_files(call, entries), entries


def _unpack_ranged(
    call: LandingCall,
    reader: Reader,
    extents: Index,
    connections: Connections,
    *,
    there: Mapping[str, int],
) -> UnpackedFiles:
    buffers = BufferPool(call.options.max_memory // 2)
    unpacker = Unpacker(call, reader, extents, buffers, there)
    pool = WorkerPool(
        unpacker.step,
        call.cancel,
        call.options,
        tuner=None if call.options.concurrency else _tuner(buffers),
        busy=lambda: reader.busy,
    )
    try:
        with call.cancel.on_cancel(unpacker.cancel):
            pool.run(connections, call.options.concurrency or PARALLEL_REQUESTS, call.meter.tick)
    finally:
        unpacker.abort()
    return unpacker.entries


def _tuner(buffers: BufferPool) -> Tuner:
    # Bytes arrive in blocks, each followed by several puts, so that a shorter look measures noise.
    most = min(MOST, max(1, buffers.budget // BLOCK))
    return Tuner(most, workers=PARALLEL_REQUESTS, interval=0.4)


def _unpack_stream(
    call: LandingCall, read: Callable[[memoryview], int], name: str
) -> tuple[UnpackedFiles, bool]:
    """Land a stream; return its files and whether it is a zip. Any other stream lands as one file, *name*."""
    buffers = BufferPool(call.options.max_memory // 2)
    buffer = memoryview(bytearray(BLOCK))
    with (
        call.cancel.on_cancel(buffers.cancel),
        ThreadPoolExecutor(PARALLEL_REQUESTS, "landing") as pool,
    ):
        unpacker = StreamUnpacker(call, buffers, part_size(call), pool)
        try:
            count = read(buffer)
            scanner = unpacker.scanner_for(buffer[:count], name)
            while count:
                scanner.feed(buffer[:count])
                call.meter.tick()
                count = read(buffer)
            scanner.close()
            unpacker.close()
        except BaseException:
            call.cancel.set()
            unpacker.abort()
            raise
    return unpacker.entries, isinstance(scanner, ZipScanner)
