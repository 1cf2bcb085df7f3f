"""The operator that lands a finished archive in object storage and verifies it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast
from urllib.parse import urlsplit

from airflow.sdk import BaseOperator

from airflow_provider_assets.deliveries.arguments import TEMPLATES, budgets, check_landing
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.hooks.client import download_limit
from airflow_provider_assets.links import DestinationLink, ManifestLink, show_link
from airflow_provider_assets.outcomes import default_retry_policy, raise_for_airflow
from airflow_provider_assets.reports.notes import note_of
from airflow_provider_assets.sansio.errors import (
    HOPELESS,
    ArchiveExpiredError,
    AssetsError,
    IntegrityError,
    InvalidRequestError,
    JobError,
    PartialArchiveError,
)
from airflow_provider_assets.sansio.groups import ungrouped
from airflow_provider_assets.sansio.jobs import ArchiveReference, Data, JobState
from airflow_provider_assets.sansio.verdict import first_of

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context, ObjectStoragePath, XComArg

    from airflow_provider_assets.deliveries.batch_landing import BatchLanding, Choices
    from airflow_provider_assets.deliveries.landed_items import LandedItems
    from airflow_provider_assets.landing import LandingOptions, ObjectOptions
    from airflow_provider_assets.metadata import Format
    from airflow_provider_assets.vendors.base import Vendor

MIB = 1 << 20
# A retry of the landing cannot bring back an expired archive.
_HOPELESS = (*HOPELESS, ArchiveExpiredError)


class ArchiveToObjectStorageOperator(BaseOperator):
    """Move a finished archive into your own object storage, without holding it in memory or on disk.

    The object becomes visible only after its length and checksums have been verified, and a manifest
    beside it lists its files. An archive that has landed before is skipped. If that landing holds fewer files
    than were requested, another archive of the same items replaces it. Returns the manifest without its
    entries; of a group, a list of them.

    :param archive: one of the references (or groups of them) that ``AssetArchiveOperator`` or
        ``AssetArchiveSensor`` returned; map over them with ``.expand(archive=archive.output)``. A mapped
        archive task returns lists: flatten them in an intermediate task,
        ``[one for many in archives for one in many]``.
    :param destination: Airflow object storage URL, ``s3://conn_id@bucket/prefix/`` or ``file:///...``, or
        an ``ObjectStoragePath``.
    :param layout: ``archive`` (default) lands one object, ``files`` one object per file. Files keep the
        vendor's names, which may be equal in several runs: give each day or run a folder of its own in
        *destination*, ``s3://.../day={{ macros.ds_add(ds, -1) }}/`` in a ``@daily`` DAG, which exports the
        day before its date. Runs that an asset started have no ``ds``: use ``{{ run_id }}`` there.
    :param name: name of the object, or of the manifest of files, without a file extension. By default it
        consists of vendor, window (or, for named items, the run's date) and query. If there are several
        batches, each gets a number. The extension is the vendor's. ROMA Connect documents no container
        format and gives no extension: its packages land without one, unless *name* has one; a ``.zip`` that
        is not a zip is then refused.
    :param overwrite: replace the landing of another archive under the same name; false by default.
    :param verify: read zip and gzip archives through while they arrive; true by default. Length and
        checksums are always compared.
    :param sha256: compute the SHA-256 of the object; by default up to 256 MiB, and for larger objects only
        if the store keeps no checksum of its own. It costs a third of the speed, and a broken landing
        cannot be resumed with it.
    :param concurrency: number of connections to the source; chosen adaptively by default.
    :param part_size: bytes per part, at least 1 MiB; 8 MiB by default, or more if the store limits the
        number of parts.
    :param max_memory: bytes of memory that the engine may use, at least 32 MiB; 128 MiB by default.
    :param target_format: format into which the vendor converts every file (Scenario only), which are then
        downloaded one by one; no conversion by default.
    :param max_reexports: number of times per attempt that the vendor may be asked to export a single-use
        archive again after its download broke; 1 by default.
    :param on_partial: ``fail`` (default) raises ``PartialArchiveError`` after an archive with fewer files
        than requested has landed; ``land`` logs a warning instead.
    :param max_entries: largest number of entries of an archive, 1,000,000 by default; an archive with more
        raises ``InvalidRequestError``.
    :param max_unpacked: bytes that ``layout="files"`` may unpack to, 1 TiB by default; an archive with more
        raises ``InvalidRequestError``.
    :param max_ratio: unpacked bytes per packed byte of one entry of more than 64 MiB, 200 by default; a
        larger ratio raises ``InvalidRequestError``. It applies only where archives are unpacked
        (``layout="files"``). Deflate can reach 1032, but only for few kinds of data:
        text that repeats one line, and zip bombs.
    :param metadata: format of the items' metadata, which is stored below ``metadata/`` in *destination*:
        a row per item with what the vendor's listing says (prompt, model, seed, …), its file and the
        checksum. ``jsonl``; ``parquet``, which needs the extra ``parquet``; or None for no metadata. By
        default, ``jsonl`` if what the listing says has been kept, which ``asset_export`` does.
    :param object_options: properties of the data objects, as a mapping: ``content_type`` (a media type for
        all; by default that of each name's extension), ``storage_class``, ``tags``, ``metadata`` (user
        metadata), ``acl`` and ``kms_key``. ``docs/stores.md`` lists which store has which; one that the
        destination lacks raises ``InvalidRequestError`` before anything is downloaded. Manifests, metadata,
        plans and reports have none of them. They are not part of a landing's identity: what has landed
        is skipped even if they have changed.
    :param report: whether ``AssetReportOperator`` writes a page about the run to *destination* afterwards, as
        ``asset_export(report=True)`` has it do: asset events then say where; false by default.
    :raises AssetsError: if the landing failed (see ``sansio.errors``); no incomplete object is visible then.
    """

    template_fields: Sequence[str] = ("archive", *TEMPLATES)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "archive": "json",
        "object_options": "json",
    }
    operator_extra_links = (DestinationLink(), ManifestLink())
    ui_color = "#e0e8f0"

    def __init__(
        self,
        *,
        archive: Data | XComArg,
        destination: str | ObjectStoragePath,
        layout: Literal["archive", "files"] = "archive",
        name: str | None = None,
        overwrite: bool = False,
        verify: bool = True,
        sha256: bool | None = None,
        concurrency: int | None = None,
        part_size: int | None = None,
        max_memory: int = 128 * MIB,
        target_format: str | None = None,
        max_reexports: int = 1,
        on_partial: Literal["fail", "land"] = "fail",
        max_entries: int | None = None,
        max_unpacked: int | None = None,
        max_ratio: int | None = None,
        metadata: Format | None = "auto",
        object_options: Mapping[str, Any] | None = None,
        report: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**default_retry_policy(self, kwargs, _HOPELESS))
        self.archive = cast("Data", archive)  # once Airflow has rendered the result of another task
        self.destination = destination
        self.layout = layout
        self.name = name
        self.overwrite = overwrite
        self.verify = verify
        self.sha256 = sha256
        self.concurrency = concurrency
        self.part_size = part_size
        self.max_memory = max_memory
        self.target_format = target_format
        self.max_reexports = max_reexports
        self.on_partial = on_partial
        self.max_entries = max_entries
        self.max_unpacked = max_unpacked
        self.max_ratio = max_ratio
        self.metadata = metadata
        self.object_options = object_options
        self.report = report
        self._vendor: Vendor | None = None
        self._landed: list[Data] = []

    @cached_property
    def references(self) -> list[ArchiveReference]:
        """The typed form of *archive*: one reference, or those of a group.

        :raises InvalidRequestError: if one is not a reference, or its job is not finished.
        """
        references = [ArchiveReference.from_dict(one) for one in ungrouped(self.archive)]
        for job in [reference.job for reference in references]:
            if job.state is not JobState.SUCCEEDED:
                raise InvalidRequestError(
                    f"archive: job {job.job_id} is {job.state.value}; wait for it with "
                    "AssetArchiveSensor, or leave wait_for_completion of AssetArchiveOperator on"
                )
        return references

    @property
    def label(self) -> str:
        """Name of a mapped task in the grid, ``batch 2/3 · 1000 items``.

        It ends with the connection unless that is the vendor's default one: exports that are mapped over
        connections are told apart by it.
        """
        try:
            references = [ArchiveReference.from_dict(one) for one in ungrouped(self.archive)]
        except AssetsError:  # execute says what is wrong with it
            return ""
        requests = [reference.request for reference in references]
        if not requests[0].count:  # a job that was started elsewhere
            return f"job {references[0].job.job_id}"
        first, last = requests[0].index + 1, requests[-1].index + 1
        batches = f"batch {first}" if first == last else f"batches {first}-{last}"
        conn_id = references[0].conn_id
        known = "" if conn_id == f"{requests[0].vendor}_default" else f" · {conn_id}"
        return f"{batches}/{requests[0].of} · {sum(one.count for one in requests)} items{known}"

    def execute(self, context: Context) -> Data | list[Data]:
        """Land the archive and return its manifest without the entries; of a group, a list of them."""
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        from airflow_provider_assets.deliveries.announcements import tell_outlets, tell_report

        # Airflow reads it from the context after the task has run; ``partial()`` knows no default of ours.
        context["map_index_template"] = context.get("map_index_template") or self.label or None
        notes: list[Data] = []
        try:
            landed = self.land_all(context, notes)
        except AssetsError as error:
            tell_report(context, self.archive, notes, error)
            raise_for_airflow(error, _HOPELESS)
        tell_report(context, self.archive, notes)
        tell_outlets(context, self.outlets, landed, is_group=self._is_group)
        for result in landed:
            get_hook_lineage_collector().add_output_asset(context=self, uri=str(result["uri"]))
        return landed if self._is_group else landed[0]

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage:
        """The data that was read and that has landed, even if the task failed."""
        from airflow_provider_assets.lineage import lineage_of

        if self._vendor is None:
            return lineage_of(None, "", [])
        references = self.references
        batches = [(reference.request, reference.job) for reference in references]
        return lineage_of(self._vendor, references[0].conn_id, batches, self._landed)

    get_openlineage_facets_on_failure = get_openlineage_facets_on_complete

    @property
    def _is_group(self) -> bool:
        return "archives" in self.archive

    def land_all(self, context: Context, notes: list[Data]) -> list[Data]:
        """Land one archive after the other. One that is damaged or cannot land does not hold up the others.

        This may also be called from within another task, which then gets no notes and no asset events.

        :param notes: gets, for each batch, what has landed in how many seconds, and the reason of its
            failure.
        :raises AssetsError: the first failure that a retry may change, or else the first.
        """
        from airflow_provider_assets.deliveries.announcements import reason_of

        batches = self._opened(context)
        landed: list[Data] = []
        failed: list[AssetsError] = []
        for reference in self.references:
            note = note_of(reference)
            notes.append(note)
            try:
                landed.append(self._land_one(context, batches, reference, note))
            except AssetsError as error:
                failed.append(error)
                note["reason"] = reason_of(error)
                if not isinstance(error, (JobError, InvalidRequestError, IntegrityError)):
                    raise  # of the store or the connection: the others would meet it, too
                if self._is_group:
                    self.log.warning("Batch %d: %s", note["batch"], error)
        if failed:
            raise next((one for one in failed if not isinstance(one, _HOPELESS)), failed[0])
        return landed

    def _opened(self, context: Context) -> BatchLanding:
        """The landing of batches in the destination, after the arguments have been checked."""
        from airflow_provider_assets.deliveries.batch_landing import BatchLanding
        from airflow_provider_assets.deliveries.state import landing_state
        from airflow_provider_assets.destinations import open_destination

        object_options = check_landing(vars(self))
        target = open_destination(self.destination)
        show_link(self, context, DestinationLink, target.browser_url())
        hook = AssetArchiveHook.for_conn(self.references[0].conn_id)
        self._vendor, self._landed = hook.vendor, []
        state = landing_state(context, target)
        return BatchLanding(hook, target, state, self._choices(hook, object_options), self.log)

    def _land_one(
        self, context: Context, batches: BatchLanding, reference: ArchiveReference, note: Data
    ) -> Data:
        """Land the archive of *reference*, and complete its *note*."""
        started = time.monotonic()
        with batches.hook.metrics.landing(reference.request):
            result, items = batches.land(reference)
        self._landed.append(result)
        show_link(self, context, ManifestLink, batches.target.browser_url(items.manifest_name))
        # A task that fails returns nothing, not even what has landed.
        numbers = {name: result[name] for name in ("uri", "bytes", "entries", "skipped")}
        note |= {"seconds": round(time.monotonic() - started, 3), **numbers}
        if lost := self._check_complete(items):
            note["missing"] = lost
        return result

    def _choices(self, hook: AssetArchiveHook, object_options: ObjectOptions) -> Choices:
        from airflow_provider_assets.deliveries.batch_landing import Choices

        return Choices(
            layout=self.layout,
            name=self.name,
            overwrite=self.overwrite,
            verify=self.verify,
            target_format=self.target_format,
            max_reexports=self.max_reexports,
            metadata=self.metadata,
            object_options=object_options,
            is_reported=self.report,
            options=self._options(hook),
        )

    def _options(self, hook: AssetArchiveHook) -> LandingOptions:
        """The options of the engine, within the connection's ``max_concurrent_downloads``."""
        from airflow_provider_assets.landing import LandingOptions

        limit, concurrency = download_limit(hook.vendor.connection), self.concurrency
        if limit is not None:
            concurrency = min(limit, concurrency or limit)
        return LandingOptions(
            **{**budgets(vars(self)), "concurrency": concurrency},
            private_hosts=_private_hosts(hook.vendor),
            allow_http=hook.vendor.connection.flag("allow_http"),
            download_hosts=hook.vendor.download_hosts,
        )

    def _check_complete(self, items: LandedItems) -> str:
        """Compare the files that landed with the items that were requested.

        :returns: the items that the vendor archived, but whose files are missing, for the report; or "".
        :raises PartialArchiveError: if items are missing, unless ``on_partial="land"``.
        """
        missing, count = items.missing(), len(items.ids)
        if not missing:
            return ""
        named = first_of(f"{item} ({why})" for item, why in missing.items())
        text = (
            f"{items.manifest.uri} holds {count - len(missing)} of the {count} requested items; "
            f"missing: {named}"
        )
        if self.on_partial == "fail":
            raise PartialArchiveError(
                f'{text}. What the vendor sent has landed; on_partial="land" accepts it',
                vendor=items.spec.name,
            )
        self.log.warning("%s", text)
        return text if missing.keys() - items.reference.job.failed.keys() else ""


def _private_hosts(vendor: Vendor) -> frozenset[str] | None:
    """The hosts that may have a private address: that of the API, or None (all) if the connection says so."""
    if vendor.connection.flag("allow_private_downloads"):
        return None
    return frozenset({urlsplit(vendor.base_url).hostname or ""})
