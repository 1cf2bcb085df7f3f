"""Compares what a vendor lists with what has landed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from airflow.sdk import BaseOperator

from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.links import ReportLink, show_link
from airflow_provider_assets.listing.gaps import keep_gaps
from airflow_provider_assets.listing.inputs import ExportInputs
from airflow_provider_assets.outcomes import default_retry_policy, raise_for_airflow
from airflow_provider_assets.run_timing import resolve_window
from airflow_provider_assets.sansio.arguments import require_choice
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    InvalidRequestError,
    PartialArchiveError,
)
from airflow_provider_assets.sansio.window import is_unbounded

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath, XComArg

    from airflow_provider_assets.audit.comparison import Reconciled
    from airflow_provider_assets.sansio.jobs import Data
    from airflow_provider_assets.sansio.window import Window, WindowSpec

REPORT = "report"


class AssetReconcileOperator(BaseOperator):
    """Compare the vendor's listing of a window with everything that has landed under a destination.

    Returns what is to be exported again: a list of ``items``, one per batch of the vendor, for
    ``AssetArchiveOperator.partial(...).expand(items=reconcile.output)``; it is empty if the window is
    complete. The XCom ``report`` has the numbers of every period, and the URI of a report object with all
    ids, ``.reconcile/….json`` under the destination.

    An item counts as landed if at least one intact landing under the destination holds it, whatever that
    landing is named; as damaged if only damaged ones hold it; as changed if the listing is by change
    (``select={"by": "updatedAt"}`` of Scenario, always with ROMA Connect) and it changed after the vendor
    was asked for it.

    :param conn_id: Airflow connection; its type says which vendor.
    :param destination: Airflow object storage URL, under which all landings are compared: of a destination
        with a template, the part before the template.
    :param window: span that is compared: ``"auto"`` (default; the run's own), a timedelta that ends at the
        run's date, or a pair of zoned datetimes or ISO strings, one of which may be None as in an export;
        without a beginning it is one period. ``"all"`` (or None) compares everything there is, as one
        period.
    :param select: the vendor's listing filters; give those of the export.
    :param verify: ``manifest`` (default) trusts the manifests; ``sizes`` also compares the size of each
        object in one listing of the destination; ``bytes`` also reads every object and compares its
        checksums.
    :param period: length of the periods that are counted: ``day`` (default), ``month`` or ``year``, in
        UTC.
    :param on_gaps: what to do if there are gaps: ``succeed`` (default) and return them, or ``fail`` the task
        with the table in its message.
    :raises InvalidRequestError: if a template or a task yields None for *window* or *select*, or within them.
    :raises PartialArchiveError: if there are gaps and ``on_gaps="fail"``.
    """

    template_fields: Sequence[str] = (
        "conn_id", "destination", "window", "select", "verify", "period",
    )  # fmt: skip
    template_fields_renderers: ClassVar[dict[str, str]] = {"select": "json"}
    operator_extra_links = (ReportLink(),)
    ui_color = "#f0e8d8"

    def __init__(
        self,
        *,
        conn_id: str,
        destination: str | ObjectStoragePath,
        window: WindowSpec | XComArg = "auto",
        select: Mapping[str, Any] | XComArg | None = None,
        verify: Literal["manifest", "sizes", "bytes"] = "manifest",
        period: Literal["day", "month", "year"] = "day",
        on_gaps: Literal["succeed", "fail"] = "succeed",
        **kwargs: Any,
    ) -> None:
        super().__init__(**default_retry_policy(self, kwargs))
        self.conn_id = conn_id
        self.destination = destination
        # Their types once Airflow has rendered templates and the results of other tasks.
        self.window = cast("WindowSpec", window)
        self.select = cast("Mapping[str, Any] | None", select)
        self.verify = verify
        self.period = period
        self.on_gaps = on_gaps
        self._unrendered = {"select": select, "window": window}

    @cached_property
    def hook(self) -> AssetArchiveHook:
        """The vendor's hook for this connection."""
        return AssetArchiveHook.for_conn(self.conn_id)

    def execute(self, context: Context) -> list[Data]:
        """Compare; see the class for what is returned."""
        try:
            return self._execute(context)
        except AssetsError as error:
            raise_for_airflow(error)

    def _execute(self, context: Context) -> list[Data]:
        from airflow_provider_assets.audit.comparison import reconcile, store_report
        from airflow_provider_assets.destinations import open_destination
        from airflow_provider_assets.operators.rendered import as_written, check_rendered

        check_rendered(as_written(self, self._unrendered), vars(self))
        require_choice(self.on_gaps, "on_gaps", ("succeed", "fail"))
        inputs = ExportInputs(self.hook.vendor, None, self.select, {})
        target = open_destination(self.destination)
        result = reconcile(
            self.hook,
            inputs,
            target,
            self._window(context),
            period=self.period,
            verify=self.verify,
        )
        name = store_report(result, target)
        uri = target.store.uri(target.prefix + name)
        show_link(self, context, ReportLink, target.browser_url(name))
        self.log.info("%s", result.table())
        for problem in result.comparison.problems:
            self.log.warning("%s: %s", problem.uri, problem.why)
        context["ti"].xcom_push(key=REPORT, value={**result.summary(), "report_uri": uri})
        if result.is_complete:
            return []
        if self.on_gaps == "fail":
            raise PartialArchiveError(_complaint(result, uri), vendor=self.hook.vendor.spec.name)
        return keep_gaps(result.gaps(), self.destination)

    def _window(self, context: Context) -> Window | None:
        if is_unbounded(self.window):
            return None
        if self.window == "since_last":
            raise InvalidRequestError(
                "window='since_last' works only in exports; pass the span to compare"
            )
        return resolve_window(self.window, context, self.conn_id)


def _complaint(result: Reconciled, uri: str) -> str:
    totals = result.totals
    return (
        f"{result.about['destination']} holds {totals.landed} of the {totals.listed} items that are "
        f"listed: {totals.missing} are missing, {totals.changed} changed and {totals.damaged} damaged; "
        f"{uri} lists them\n{result.table()}"
    )
