"""Lands the archive of one batch: opens its links, names its objects, and describes its items."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from airflow_provider_assets.deliveries.landed_items import LandedItems
from airflow_provider_assets.deliveries.origin import check_facts, contents_of, facts_of
from airflow_provider_assets.deliveries.single_use import SingleUseLanding
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.landing import LandingOptions, ObjectOptions, Source, land
from airflow_provider_assets.landing.markers import MANIFEST_SUFFIX, STARTED_MARKER
from airflow_provider_assets.landing.options import MIB
from airflow_provider_assets.reports.page import report_name
from airflow_provider_assets.sansio.downloads import ArchiveFile, Link
from airflow_provider_assets.sansio.jobs import ArchiveReference, ArchiveRequest, Data

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from airflow_provider_assets.destinations import Destination
    from airflow_provider_assets.landing import Manifest, Progress, State
    from airflow_provider_assets.metadata import Format

    Landed = tuple[Manifest, str]  # a manifest and the name of its object

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
            single_use = SingleUseLanding(
                self.hook, self.target.store, marker, self.choices.max_reexports
            )
            manifest, manifest_name = single_use.land(reference, self._land_files)
        else:
            manifest, manifest_name = self._land_files(reference)
        self._log_landed(manifest)
        items = LandedItems(reference, spec, manifest, self.target, manifest_name)
        result = manifest.to_dict()
        metadata = self.choices.metadata
        if metadata == "auto":
            metadata = "jsonl" if records else None
        if metadata:
            uri, rows = items.write_metadata(records, metadata=metadata)
            result |= {"metadata_uri": uri, "metadata_rows": rows}
            self.log.info("Wrote the metadata of %d items to %s", rows, uri)
        if self.choices.is_reported:
            result["report_uri"] = self.target.store.uri(self.target.prefix + report_name(request))
        return result, items

    def _land_files(
        self, reference: ArchiveReference, before_get: Callable[[], None] = lambda: None
    ) -> Landed:
        """Land what the vendor made.

        :param before_get: called immediately before a link is used; it may raise.
        """
        target_format = self.choices.target_format
        files = self.hook.files(reference, target_format=target_format)

        def link(file: ArchiveFile) -> Link:
            made = self.hook.link(
                reference, file, target_format=target_format, mask=len(files) <= MAX_MASKED
            )
            before_get()
            return made

        single_use = self.hook.vendor.spec.single_use
        name = self._object_name(files, reference.request)
        reports: list[Progress] = []

        def report(progress: Progress) -> None:
            reports[:] = [progress]
            self._log_progress(progress)

        started = time.monotonic()
        manifest = land(
            [Source(file, partial(link, file), single_use=single_use) for file in files],
            self.target.store,
            prefix=self.target.prefix,
            name=name,
            layout=self.choices.layout,
            overwrite=self.choices.overwrite,
            expected=self._expected(files, reference.request),
            verify=self.choices.verify,
            options=self.choices.options,
            facts=facts_of(reference, target_format, self.hook.vendor.spec),
            contents=contents_of(reference),
            object_options=self.choices.object_options,
            progress=report,
            state=self.state,
        )
        metrics = self.hook.metrics
        if manifest.skipped:
            check_facts(manifest)
            metrics.skipped()
        else:
            metrics.landed(
                stored=manifest.bytes,
                files=manifest.entries,
                seconds=time.monotonic() - started,
                is_resumed=any(progress.kept for progress in reports),
            )
        return manifest, f"{name}{MANIFEST_SUFFIX}"

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

    # --- what the log says --------------------------------------------------------------------

    def _log_progress(self, progress: Progress) -> None:
        parts = [f"{progress.bytes / MIB:.1f} MiB at {progress.rate / MIB:.1f} MiB/s"]
        if progress.percent is not None:
            parts.insert(0, f"{progress.percent:.0f} %")
        if progress.eta is not None:
            parts.append(f"{progress.eta:.0f} s left")
        self.log.info("%s", ", ".join(parts))

    def _log_landed(self, manifest: Manifest) -> None:
        if manifest.skipped:
            self.log.info(
                "%s has landed before; its size, and its checksum where the store keeps one, are those "
                "of its manifest; skipping",
                manifest.uri,
            )
            return
        self.log.info(
            "Landed %s: %d bytes, %d files, sha256 %s; verified: %s",
            manifest.uri,
            manifest.bytes,
            manifest.entries,
            manifest.sha256,
            ", ".join(manifest.verified),
        )
        for check, reason in manifest.unverified.items():
            self.log.info("Not verified: %s (%s)", check, reason)
