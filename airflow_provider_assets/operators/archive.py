"""Selects items, asks the vendor to archive them, and waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from airflow.sdk import BaseOperator

from airflow_provider_assets.airflow_compat import (
    DEFERRABLE,
    AirflowSkipException,
    TaskDeferralTimeout,
    max_map_length,
)
from airflow_provider_assets.batches.ledger import BatchLedger, RecordedBatches
from airflow_provider_assets.batches.run import BatchRun, check_one_wave
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.links import VendorJobLink, show_vendor_job
from airflow_provider_assets.listing.inputs import ExportInputs
from airflow_provider_assets.listing.watermark import Watermark
from airflow_provider_assets.outcomes import default_retry_policy, raise_for_airflow
from airflow_provider_assets.run_timing import resolve_window, run_date
from airflow_provider_assets.sansio.arguments import (
    require_mapping,
    shown,
    to_plain,
    to_seconds,
    to_timedelta,
)
from airflow_provider_assets.sansio.errors import AssetsError, InvalidRequestError
from airflow_provider_assets.sansio.groups import grouped
from airflow_provider_assets.sansio.jobs import Data
from airflow_provider_assets.sansio.settle import LISTING_LAG, PENDING_TIMEOUT, Settling
from airflow_provider_assets.sansio.window import is_unbounded
from airflow_provider_assets.triggers.archive import read_ends

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context, ObjectStoragePath, XComArg

    from airflow_provider_assets.batches.waiting import Waiting
    from airflow_provider_assets.listing.lookback import Lookback
    from airflow_provider_assets.listing.spool import ListingSpool
    from airflow_provider_assets.metadata import Format
    from airflow_provider_assets.sansio.batching import Batches
    from airflow_provider_assets.sansio.strict_json import JSON
    from airflow_provider_assets.sansio.window import Window, WindowSpec
    from airflow_provider_assets.vendors.base import Vendor

MAPPINGS = ("items", "select", "options")


class AssetArchiveOperator(BaseOperator):
    """Archive a vendor's assets: select, batch, submit, wait.

    Returns a list of archive references, one per batch, for
    ``ArchiveToObjectStorageOperator.partial(...).expand(archive=archive.output)``. If there are more than
    Airflow can map over (``max_map_length`` in ``[core]``, 1024 by default), it returns a list of groups of
    them, each of which one mapped task lands.

    :param conn_id: Airflow connection; its type says which vendor.
    :param items: explicitly named items, kind -> ids, e.g. ``{"asset_ids": [...]}``, or an element of what
        ``AssetReconcileOperator`` returns; none by default. Cannot be combined with *select*.
    :param select: the vendor's listing filters; by default none, which selects everything in the window.
    :param window: window of time to select from: ``"auto"`` (default; the run's own), ``"since_last"`` (from
        the end of the last exported window, a watermark that is kept with the one Asset in the task's
        inlets and moves when this task succeeds; give the DAG ``max_active_runs=1``, because concurrent
        runs would start from the same watermark), a timedelta that ends at the run's date, or a pair of
        zoned datetimes or ISO strings. Of a pair, ``(None, end)`` has no beginning, and ``(start, None)``
        ends at the run's date, or with its data interval if that is later. ``"all"`` (or None) selects
        everything there is, in every run. Not used with *items*.
    :param options: the vendor's archive options; the vendor's defaults if it is not given.
    :param mode: ``"archive"`` (default) has the vendor make an archive of each batch. ``"links"`` (Scenario
        only) makes none: the landing downloads each item by itself, the original or, with its
        ``target_format``, a converted one. It takes no *options*, and there is nothing to wait for.
    :param max_items: refuse to export more than this; no limit by default.
    :param wait_for_completion: True (default) waits for the jobs; False returns as soon as they are
        submitted.
    :param deferrable: wait in the triggerer instead of on a worker; the default is Airflow's
        ``default_deferrable`` in ``[operators]``, which is False unless it is set.
    :param poll_interval: seconds or timedelta; default is the vendor's own pace.
    :param timeout: seconds or timedelta from the submission; default one day. A shorter
        ``execution_timeout`` ends the wait earlier. It also limits how long a submission waits, on a worker,
        for another export of an account that runs one at a time (ROMA Connect): half an hour at most.
    :param on_empty: what to do if nothing is selected: ``skip`` the task (default), ``succeed`` with an
        empty list, or ``fail``. Of a mapped task, or in a mapped task group that is read from outside,
        ``skip`` succeeds likewise, because what reads all results would be skipped with this one.
    :param on_partial: what to do if items are missing, because a job archived only some of them or the
        vendor has not finished them yet: ``fail`` (default), or ``land`` the others.
    :param settle: seconds or timedelta from the end of the window until it is listed, since vendors list
        items late; default 30 s.
    :param lookback: length of a span before the window that is listed as well, in seconds or as a
        timedelta; none by default. Items that no manifest below *plans* holds are exported, so what the
        vendor has listed late comes with a later run; the others are left out, in the window as well.
        Every run then lists the overlap, and reads the manifests below *plans*, except those whose names
        show an earlier window: about a hundred per second, with the ids of one batch each. It needs
        *plans* and a window with a start. See ``docs/windows.md`` for what it requires of a DAG.
    :param pending_timeout: seconds or timedelta from the end of the window, or from the run's date where
        *items* are named, for which a run waits for items that the vendor has not finished; default 15
        minutes.
    :param cancel_on_kill: whether to cancel the vendor's jobs when the task is killed, cleared or given up.
        By default, only jobs that this task started are cancelled, if the vendor can do that. Scenario and
        ROMA Connect cannot, and Topaz processes were started, and paid for, outside of the task: so among
        these vendors, only Topaz processes are ever cancelled, and only with True.
    :param dry_run: list and count only: log items, batches and estimated bytes per period, push them as the
        XCom ``plan``, submit nothing and return an empty list, so that a mapped landing is skipped; False
        by default.
    :param plans: Airflow object storage URL, usually the destination of the landing, below which the items
        of large batches, and what the vendor's listing says about them, are kept (in ``.plans/``), so that
        references, XComs and task state hold their address instead; by default, references hold their
        items, and nothing else is kept.
    :param metadata: as in the landing; None keeps nothing of what the vendor's listing says.
    :raises AssetsError: see ``sansio.errors`` for what each class asks of you.
    """

    template_fields: Sequence[str] = (*MAPPINGS, "conn_id", "window", "max_items", "plans")
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(MAPPINGS, "json")
    operator_extra_links = (VendorJobLink(),)
    ui_color = "#e8f0e0"

    def __init__(
        self,
        *,
        conn_id: str,
        items: Mapping[str, Any] | XComArg | None = None,
        select: Mapping[str, Any] | XComArg | None = None,
        window: WindowSpec | XComArg = "auto",
        options: Mapping[str, Any] | XComArg | None = None,
        mode: Literal["archive", "links"] = "archive",
        max_items: int | str | XComArg | None = None,
        wait_for_completion: bool = True,
        deferrable: bool = DEFERRABLE,
        poll_interval: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        on_empty: Literal["skip", "succeed", "fail"] = "skip",
        on_partial: Literal["fail", "land"] = "fail",
        cancel_on_kill: bool | None = None,
        settle: float | timedelta = LISTING_LAG,
        pending_timeout: float | timedelta = PENDING_TIMEOUT,
        lookback: float | timedelta | None = None,
        plans: str | ObjectStoragePath | None = None,
        metadata: Format | None = "auto",
        dry_run: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**default_retry_policy(self, kwargs))
        self.conn_id = conn_id
        # Their types once Airflow has rendered templates and the results of other tasks.
        self.items = cast("Mapping[str, Any] | None", items)
        self.select = cast("Mapping[str, Any] | None", select)
        self.window = cast("WindowSpec", window)
        self.options = cast("Mapping[str, Any] | None", options)
        self.mode = mode
        self.max_items = cast("int | None", max_items)
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.on_empty = on_empty
        self.on_partial = on_partial
        self.cancel_on_kill = cancel_on_kill
        self.settle = settle
        self.pending_timeout = pending_timeout
        self.lookback = lookback
        self.plans = plans
        self.metadata = metadata
        self._unrendered = {
            "items": items,
            "select": select,
            "window": window,
            "max_items": max_items,
        }
        self.is_dry_run = dry_run  # ``dry_run`` is a method of every operator
        # Facts that the manifests of its landing will have: lookback counts no other landing. Only
        # asset_export knows them, and sets them.
        self.landing_facts: Mapping[str, JSON] = {}
        # The check of the arguments of its landing, which only asset_export knows, too.
        self.check_ahead: Callable[[Vendor], None] | None = None
        self._batch_run: BatchRun | None = None
        self._is_killed = False

    @cached_property
    def hook(self) -> AssetArchiveHook:
        """The vendor's hook for this connection."""
        return AssetArchiveHook.for_conn(self.conn_id)

    # --- Airflow's entry points --------------------------------------------------------------

    def execute(self, context: Context) -> list[Data]:
        """Select, batch, submit and wait; see the class for what is returned."""
        try:
            return self._execute(context)
        except AssetsError as error:
            raise_for_airflow(error)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> list[Data]:
        """Resume where the trigger ended."""
        try:
            ends = read_ends(event)
            ledger = self._ledger(context)
            run = self._begin(ledger, ledger.deferred(event.get("carry")))
            wave = run.wave_of([str(job_id) for job_id in event["job_ids"]])
            show_vendor_job(self, context, self.hook, run.jobs(wave))
            run.judge(wave, ends)
            return self._run_waves(context, run)
        except AssetsError as error:
            raise_for_airflow(error)

    def execute_listing(self, context: Context, event: object) -> list[Data]:
        """Resume when the listing may have settled."""
        return self.execute(context)

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> Any:
        """Cancel the jobs if Airflow's own time limit ends the wait: nothing else would."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            try:
                self._cancel_recorded(context)
            except Exception as error:  # noqa: BLE001  # the timeout must not be masked by any
                self.log.warning("The jobs could not be cancelled: %s", error)
            raise

    def _cancel_recorded(self, context: Context) -> None:
        """Cancel the jobs of the attempt that was deferred, through the connection that it used."""
        ledger = self._ledger(context)
        if recorded := ledger.resume():
            self._begin(ledger, recorded).cancel(recorded.entries)

    def on_kill(self) -> None:
        """Cancel what this attempt waits for, and submit nothing more."""
        self._is_killed = True
        if self._batch_run:  # else a kill before there is a hook would ask Airflow for a connection
            self._batch_run.kill()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage:
        """The data read from the vendor and the jobs that read it, even if the task failed."""
        from airflow_provider_assets.lineage import lineage_of

        run = self._batch_run
        if run is None:
            return lineage_of(None, self.conn_id, [])
        batches = [(entry.request, entry.job) for entry in run.recorded.entries]
        return lineage_of(run.hook.vendor, run.recorded.conn_id, batches)

    get_openlineage_facets_on_failure = get_openlineage_facets_on_complete

    # --- the life of an export: select, batch, submit, wait, return references -----------------

    def _execute(self, context: Context) -> list[Data]:
        from airflow_provider_assets.operators.choices import check_choices
        from airflow_provider_assets.operators.rendered import as_written, check_rendered

        check_rendered(as_written(self, self._unrendered), vars(self))
        check_choices({**vars(self), "dry_run": self.is_dry_run})
        if self.is_dry_run:
            return self._dry_run(context)
        ledger = self._ledger(context)
        # Before the inputs are read, which may be gone: gaps that somebody has deleted.
        recorded = ledger.recall()
        if recorded:
            self.log.info("Resuming %d batches of an earlier attempt", len(recorded.entries))
        else:
            recorded = self._select(context, ledger)
        return self._run_waves(context, self._begin(ledger, recorded)) if recorded else []

    def _select(self, context: Context, ledger: BatchLedger) -> RecordedBatches | None:
        """Select and batch, and record the batches; None if there are none."""
        from airflow_provider_assets.listing.spool import ListingSpool

        inputs = self._inputs(context)
        if not ledger.is_durable:
            self.log.info(
                "Airflow keeps no task state before 3.3: a retry submits again what it does not "
                "find at the vendor"
            )
        window = self._window(context)
        if self.items is None:
            self.log.info("Listing %s", self._scope(window))
        watermark = self._watermark(context).key if self.window == "since_last" else None
        is_described = bool(self.plans and self.metadata and self.hook.vendor.spec.describes_items)
        with closing(ListingSpool(keeps_records=is_described)) as spool:
            batches = self._listed(context, inputs, window, spool)
            if not batches:
                if self.on_empty != "fail":  # a task that fails leaves the watermark
                    self._move_watermark(context, watermark, window.iso() if window else None)
                why = f"no item matches: {self._scope(window)}"
                if self.items is not None:
                    why = "items is empty"
                elif spool.is_left_out:
                    why = f"all listed items have landed before: {self._scope(window)}"
                self._report_nothing(context, why)
                return None
            if not self.wait_for_completion:
                check_one_wave(self.hook.vendor.spec, len(batches))
            tagged = map(ledger.tagged, batches)
            keep = self.hook.plans.keep
            requests = keep(tagged, spool.of, self.plans) if self.plans else list(tagged)
        return ledger.begin(requests, conn_id=self.conn_id, watermark=watermark)

    def _begin(self, ledger: BatchLedger, recorded: RecordedBatches) -> BatchRun:
        """Start with *recorded*, whose connection overrides a DAG file that has been edited since."""
        self.conn_id = recorded.conn_id
        run = BatchRun(
            self.hook,
            ledger,
            recorded,
            self.log,
            cancel_on_kill=self.cancel_on_kill,
            on_partial=self.on_partial,
            patience=to_seconds(self.timeout, "timeout") or inf,
        )
        self._batch_run = run
        if self._is_killed:  # before there was a run that on_kill could have stopped
            run.kill()
        return run

    def _run_waves(self, context: Context, run: BatchRun) -> list[Data]:
        """Start and wait for wave after wave: some vendors take one job at a time."""
        while wave := run.next_wave():
            run.start(wave)
            show_vendor_job(self, context, self.hook, run.jobs(wave))
            if not self.wait_for_completion:
                break
            ends = self._waiting.for_jobs(run, run.jobs(wave), context, "execute_complete")
            run.judge(wave, ends)
        references = grouped(run.references(), max_map_length())
        self._move_watermark(
            context, run.recorded.watermark, run.recorded.entries[0].request.window
        )
        return references

    def _move_watermark(
        self, context: Context, watermark: str | None, window: tuple[str, str] | None
    ) -> None:
        """Let the next run resume at the end of *window*, which may have held nothing."""
        if watermark and window:
            Watermark(context, watermark, self.conn_id).advance(window[1])

    def _scope(self, window: Window | None) -> str:
        """The part of the vendor's listing that is exported, for the log."""
        parts = [f"connection {self.conn_id!r}"]
        if window:
            parts.append("window {} to {}".format(*window.iso()))
        if self.select:
            parts.append(f"select {shown(to_plain(self.select))}")
        return ", ".join(parts)

    def _report_nothing(self, context: Context, why: str) -> None:
        """Skip, fail or succeed, as *on_empty* says."""
        text = f"nothing to export: {why}"
        if self.on_empty == "skip" and not self._is_one_of_many(context):
            raise AirflowSkipException(text)
        if self.on_empty == "fail":
            raise InvalidRequestError(f'{text}; on_empty="fail" makes this an error')
        self.log.info("%s", text)

    def _is_one_of_many(self, context: Context) -> bool:
        """Whether a task that follows reads all mapped instances: Airflow skips it if one is skipped."""
        index = context["ti"].map_index
        if index is None or index < 0:
            return False
        group = self.get_closest_mapped_task_group()
        inside = {task.task_id for task in group.iter_tasks()} if group else set()
        return not inside.issuperset(self.get_flat_relative_ids(upstream=False))

    def _dry_run(self, context: Context) -> list[Data]:
        """Count what would be submitted, and return no reference."""
        from airflow_provider_assets.listing.estimate import MAX_ROWS, estimate_export
        from airflow_provider_assets.sansio.periods import fitting_length

        inputs = self._inputs(context)
        window = self._window(context)
        estimate = estimate_export(self.hook, inputs, window, fitting_length(window, MAX_ROWS))
        self.log.info("Dry run: nothing is submitted\n%s", estimate.table())
        context["ti"].xcom_push(key="plan", value=estimate.summary())
        return []

    # --- the arguments, as the parts need them --------------------------------------------------

    def _ledger(self, context: Context) -> BatchLedger:
        return BatchLedger(context, to_plain(self._given()))

    def _given(self) -> list[object]:
        """The arguments that select; an attempt with others starts from scratch."""
        given: list[object] = [
            *(self.conn_id, self.items, self.select, self.window, self.options, self.mode)
        ]
        if self.lookback is not None:
            given.append(to_seconds(self.lookback, "lookback"))
        return given

    def _inputs(self, context: Context) -> ExportInputs:
        """The inputs of the export, checked before any request to the vendor."""
        from airflow_provider_assets.listing.gaps import load_gaps

        if self.check_ahead:
            self.check_ahead(self.hook.vendor)
        inputs = ExportInputs(
            self.hook.vendor,
            load_gaps(self.items),
            self.select,
            {} if self.options is None else self.options,
            self.max_items,
            self.mode,
        )
        for remark in inputs.remarks:
            self.log.info("%s", remark)
        return inputs

    def _window(self, context: Context) -> Window | None:
        """The span to select from; None where items are named, or for all there are."""
        if self.items is not None or is_unbounded(self.window):
            return None
        if self.window == "since_last":
            return self._watermark(context).window(context)
        return resolve_window(self.window, context, self.conn_id)

    def _watermark(self, context: Context) -> Watermark:
        spec = self.hook.vendor.spec
        select = require_mapping({} if self.select is None else self.select, "select")
        options = require_mapping({} if self.options is None else self.options, "options")
        return Watermark.of(
            context,
            self.conn_id,
            select=spec.narrowing(select),
            mode=self.mode,
            options=spec.shaping(options),
        )

    def _listed(
        self, context: Context, inputs: ExportInputs, window: Window | None, spool: ListingSpool
    ) -> Batches:
        from airflow_provider_assets.listing.settled import SettledListing

        listing = SettledListing(
            self.hook,
            inputs,
            window,
            Settling(
                to_timedelta(self.settle, "settle"),
                to_timedelta(self.pending_timeout, "pending_timeout"),
            ),
            self._lookback(inputs),
            self.on_partial,
            self._pause,
            self.log,
        )
        return listing.batches(run_date(context), spool)

    def _lookback(self, inputs: ExportInputs) -> Lookback | None:
        if self.lookback is None or not self.plans:
            return None
        from airflow_provider_assets.destinations import open_destination
        from airflow_provider_assets.listing.lookback import Lookback

        length = to_timedelta(self.lookback, "lookback")
        vendor = self.hook.vendor
        options = vendor.spec.shaping(inputs.archive_options)
        required_facts = {"conn_id": self.conn_id, "options": options, **self.landing_facts}
        return Lookback(length, vendor, open_destination(self.plans), self.log, required_facts)

    def _pause(self, wait: float) -> None:
        self._waiting.pause(wait, "execute_listing")

    @property
    def _waiting(self) -> Waiting:
        from airflow_provider_assets.batches.waiting import Waiting

        return Waiting(self, self.deferrable, self.timeout, self.poll_interval)
