"""Landing of one archive: skip it if it is there, else fetch, verify and publish it, then its manifest."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from airflow_provider_assets.landing.call import ANYTHING, NOTHING, LandingCall, Replacing
from airflow_provider_assets.landing.checkpoint import load
from airflow_provider_assets.landing.entries import Files
from airflow_provider_assets.landing.files_checkpoint import forget_files
from airflow_provider_assets.landing.layouts.archive import land_object
from airflow_provider_assets.landing.manifest import Contents, Manifest
from airflow_provider_assets.landing.markers import OWNERSHIP_MARKER
from airflow_provider_assets.landing.options import LandingOptions, Progress, Source
from airflow_provider_assets.landing.ownership import commit, ensure_free, remove_own_marker
from airflow_provider_assets.landing.previous import landed_before, refuse_fewer
from airflow_provider_assets.landing.progress import Meter
from airflow_provider_assets.landing.state import BestEffortState, State
from airflow_provider_assets.landing.stores.base import Store
from airflow_provider_assets.landing.stores.object_options import DEFAULTS, ObjectOptions
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.strict_json import JSON


def _by_layout(call: LandingCall, sources: Sequence[Source]) -> tuple[Manifest, Files]:
    if len(sources) > 1:
        refuse_fewer(call, len(sources), call.replacing.at_least)
    if call.layout == "files":
        if len(sources) == 1:
            from airflow_provider_assets.landing.layouts.staged import land_staged
            from airflow_provider_assets.landing.layouts.unzip import land_unpacked

            land_one = land_staged if sources[0].single_use else land_unpacked
            return land_one(call, sources[0])
        from airflow_provider_assets.landing.layouts.files import land_files

        return land_files(call, sources)
    if any(source.single_use for source in sources):
        ensure_free(call)
    checkpoint = load(call.state, call.key, label=call.label)
    # A kill may have left any of them; the object itself is continued if its parts are known.
    beside = [call.manifest_key, call.key + OWNERSHIP_MARKER]
    call.store.sweep(beside if checkpoint else [call.key, *beside])
    if len(sources) == 1:
        return land_object(call, sources[0], checkpoint)
    from airflow_provider_assets.landing.layouts.pack import land_packed

    return land_packed(call, sources)


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
    contents: Contents | None = None,
    object_options: ObjectOptions = DEFAULTS,
    progress: Callable[[Progress], None] | None = None,
    state: State | None = None,
) -> Manifest:
    """Land *sources* in *store* and return what landed.

    The contents that ``facts["fingerprint"]`` identifies land once. A call with equal ``facts`` lands again
    only if the object is gone or, with *overwrite*, has been changed. A call with other ``facts`` (another
    archive of the same contents) replaces a landing that is incomplete, unless it has fewer files; any other
    only with *overwrite*.

    :param prefix: prefix of all keys, with its trailing slash if it is a folder.
    :param name: name of the object (``archive``) or of the manifest (``files``); None: that of the source.
    :param layout: ``archive``: one object; ``files``: one object per file.
    :param overwrite: replace objects that have the same names.
    :param expected: number of files that the landing should hold; one that holds fewer counts as
        complete only for the same archive. 0: unknown.
    :param verify: read zip and gzip archives through; length and checksums are always compared.
    :param facts: origin of the archive, recorded in the manifest; JSON without secrets.
    :param contents: the items in *sources*, recorded in the manifest object only.
    :param object_options: properties of the data objects, and of nothing else. A landing that is there
        already is the same with any of them.
    :param progress: called in the calling thread, at most every 5 s or 5 %.
    :param state: keeps checkpoints for the next attempt; None: a broken landing starts from scratch. A
        state that fails is logged and never fails the landing.
    :raises InvalidRequestError: if the name is taken, or an argument is wrong.
    :raises PartialArchiveError: if an incomplete landing has more files than the one that would replace it.
    :raises TransferInterruptedError: if source or store failed too often; another attempt may succeed.
    :raises IntegrityError: if the bytes that arrived are not those that were announced.
    :raises AuthenticationError, ArchiveExpiredError: if fresh links are refused.
    """
    budget = options or LandingOptions()
    call = LandingCall(
        store=store,
        prefix=prefix,
        name=name or _own_name(sources, layout),
        layout=layout,
        replacing=ANYTHING if overwrite else NOTHING,
        expected=expected,
        verify=verify,
        options=budget,
        facts=json.loads(json.dumps(dict(facts or {}))),  # in the form that a manifest returns
        meter=Meter(budget.clock, progress),
        state=None if state is None else BestEffortState(state),
        contents=contents,
        object_options=object_options,
    )
    return _land(call, sources)


def _own_name(sources: Sequence[Source], layout: str) -> str:
    """The default name: that of the only source, else one for the layout."""
    own = sources[0].file.name if len(sources) == 1 else ""
    return own or ("archive.zip" if layout == "archive" else "files")


def _land(call: LandingCall, sources: Sequence[Source]) -> Manifest:
    if call.layout not in ("archive", "files"):
        raise InvalidRequestError(f"layout must be 'archive' or 'files', not {call.layout!r}")
    if not sources:
        raise InvalidRequestError("nothing to land: no source was given")
    call.store.check(call.object_options)
    before = landed_before(call)
    if before and before.is_due_again(call):
        if not call.replacing.is_allowed:  # the object of that name is ours
            incomplete = Replacing(is_allowed=True, at_least=before.record.entries)
            call = replace(call, replacing=incomplete)
    elif before and before.is_whole(call):
        remove_own_marker(call)
        _clean_up(call, sources)
        return replace(before.record, skipped=True)
    call = replace(call, has_manifest=before is not None)
    record, files = _by_layout(call, sources)
    commit(call, record, files)
    _clean_up(call, sources)
    call.meter.finish()
    return record


def _clean_up(call: LandingCall, sources: Sequence[Source]) -> None:
    """Remove the staged package and the state, which only an unfinished landing needs.

    A package that cannot be unpacked was staged, too, before it lands as an archive.
    """
    if call.layout == "files" or any(source.single_use for source in sources):
        from airflow_provider_assets.landing.layouts.staged import clear_stage

        clear_stage(call)
        forget_files(call)
