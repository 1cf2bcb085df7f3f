"""The landing of one archive: skip, fetch, verify, publish, and the manifest last."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from airflow_provider_assets.landing.checkpoint import forget_files, load
from airflow_provider_assets.landing.job import Job
from airflow_provider_assets.landing.layouts.archive import land_one
from airflow_provider_assets.landing.manifest import Entry, Manifest
from airflow_provider_assets.landing.options import LandingOptions, Progress, Source
from airflow_provider_assets.landing.ownership import commit, ensure_free
from airflow_provider_assets.landing.previous import landed_before
from airflow_provider_assets.landing.progress import Meter
from airflow_provider_assets.landing.state import BestEffortState, State
from airflow_provider_assets.landing.stores.base import Store
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.messages import JSON


def _move(job: Job, sources: Sequence[Source]) -> tuple[Manifest, list[Entry]]:
    if job.layout == "files":
        if len(sources) == 1:
            from airflow_provider_assets.landing.layouts.staged import land_package
            from airflow_provider_assets.landing.layouts.unzip import land_unpacked

            land_files = land_package if sources[0].single_use else land_unpacked
            return land_files(job, sources[0])
        from airflow_provider_assets.landing.layouts.files import land_many

        return land_many(job, sources)
    if any(source.single_use for source in sources):
        ensure_free(job)
    known = load(job.state, job.key, label=job.label)
    if known is None:
        job.store.sweep([job.key, job.manifest_key])
    if len(sources) == 1:
        return land_one(job, sources[0], known)
    from airflow_provider_assets.landing.layouts.pack import land_packed

    return land_packed(job, sources)


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
    budget = options or LandingOptions()
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
        job = replace(job, overwrite=True)  # what is there is our own
    elif before and before.is_whole(job):
        _clean_up(job)
        return replace(before.record, skipped=True)
    record, files = _move(job, sources)
    commit(job, record, files)
    _clean_up(job)
    job.meter.finish()
    return record


def _clean_up(job: Job) -> None:
    """Remove what only an unfinished landing needs."""
    if job.layout == "files":
        from airflow_provider_assets.landing.layouts.staged import clear_stage

        clear_stage(job)
        forget_files(job)
