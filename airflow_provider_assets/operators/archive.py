"""Selects items, asks the vendor to archive them, and waits."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import BaseOperator

from airflow_provider_assets.airflow_compat import (
    DEFERRABLE,
    AirflowSkipException,
    TaskDeferralTimeout,
)
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.operators.batches import (
    Batches,
    cancel,
    check_one_wave,
    deadline_of,
    entries_for,
    reference,
)
from airflow_provider_assets.operators.ledger import Entry, Ledger, Plan
from airflow_provider_assets.operators.selection import (
    Selection,
    choice,
    duration,
    mapping,
    plain,
    seconds,
)
from airflow_provider_assets.operators.watermark import KEY as WATERMARK
from airflow_provider_assets.operators.watermark import Watermark
from airflow_provider_assets.outcomes import default_retry_policy, raise_for_airflow
from airflow_provider_assets.run_timing import resolve_window, run_date
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    InvalidRequestError,
    JobCancelledError,
    JobTimeoutError,
    ProtocolError,
)
from airflow_provider_assets.sansio.jobs import (
    Answer,
    ArchiveJob,
    ArchiveRequest,
    Data,
    describe,
    state_key,
)
from airflow_provider_assets.sansio.settle import (
    LISTING_LAG,
    PENDING_TIMEOUT,
    Settling,
    ensure_settled,
)
from airflow_provider_assets.sansio.verdict import check_on_partial, ensure_complete, shown
from airflow_provider_assets.sansio.waiter import ensure_succeeded
from airflow_provider_assets.sansio.window import is_unbounded
from airflow_provider_assets.triggers.archive import BACKSTOP, AssetArchiveTrigger, read_ends

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_assets.sansio.window import Window, WindowSpec

MAPPINGS = ("items", "select", "options")


class AssetArchiveOperator(BaseOperator):
    """Archive a vendor's assets: select, batch, submit, wait.

    Returns a list of archive references, one a batch, for
    ``ArchiveToObjectStorageOperator.partial(...).expand(archive=archive.output)``.

    :param conn_id: Airflow connection; its type says which vendor.
    :param items: explicitly named items, kind -> ids, e.g. ``{"asset_ids": [...]}``.
    :param select: the vendor's listing filters; ``{}`` selects everything in the window.
    :param window: span to select from: ``"auto"`` (the run's own), ``"since_last"`` (from where the last
        run ended, which is kept with the one Asset in the task's inlets; give the DAG
        ``max_active_runs=1``, because concurrent runs would start from the same watermark), a timedelta
        that ends at the run's date, or a pair of zoned datetimes or ISO strings. ``"all"`` (or None)
        selects everything there is, in every run. Not used with *items*.
    :param options: the vendor's archive options.
    :param max_items: refuse to export more than this.
    :param wait_for_completion: False returns as soon as the jobs are submitted.
    :param deferrable: wait in the triggerer instead of on a worker.
    :param poll_interval: seconds or timedelta; default is the vendor's own pace.
    :param timeout: seconds or timedelta from the submit; default one day.
    :param on_empty: what a selection without items does: ``skip`` the task, ``succeed`` with an empty
        list, or ``fail``.
    :param on_partial: what an export does that lacks items, because a job archived only some of them
        or the vendor has not finished them yet: ``fail``, or ``land`` the others.
    :param settle: seconds or timedelta from the end of the window until it is listed, since vendors list
        items late; default 30 s.
    :param pending_timeout: seconds or timedelta from the end of the window for which a run waits for
        items of the window that the vendor has not finished; default 15 minutes.
    :param cancel_on_kill: whether to cancel at the vendor when the task is killed, cleared or given up;
        default: the jobs that it started. Topaz processes are others' work, and paid for.
    :raises AssetsError: see ``sansio.errors`` for what each class asks of you.
    """

    template_fields: Sequence[str] = (*MAPPINGS, "conn_id", "window", "max_items")
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(MAPPINGS, "json")
    ui_color = "#e8f0e0"

    def __init__(
        self,
        *,
        conn_id: str,
        items: Mapping[str, Any] | None = None,
        select: Mapping[str, Any] | None = None,
        window: WindowSpec = "auto",
        options: Mapping[str, Any] | None = None,
        max_items: int | None = None,
        wait_for_completion: bool = True,
        deferrable: bool = DEFERRABLE,
        poll_interval: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        on_empty: Literal["skip", "succeed", "fail"] = "skip",
        on_partial: Literal["fail", "land"] = "fail",
        cancel_on_kill: bool | None = None,
        settle: float | timedelta = LISTING_LAG,
        pending_timeout: float | timedelta = PENDING_TIMEOUT,
        **kwargs: Any,
    ) -> None:
        super().__init__(**default_retry_policy(kwargs))
        self.conn_id = conn_id
        self.items = items
        self.select = select
        self.window = window
        self.options = options
        self.max_items = max_items
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.on_empty = on_empty
        self.on_partial = on_partial
        self.cancel_on_kill = cancel_on_kill
        self.settle = settle
        self.pending_timeout = pending_timeout
        self._running: list[Entry] = []
        self._killed = False

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
            plan = self._deferred(ledger, event.get("carry"))
            wave = entries_for(plan, [str(job_id) for job_id in event["job_ids"]])
            ended = self._verdict(ledger, wave, ends)
            return self._advance(context, ledger, plan.updated(ended))
        except AssetsError as error:
            raise_for_airflow(error)

    def execute_listing(self, context: Context, event: object) -> list[Data]:
        """Resume when the listing may have settled."""
        return self.execute(context)

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> Any:
        """Cancel the jobs where Airflow's own time limit ends the wait: nobody else would."""
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            plan = self._ledger(context).resume()
            self._cancel(plan.entries if plan else [])
            raise

    def on_kill(self) -> None:
        """Cancel what this attempt waits for, and submit nothing more: its process lives on for seconds."""
        self._killed = True
        self._cancel(self._running)

    def _cancel(self, entries: Sequence[Entry]) -> None:
        if entries:  # else a kill before there is a hook would ask Airflow for a connection
            cancel(self.hook, entries, self.cancel_on_kill, self.log)

    # --- the life of the batches -------------------------------------------------------------

    def _execute(self, context: Context) -> list[Data]:
        selection = self._selection()
        ledger = self._ledger(context)
        if not ledger.durable:
            self.log.info("Airflow keeps no task state before 3.3: a retry submits again")
        plan = ledger.recall()
        if plan:
            self.log.info("Resuming %d batches of an earlier attempt", len(plan.entries))
            return self._advance(context, ledger, plan)
        window = self._window(context) if self.items is None else None
        requests = self._listed(context, selection, window)
        watermark = self._watermark(context).key if self.window == "since_last" else None
        if not requests:
            self._exported(context, watermark, window.iso() if window else None)
            return self._empty()
        if not self.wait_for_completion:
            check_one_wave(self.hook.vendor.spec, len(requests))
        plan = ledger.plan(requests, conn_id=self.conn_id, watermark=watermark)
        return self._advance(context, ledger, plan)

    def _deferred(self, ledger: Ledger, carry: Any) -> Plan:
        """The plan of the attempt that was deferred; what it says stands against an edited DAG file.

        :raises ProtocolError: if there is none.
        """
        plan = Plan.from_dict(carry) if carry else ledger.resume()
        if plan is None:
            raise ProtocolError(
                "the trigger's event belongs to an attempt that this task has no record of; clear the "
                "task to export again"
            )
        self.conn_id = plan.conn_id
        return plan

    def _listed(
        self, context: Context, selection: Selection, window: Window | None
    ) -> list[ArchiveRequest]:
        """The batches of a listing that has settled; leaves by a deferral where it has not."""
        settling = Settling(
            duration(self.settle, "settle"), duration(self.pending_timeout, "pending_timeout")
        )
        self._pause(settling.before_listing(window, _now()), "for its listing to settle")
        while True:
            requests, pending = selection.requests(self.hook, window, run_date(context))
            wait = settling.before_next(window, _now(), pending)
            if not wait:
                break
            self._pause(wait, f"for pending items: {shown(pending)}")
        if left_out := ensure_settled(pending, window, _now(), self.on_partial):
            self.log.warning("%s", left_out)
        return requests

    def _pause(self, wait: float, why: str) -> None:
        """Wait on this worker or, if the task is deferrable, in the triggerer."""
        if not wait:
            return
        self.log.info("Waiting %.0f s %s", wait, why)
        if not self.deferrable:
            time.sleep(wait)
            return
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger

        moment = _now() + timedelta(seconds=wait)
        self.defer(trigger=DateTimeTrigger(moment=moment), method_name="execute_listing")

    def _selection(self) -> Selection:
        """The inputs, checked before anything is asked of the vendor."""
        choice(self.on_empty, "on_empty", ("skip", "succeed", "fail"))
        check_on_partial(self.on_partial)
        for name in ("timeout", "poll_interval"):
            seconds(getattr(self, name), name)
        vendor, options = self.hook.vendor, self.options or {}
        selection = Selection(vendor, self.items, self.select, options, self.max_items)
        for note in selection.notes:
            self.log.info("%s", note)
        return selection

    def _ledger(self, context: Context) -> Ledger:
        inputs = [self.conn_id, self.items, self.select, self.window, self.options]
        return Ledger(context, plain(inputs))

    def _advance(self, context: Context, ledger: Ledger, plan: Plan) -> list[Data]:
        """Start and wait for wave after wave: some vendors take one job at a time."""
        size = self.hook.vendor.spec.parallel_jobs or len(plan.entries)
        batches = Batches(self.hook, ledger, self.log)
        while wave := [e for e in plan.entries if not e.has_succeeded][:size]:
            started = [self._start(batches, entry) for entry in wave]
            plan = plan.updated(started)
            if not self.wait_for_completion:
                break
            plan = plan.updated(self._wait(context, ledger, plan, started))
        # Of all batches, also of those that ended in an earlier attempt.
        for incomplete in ensure_complete((e.job for e in plan.entries if e.job), self.on_partial):
            self.log.warning("%s", incomplete)
        self._exported(context, plan.watermark, plan.entries[0].request.window)
        return [reference(plan.conn_id, entry) for entry in plan.entries]

    def _start(self, batches: Batches, entry: Entry) -> Entry:
        if self._killed:
            raise JobCancelledError("the task was killed; it starts no more jobs")
        started = batches.start(entry)
        self._running.append(started)
        if self._killed:  # while it was being submitted, when it could not be cancelled yet
            self._cancel([started])
        return started

    def _window(self, context: Context) -> Window | None:
        if is_unbounded(self.window):
            return None
        if self.window == "since_last":
            return self._watermark(context).window(context)
        return resolve_window(self.window, context)

    def _watermark(self, context: Context) -> Watermark:
        select = mapping(self.select or {}, "select")
        return Watermark(context, state_key(WATERMARK, self.conn_id, select))

    def _exported(
        self, context: Context, watermark: str | None, window: tuple[str, str] | None
    ) -> None:
        """Let the next run resume at the end of *window*, which may have held nothing."""
        if watermark and window:
            Watermark(context, watermark).advance(window[1])

    def _wait(self, context: Context, ledger: Ledger, plan: Plan, wave: list[Entry]) -> list[Entry]:
        """*wave* when it has ended well; leaves by a deferral where it has not ended yet."""
        jobs = [entry.job for entry in wave if entry.job]
        interval = seconds(self.poll_interval, "poll_interval")
        deadline = deadline_of(self, seconds(self.timeout, "timeout"), context, jobs)
        if not self.deferrable:
            ends = self.hook.wait(
                jobs,
                deadline=deadline,
                poll_interval=interval,
                on_change=lambda job: self.log.info("%s", describe(job)),
            )
            return self._verdict(ledger, wave, ends)
        jobs = self.hook.look(jobs)
        if all(job.state.is_terminal for job in jobs):
            return self._verdict(ledger, wave, jobs)
        carry = None if ledger.is_complete else plan.to_dict()
        self.defer(
            trigger=AssetArchiveTrigger(
                conn_id=self.conn_id,
                jobs=[job.to_dict() for job in jobs],
                deadline=deadline,
                poll_interval=interval,
                carry=carry,
                cancel_on_kill=self.cancel_on_kill,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=max(deadline - time.time(), 0.0)) + BACKSTOP,
        )

    def _verdict(self, ledger: Ledger, wave: list[Entry], ends: Sequence[Answer]) -> list[Entry]:
        """Record every end before the first that is an error is raised."""
        ended = [
            replace(entry, job=end) if isinstance(end, ArchiveJob) else entry
            for entry, end in zip(wave, ends, strict=True)
        ]
        for entry in ended:
            ledger.try_to_record(entry, self.log)
        late = [e for e, end in zip(wave, ends, strict=True) if isinstance(end, JobTimeoutError)]
        self._cancel(late)  # what is given up at the deadline must not run on
        self._running = []
        for end in ends:
            ensure_succeeded(end)
        return ended

    def _empty(self) -> list[Data]:
        why = "no item matches select and window" if self.items is None else "items names nothing"
        text = f"nothing to export: {why}"
        if self.on_empty == "skip":
            raise AirflowSkipException(text)
        if self.on_empty == "fail":
            raise InvalidRequestError(f'{text}; on_empty="fail" makes this an error')
        self.log.info("%s", text)
        return []


def _now() -> datetime:
    return datetime.now(timezone.utc)
