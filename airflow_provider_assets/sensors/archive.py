"""Waits for archive jobs that were submitted elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal, NoReturn, cast

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_assets.airflow_compat import (
    DEFERRABLE,
    AirflowSensorTimeout,
    AirflowSkipException,
    max_map_length,
)
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.links import VendorJobLink, show_vendor_job
from airflow_provider_assets.outcomes import default_retry_policy, raise_for_airflow
from airflow_provider_assets.sansio.arguments import (
    Check,
    check_arguments,
    choice_of,
    has_bytes,
    or_none,
    require_flag,
    require_text,
    shown,
    to_plain,
    to_seconds,
)
from airflow_provider_assets.sansio.errors import AssetsError, InvalidRequestError, JobTimeoutError
from airflow_provider_assets.sansio.groups import grouped, ungrouped
from airflow_provider_assets.sansio.jobs import (
    Answer,
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    Data,
    describe,
)
from airflow_provider_assets.sansio.verdict import ON_PARTIAL, ensure_complete
from airflow_provider_assets.sansio.waiter import ensure_succeeded
from airflow_provider_assets.triggers.archive import BACKSTOP, AssetArchiveTrigger, read_ends

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.sdk import Context, XComArg


CHECKS: Mapping[str, Check] = {
    "conn_id": or_none(require_text),
    "deferrable": require_flag,
    "on_partial": choice_of(*ON_PARTIAL),
}


class AssetArchiveSensor(BaseSensorOperator):
    """Wait until every archive of *archives*, or every job of *job_ids*, has been finished by the vendor.

    Returns the references with their jobs as they ended, ready to be landed; an empty list for none.

    :param archives: the references of ``AssetArchiveOperator(wait_for_completion=False)``, or one of them.
    :param job_ids: instead of *archives*, the vendor's ids of jobs that were started elsewhere (of Topaz
        Labs, of processes), or one of them. Their items are unknown here, so that nobody can say whether
        what lands is complete, and a package of ROMA Connect whose download breaks cannot be exported again.
    :param conn_id: the vendor's connection, for *job_ids* only.
    :param deferrable: wait in the triggerer instead of on a worker.
    :param poke_interval: as for every sensor; deferred, the default is the vendor's own pace.
    :param timeout: as for every sensor: seconds from its start. An ``execution_timeout`` that is
        shorter ends the wait earlier.
    :param on_partial: what to do if a job archived only some items: ``fail``, or ``land`` those.
    :param soft_fail: this or *never_fail*: skip the task where it would fail.
    :raises AirflowSensorTimeout: when *timeout* is over.
    :raises JobTimeoutError: when, deferred, ``execution_timeout`` is over.
    :raises AssetsError: see ``sansio.errors``.
    """

    template_fields: Sequence[str] = ("archives", "conn_id", "job_ids")
    operator_extra_links = (VendorJobLink(),)

    def __init__(
        self,
        *,
        archives: Sequence[Data] | Data | XComArg | None = None,
        conn_id: str | None = None,
        job_ids: Sequence[str] | str | XComArg | None = None,
        deferrable: bool = DEFERRABLE,
        poke_interval: float | timedelta | None = None,
        on_partial: Literal["fail", "land"] = "fail",
        **kwargs: Any,
    ) -> None:
        to_seconds(poke_interval, "poke_interval")
        self._has_own_pace = poke_interval is not None
        if poke_interval is not None:
            kwargs["poke_interval"] = poke_interval
        super().__init__(**default_retry_policy(self, kwargs))
        # Their types once Airflow has rendered templates and the results of other tasks.
        self.archives = cast("Sequence[Data] | Data | None", archives)
        self.conn_id = conn_id
        self.job_ids = cast("Sequence[str] | str | None", job_ids)
        self.deferrable = deferrable
        self.on_partial = on_partial
        self._ends: Sequence[Answer] = ()

    @cached_property
    def references(self) -> list[ArchiveReference]:
        """The archives, typed.

        :raises InvalidRequestError: if they are not archives, or belong to several connections.
        """
        if self.job_ids is not None:
            return self._references_of_jobs()
        if self.archives is None or self.conn_id is not None:
            raise InvalidRequestError("pass either archives, or conn_id and job_ids")
        given = [self.archives] if isinstance(self.archives, Mapping) else self.archives
        if isinstance(given, (str, bytes)) or not isinstance(given, Sequence):
            raise InvalidRequestError(
                f"archives: expected references, got {type(given).__name__}; pass the archive task's "
                ".output, or render templates with render_template_as_native_obj=True"
            )
        references = [ArchiveReference.from_dict(one) for data in given for one in ungrouped(data)]
        if len({reference.conn_id for reference in references}) > 1:
            raise InvalidRequestError(
                "archives: expected references of one connection; use one sensor for each connection"
            )
        return references

    def _references_of_jobs(self) -> list[ArchiveReference]:
        """References to jobs of which nothing but the id is known.

        :raises InvalidRequestError: if *archives* are also given, or there is no *conn_id*.
        """
        if self.archives is not None or not self.conn_id:
            raise InvalidRequestError("job_ids needs conn_id, and cannot be combined with archives")
        ids = [self.job_ids] if isinstance(self.job_ids, str) else to_plain(self.job_ids)
        if not isinstance(ids, list) or not all(map(_is_id, ids)):
            raise InvalidRequestError(
                f"job_ids: expected ids, got {shown(ids)}; a template renders to text unless the DAG has "
                "render_template_as_native_obj=True"
            )
        vendor = AssetArchiveHook.for_conn(self.conn_id).vendor.spec.name
        return [
            ArchiveReference(
                self.conn_id,
                ArchiveRequest(vendor, {}, {"job_id": job_id}, index=index, of=len(ids)),
                ArchiveJob(vendor, job_id),
            )
            for index, job_id in enumerate(ids)
        ]

    @cached_property
    def hook(self) -> AssetArchiveHook:
        """The vendor's hook for the references' connection."""
        return AssetArchiveHook.for_conn(self.references[0].conn_id)

    def execute(self, context: Context) -> Any:
        """Poke, or poll once and defer."""
        try:
            check_arguments(vars(self), CHECKS)
            if not self.references:
                return []
            self._show_job(context)
            if not self.deferrable:
                return super().execute(context)
            jobs = self.hook.poll_or_last_known([reference.job for reference in self.references])
            if all(job.state.is_terminal for job in jobs):
                self._note(jobs)
                return self._result(jobs)
        except AssetsError as error:
            self._fail(error)
        wait = self._longest_wait()
        self.defer(
            trigger=AssetArchiveTrigger(
                conn_id=self.references[0].conn_id,
                jobs=[job.to_dict() for job in jobs],
                deadline=time.time() + wait,
                # Airflow gives every sensor a poke_interval; unless it was asked for, the vendor's is used.
                poll_interval=self.poke_interval if self._has_own_pace else None,
                cancel_on_kill=False,  # the task that submitted them may cancel them
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=wait) + BACKSTOP,
        )

    def _show_job(self, context: Context) -> None:
        jobs = [reference.job for reference in self.references]
        show_vendor_job(self, context, self.hook, jobs)

    def _longest_wait(self) -> float:
        """Seconds from the start; Airflow does not apply ``execution_timeout`` to a deferred task."""
        limit = self.execution_timeout
        return self.timeout if limit is None else min(self.timeout, limit.total_seconds())

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once; an outage of the vendor is left to the next poke."""
        jobs = self.hook.poll_or_last_known([r.job for r in self.references], then_wait=False)
        for job in jobs:
            self.log.info("%s", describe(job))
        if not all(job.state.is_terminal for job in jobs):
            return PokeReturnValue(is_done=False)
        self._note(jobs)
        return PokeReturnValue(is_done=True, xcom_value=self._result(jobs))

    def execute_complete(self, context: Context, event: dict[str, Any]) -> list[Data]:
        """Resume where the trigger ended."""
        try:
            self._show_job(context)
            ends = read_ends(event)
            self._note(ends)
            return self._result([ensure_succeeded(end) for end in ends])
        except AssetsError as error:
            self._fail(error)

    def _fail(self, error: AssetsError) -> NoReturn:
        """Fail or skip as sensors do, the same way for both ways of waiting."""
        if self.soft_fail or self.never_fail:
            raise AirflowSkipException(f"{type(error).__name__}: {error.message}") from error
        if isinstance(error, JobTimeoutError) and self._longest_wait() == self.timeout:
            raise AirflowSensorTimeout(error.message) from error
        raise_for_airflow(error)

    def _note(self, ends: Sequence[Answer]) -> None:
        """Keep *ends* for lineage, and count them."""
        self._ends = ends
        for reference, end in zip(self.references, ends, strict=True):
            self.hook.metrics.ended(end, reference.job.submitted_at, time.time())

    def _result(self, jobs: Sequence[ArchiveJob]) -> list[Data]:
        succeeded = [ensure_succeeded(job) for job in jobs]
        for incomplete in ensure_complete(succeeded, self.on_partial):
            self.log.warning("%s", incomplete)
        references = [
            ArchiveReference(old.conn_id, old.request, job).to_dict()
            for old, job in zip(self.references, succeeded, strict=True)
        ]
        return grouped(references, max_map_length())

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> OperatorLineage:
        """The jobs that were waited for, even if the task failed."""
        from airflow_provider_assets.lineage import lineage_of

        if "hook" not in vars(self):  # it failed before it had read its connection
            return lineage_of(None, "", [])
        jobs = [
            end if isinstance(end, ArchiveJob) else reference.job
            for reference, end in zip_longest(self.references, self._ends)
        ]
        requests = [reference.request for reference in self.references]
        batches = list(zip(requests, jobs, strict=True))
        return lineage_of(self.hook.vendor, self.references[0].conn_id, batches)

    get_openlineage_facets_on_failure = get_openlineage_facets_on_complete


def _is_id(value: object) -> bool:
    """Whether *value* is an id, not a list that a template rendered to text."""
    return isinstance(value, str) and bool(value.strip()) and value[0] != "[" and has_bytes(value)
