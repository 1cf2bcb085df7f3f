"""The landing of one archive: skip, fetch, verify, publish, and the manifest last."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from airflow_provider_assets.landing import manifest as records
from airflow_provider_assets.landing.checkpoint import forget_files, load
from airflow_provider_assets.landing.job import Job
from airflow_provider_assets.landing.layouts.archive import land_one
from airflow_provider_assets.landing.manifest import Entry, Manifest
from airflow_provider_assets.landing.options import LEAST_MEMORY, LandingOptions, Progress, Source
from airflow_provider_assets.landing.ownership import release
from airflow_provider_assets.landing.progress import Meter
from airflow_provider_assets.landing.state import BestEffortState, State
from airflow_provider_assets.landing.stores.base import Store, best_effort, put_document
from airflow_provider_assets.sansio.errors import IntegrityError, InvalidRequestError
from airflow_provider_assets.sansio.messages import JSON

STAGING = ".staging/"
_count = threading.Lock()
_running: list[LandingOptions] = []


@dataclass(frozen=True, slots=True)
class PreviousLanding:
    """What an earlier landing of the same contents recorded."""

    record: Manifest
    document: bytes

    def is_due_again(self, job: Job) -> bool:
        """Whether *job* brings another archive that has to take the place of this one."""
        known = self.record
        counted = known.layout == "files" or "zip_structure" in known.verified
        incomplete = counted and known.entries < job.expected
        return known.facts != job.facts and (job.overwrite or incomplete)

    def is_whole(self, job: Job) -> bool:
        """Whether what was recorded is there, in the form that *job* wants."""
        known, store = self.record, job.store
        if known.layout != job.layout:
            return False
        if known.layout == "files":
            sizes = store.sizes(job.prefix)
            wanted = ((job.prefix + e.name, e.bytes) for e in records.entries(self.document))
            return all(sizes.get(key) == size for key, size in wanted)
        there = store.head(job.key)
        if there is None or there.size != known.bytes:
            return False
        return there.crc32 is None or not known.crc32 or f"{there.crc32:08x}" == known.crc32


def landed_before(job: Job) -> PreviousLanding | None:
    """What the manifest under our name records, if it is of the same contents.

    :raises InvalidRequestError: if another landing owns the name and ``overwrite`` is false.
    """
    document = job.store.get(job.manifest_key)
    if document is None:
        return None
    known = records.parse(document)
    if records.identity(known.facts) == job.label:
        return PreviousLanding(known, document)
    if job.overwrite:
        return None
    raise InvalidRequestError(
        f"{job.store.uri(job.manifest_key)} records another landing; "
        "choose another name or set overwrite=True"
    )


@contextmanager
def _shared(options: LandingOptions) -> Iterator[LandingOptions]:
    """*options* with this landing's share of what one process may use."""
    with _count:
        _running.append(options)
        many = len(_running)
    try:
        yield replace(
            options,
            max_memory=max(LEAST_MEMORY, options.max_memory // many),
            max_concurrency=max(1, options.max_concurrency // many),
        )
    finally:
        with _count:
            _running.pop()


def _move(job: Job, sources: Sequence[Source]) -> tuple[Manifest, list[Entry]]:
    if job.layout == "files":
        if len(sources) == 1:
            return _land_inside(job, sources[0])
        from airflow_provider_assets.landing.layouts.files import land_many

        return land_many(job, sources)
    if load(job.state, job.key, label=job.label) is None:
        job.store.sweep([job.key, job.manifest_key])
    if len(sources) == 1:
        return land_one(job, sources[0])
    from airflow_provider_assets.landing.layouts.pack import land_packed

    return land_packed(job, sources)


def _land_inside(job: Job, source: Source) -> tuple[Manifest, list[Entry]]:
    """The files of one source. A package that comes once is kept whole until they have landed."""
    from airflow_provider_assets.landing.layouts.unzip import land_staged, land_unpacked

    stage = replace(job, prefix=f"{job.prefix}{STAGING}", layout="archive", overwrite=True)
    before = landed_before(stage)
    if before and before.is_whole(stage) and not before.is_due_again(job):
        kept = before.record
    else:
        if not source.single_use:
            return land_unpacked(job, source)
        stage.store.sweep([stage.key])
        kept, inside = land_one(stage, source)
        _commit(stage, kept, inside)
    try:
        return land_staged(job, stage.key, kept.bytes)
    except IntegrityError:
        _clear_stage(job)  # the next attempt would find it again
        raise


def _commit(job: Job, record: Manifest, files: list[Entry]) -> None:
    put_document(job.store, job.manifest_key, record.document(files))
    release(job)


def land(
    sources: Sequence[Source],
    store: Store,
    *,
    prefix: str = "",
    name: str | None = None,
    layout: str = "archive",
    overwrite: bool = False,
    expected: int = 0,
    verify: bool = True,
    options: LandingOptions | None = None,
    facts: Mapping[str, JSON] | None = None,
    progress: Callable[[Progress], None] | None = None,
    state: State | None = None,
) -> Manifest:
    """Land *sources* in *store* and return what landed.

    What ``facts["fingerprint"]`` names is landed once: the very same ``facts`` never again, unless the
    object is damaged; other facts (another archive of the same contents) only to replace what is
    incomplete, or with *overwrite*.

    :param prefix: key prefix, with its trailing slash if it is a folder.
    :param name: of the object (``archive``) or of the manifest (``files``); None: the source's own.
    :param layout: ``archive``: one object; ``files``: one object per file.
    :param overwrite: replace what has the same name.
    :param expected: files that the landing should hold; one that holds fewer counts as done only for
        the very same archive.
    :param verify: read zip and gzip archives through; length and checksums are always compared.
    :param facts: remembered in the manifest; JSON, and no secret.
    :param progress: called at most every 5 s or 5 %, in the calling thread.
    :param state: where a broken landing is remembered for the next attempt; None: nowhere. If it fails,
        that is logged and the landing continues.
    :raises InvalidRequestError: if the name is taken, or the arguments are wrong.
    :raises TransferInterruptedError: if source or store failed too often; try again.
    :raises IntegrityError: if what arrived is not what was announced.
    :raises AuthenticationError, ArchiveExpiredError: if fresh links are refused.
    """
    with _shared(options or LandingOptions()) as budget:
        job = Job(
            store=store,
            prefix=prefix,
            name=name or _own_name(sources, layout),
            layout=layout,
            overwrite=overwrite,
            expected=expected,
            verify=verify,
            options=budget,
            facts=json.loads(json.dumps(dict(facts or {}))),  # as a manifest will give them back
            meter=Meter(budget.clock, progress),
            state=None if state is None else BestEffortState(state),
        )
        return _land(job, sources)


def _own_name(sources: Sequence[Source], layout: str) -> str:
    """The name of what is given none: that of its only source, else of its kind."""
    own = sources[0].file.name if len(sources) == 1 else ""
    return own or ("archive.zip" if layout == "archive" else "files")


def _land(job: Job, sources: Sequence[Source]) -> Manifest:
    if job.layout not in ("archive", "files"):
        raise InvalidRequestError(f"layout must be 'archive' or 'files', not {job.layout!r}")
    if not sources:
        raise InvalidRequestError("there is nothing to land")
    before = landed_before(job)
    if before and before.is_due_again(job):
        job = replace(job, overwrite=True)  # what stands there is our own
    elif before and before.is_whole(job):
        _clear_stage(job)
        return replace(before.record, skipped=True)
    record, files = _move(job, sources)
    _commit(job, record, files)
    _clear_stage(job)
    if job.layout == "files":
        forget_files(job)
    job.meter.finish()
    return record


def _clear_stage(job: Job) -> None:
    stage = replace(job, prefix=f"{job.prefix}{STAGING}")

    def clear() -> None:
        if job.store.head(stage.manifest_key):
            job.store.delete(stage.key)
            job.store.delete(stage.manifest_key)

    if job.layout == "files":
        best_effort(clear)
