"""Lands the archive of one batch: opens its links, names its objects, and describes its items."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, NamedTuple

from airflow_provider_assets.deliveries.landed_items import LandedItems
from airflow_provider_assets.deliveries.log import ProgressLog, log_landed
from airflow_provider_assets.deliveries.origin import check_facts, contents_of, facts_of
from airflow_provider_assets.deliveries.single_use import SingleUseLanding
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.landing import LandingOptions, ObjectOptions, Source, land
from airflow_provider_assets.landing.markers import MANIFEST_SUFFIX, STARTED_MARKER
from airflow_provider_assets.reports.page import report_name
from airflow_provider_assets.sansio.downloads import ArchiveFile, Link
from airflow_provider_assets.sansio.jobs import ArchiveReference, ArchiveRequest, Data, Item

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from airflow_provider_assets.destinations import Destination
    from airflow_provider_assets.landing import Manifest, State
    from airflow_provider_assets.metadata import Format
    from airflow_provider_assets.sansio.records import Record

# Links are never logged. Masking them is a second safeguard, at a cost that grows quadratically.
MAX_MASKED = 16


@dataclass(frozen=True)
class Choices:
    """The choices of a task that lands archives: the operator's parameters of these names.

    :param is_reported: whether a task after this one writes a report of the run.
    :param options: the budgets of the engine.
    """

    layout: Literal["archive", "files"]
    name: str | None
    overwrite: bool
    verify: bool
    target_format: str | None
    max_reexports: int
    metadata: Format | None
    object_options: ObjectOptions
    is_reported: bool
    options: LandingOptions


class StoredArchive(NamedTuple):
    """An archive in the store: its manifest, and the name of the manifest's object."""

    manifest: Manifest
    name: str


@dataclass(frozen=True)
class BatchLanding:
    """Lands batches in *target*.

    :param state: where broken landings resume from; None if nothing is kept.
    """

    hook: AssetArchiveHook
    target: Destination
    state: State | None
    choices: Choices
    log: Logger

    def land(self, reference: ArchiveReference) -> tuple[Data, LandedItems]:
        """Land the archive of *reference*, and describe its items beside it.

        :returns: the manifest without its entries but with the URIs of metadata and report, and the items.
        :raises AssetsError: if the landing failed; no incomplete object is visible then.
        """
        request, records = self.hook.plans.load(reference.request)
        reference = replace(reference, request=request)
        spec = self.hook.vendor.spec
        if spec.single_use:
            marker = f"{self.target.prefix}{self._stem(request)}{STARTED_MARKER}"
            once = SingleUseLanding(
                self.hook, self.target.store, marker, self.choices.max_reexports
            )
            stored = once.land(reference, self._run_engine)
        else:
            stored = self._run_engine(reference)
        log_landed(self.log, stored.manifest)
        items = LandedItems(reference, spec, stored.manifest, self.target, stored.name)
        result = stored.manifest.to_dict() | self._describe(items, records)
        if self.choices.is_reported:
            result["report_uri"] = self.target.store.uri(self.target.prefix + report_name(request))
        return result, items

    def _run_engine(
        self, reference: ArchiveReference, before_get: Callable[[], None] = lambda: None
    ) -> StoredArchive:
        """Land what the vendor made.

        :param before_get: called immediately before a link is used; it may raise.
        """
        target_format, spec = self.choices.target_format, self.hook.vendor.spec
        files = self.hook.files(reference, target_format=target_format)
        name = self._object_name(files, reference.request)
        progress, started = ProgressLog(self.log), time.monotonic()
        manifest = land(
            self._sources(reference, files, before_get),
            self.target.store,
            prefix=self.target.prefix,
            name=name,
            layout=self.choices.layout,
            overwrite=self.choices.overwrite,
            expected=self._expected(files, reference.request),
            verify=self.choices.verify,
            options=self.choices.options,
            facts=facts_of(reference, target_format, spec),
            contents=contents_of(reference),
            object_options=self.choices.object_options,
            progress=progress,
            state=self.state,
        )
        if manifest.skipped:
            check_facts(manifest)
            self.hook.metrics.skipped()
        else:
            self.hook.metrics.landed(
                stored=manifest.bytes,
                files=manifest.entries,
                seconds=time.monotonic() - started,
                is_resumed=progress.is_resumed,
            )
        return StoredArchive(manifest, f"{name}{MANIFEST_SUFFIX}")

    def _sources(
        self,
        reference: ArchiveReference,
        files: Sequence[ArchiveFile],
        before_get: Callable[[], None],
    ) -> list[Source]:
        def link(file: ArchiveFile) -> Link:
            made = self.hook.link(
                reference,
                file,
                target_format=self.choices.target_format,
                mask=len(files) <= MAX_MASKED,
            )
            before_get()
            return made

        single_use = self.hook.vendor.spec.single_use
        return [Source(file, partial(link, file), single_use=single_use) for file in files]

    def _describe(self, items: LandedItems, records: Mapping[Item, Record]) -> Data:
        """Write the metadata of *items*, if there is to be any; returns what the result says about it."""
        metadata = self.choices.metadata
        if metadata == "auto":
            metadata = "jsonl" if records else None
        if not metadata:
            return {}
        uri, rows = items.write_metadata(records, metadata=metadata)
        self.log.info("Wrote the metadata of %d items to %s", rows, uri)
        return {"metadata_uri": uri, "metadata_rows": rows}

    def _expected(self, files: Sequence[ArchiveFile], request: ArchiveRequest) -> int:
        """Number of files that the landing should hold; 0 if they cannot be counted, or are not read."""
        is_read = self.choices.verify or len(files) > 1
        return request.count if is_read and self.hook.vendor.spec.entry_per_item else 0

    # --- names --------------------------------------------------------------------------------

    def _stem(self, request: ArchiveRequest) -> str:
        if self.choices.name:
            number = f"-{request.index + 1:03d}" if request.of > 1 else ""
            return f"{self.choices.name}{number}"
        return request.stem

    def _object_name(self, files: Sequence[ArchiveFile], request: ArchiveRequest) -> str:
        """Name of the object or, for ``layout="files"``, of the manifest, which names no object."""
        stem = self._stem(request)
        if self.choices.layout == "files":
            return stem
        if len(files) == 1:
            # A dot of the stem (a window of milliseconds) does not begin a file extension.
            name = files[0].name.removeprefix(request.stem)
            return f"{stem}{PurePosixPath(f'_{name}').suffix if name else ''}"
        return f"{stem}.zip"
