"""``layout="files"`` from several downloads: each lands as one object, in parallel."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import cast

from airflow_provider_assets.landing.call import LandingCall
from airflow_provider_assets.landing.checkpoint import Checkpoint, load
from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.describe import describe_files
from airflow_provider_assets.landing.files_checkpoint import FilesCheckpoint
from airflow_provider_assets.landing.layouts.archive import land_object
from airflow_provider_assets.landing.layouts.parts import part_size
from airflow_provider_assets.landing.manifest import Entry, Manifest
from airflow_provider_assets.landing.names import Names
from airflow_provider_assets.landing.options import (
    LEAST_MEMORY,
    PARALLEL_REQUESTS,
    SAVE_SECONDS,
    Source,
)
from airflow_provider_assets.landing.stores.base import holds
from airflow_provider_assets.sansio.fingerprints import fingerprint
from airflow_provider_assets.sansio.strict_json import JSON

_TICK = 0.1  # seconds between looks at progress


Result = tuple[Entry, bool]  # one file, and whether its length was announced


def land_files(call: LandingCall, sources: Sequence[Source]) -> tuple[Manifest, list[Entry]]:
    """Land every source as a file of its own, in parallel. The first failure cancels the others.

    :raises AssetsError: the first failure. Files that were verified before it stay for the next attempt,
        but do not count as landed without a manifest.
    """
    parallel = _downloads_at_a_time(call, len(sources))
    calls = _calls(call, sources, parallel)
    call.meter.is_shared = True
    if all(source.file.size is not None for source in sources):
        call.meter.total = sum(source.file.size or 0 for source in sources)
    landed = FilesCheckpoint(call, fingerprint([one.name for one in calls]))
    broken = [
        load(call.state, one.key, label=call.label) if landed.is_known else None for one in calls
    ]
    fresh = [one.key for one, found in zip(calls, broken, strict=True) if not found]
    call.store.sweep([call.manifest_key, *fresh])
    pool = ThreadPoolExecutor(parallel, "landing")
    running = [
        pool.submit(_land_or_keep, one, source, landed.done.get(str(number)), found)
        for number, (one, source, found) in enumerate(zip(calls, sources, broken, strict=True))
    ]
    try:
        _wait_for(running, call, landed)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        call.cancel.set()
        pool.shutdown()
        _remember(running, landed)
        raise
    pool.shutdown()
    results = [future.result() for future in running]
    entries, known_length = [entry for entry, _ in results], all(known for _, known in results)
    entries.sort(key=lambda entry: entry.name)
    return describe_files(call, entries, known_length=known_length, zipped=False), entries


def _wait_for(
    running: Sequence[Future[Result]], call: LandingCall, landed: FilesCheckpoint
) -> None:
    """Wait until all have landed.

    :raises BaseException: the first failure.
    """
    landed.save()
    saved, waiting = call.options.clock(), set(running)
    while waiting:
        done, waiting = wait(waiting, _TICK, FIRST_EXCEPTION)
        for future in done:
            future.result()
        call.meter.report_if_due()
        if call.options.clock() - saved >= SAVE_SECONDS:
            saved = call.options.clock()
            _remember(running, landed)


def _remember(running: Sequence[Future[Result]], landed: FilesCheckpoint) -> None:
    for number, future in enumerate(running):
        if future.done() and not future.cancelled() and not future.exception():
            entry, known_length = future.result()
            landed.done[str(number)] = [entry.bytes, entry.crc32, known_length]
    landed.save()


def _downloads_at_a_time(call: LandingCall, many: int) -> int:
    """Number of parallel downloads, each of which holds at least two parts in memory."""
    room = call.options.max_memory // (2 * part_size(call))
    return max(1, min(call.options.concurrency or PARALLEL_REQUESTS, many, room))


def _calls(call: LandingCall, sources: Sequence[Source], parallel: int) -> list[LandingCall]:
    """A call for each file, with its share of the budgets."""
    names = Names(prefix=call.prefix)
    options = call.options
    if parallel > 1:
        options = replace(
            options,
            concurrency=max(1, (options.concurrency or PARALLEL_REQUESTS) // parallel),
            max_memory=max(LEAST_MEMORY, options.max_memory // parallel),
        )
    given = [names.give(source.own_name) for source in sources]
    replacing = replace(call.replacing, at_least=0)  # of all files together
    return [replace(call, name=name, options=options, replacing=replacing) for name in given]


def _land_or_keep(
    call: LandingCall, source: Source, done: JSON, checkpoint: Checkpoint | None
) -> Result:
    """Land one file, unless an earlier attempt has landed it.

    :param done: record of the file in :class:`FilesCheckpoint`, None if it has not landed.
    :param checkpoint: that of the file, None if there is none.
    """
    if isinstance(done, list):
        size, crc, known_length = cast("tuple[int, str, bool]", done)
        same = source.file.size in (None, size)
        if same and holds(call.store, call.key, Checksum(size, int(crc, 16))):
            call.meter.keep(size)
            return Entry(call.name, size, crc), known_length
    record, _ = land_object(call, source, checkpoint)
    entry = Entry(call.name, record.bytes, record.crc32, record.sha256)
    return entry, "length" not in record.unverified
