"""``layout="files"`` from several downloads: each lands as it is, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace

from airflow_provider_assets.landing.describe import describe_files
from airflow_provider_assets.landing.fetch import land_one
from airflow_provider_assets.landing.job import Job
from airflow_provider_assets.landing.manifest import SUFFIX, Entry, Manifest
from airflow_provider_assets.landing.model import MIB, Source
from airflow_provider_assets.landing.names import Names
from airflow_provider_assets.landing.resume import landed_files

_SIDE_BY_SIDE = 8  # downloads
_TICK = 0.1  # seconds between looks at progress


def land_many(job: Job, sources: Sequence[Source]) -> tuple[Manifest, list[Entry]]:
    """Land every source as a file of its own, side by side. The first failure ends them all.

    :raises AssetsError: files that were verified before stay; without a manifest they do not count.
    """
    jobs = _jobs(job, sources)
    job.meter.shared = True
    if all(source.file.size is not None for source in sources):
        job.meter.total = sum(source.file.size or 0 for source in sources)
    there = landed_files(job, f"{len(jobs)} files")
    job.store.sweep([job.manifest_key, *(one.key for one in jobs)])
    with ThreadPoolExecutor(_SIDE_BY_SIDE, "landing") as pool:
        waiting = {
            pool.submit(_land_or_keep, one, source, there)
            for one, source in zip(jobs, sources, strict=True)
        }
        landed = []
        try:
            while waiting:
                done, waiting = wait(waiting, _TICK, FIRST_EXCEPTION)
                landed += [future.result() for future in done]
                job.meter.tell()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            job.halt.set()
            raise
    entries = [entry for entry, _ in landed]
    known_length = all(known for _, known in landed)
    return describe_files(job, entries, known_length=known_length, zipped=False), entries


def _jobs(job: Job, sources: Sequence[Source]) -> list[Job]:
    """One for each file, with its share of the budgets."""
    names, few = Names(frozenset({job.name + SUFFIX})), min(_SIDE_BY_SIDE, len(sources))
    options = job.options
    if few > 1:
        options = replace(
            options,
            concurrency=max(1, (options.concurrency or _SIDE_BY_SIDE) // few),
            max_memory=max(32 * MIB, options.max_memory // few),
        )
    given = [names.give(source.file.name or source.file.key) for source in sources]
    return [replace(job, name=name, options=options) for name in given]


def _land_or_keep(job: Job, source: Source, there: Mapping[str, int]) -> tuple[Entry, bool]:
    """The file as it landed, now or in an earlier attempt, and whether its length was announced."""
    size = source.file.size
    if size is not None and there.get(job.key) == size:
        stored = job.store.head(job.key)
        crc = f"{stored.crc32:08x}" if stored and stored.crc32 is not None else None
        return Entry(job.name, size, crc), True
    record, _ = land_one(job, source)
    known = "length" not in record.unverified
    return Entry(job.name, record.bytes, record.crc32, record.sha256), known
