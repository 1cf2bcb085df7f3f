"""The operator that writes the report of a run beside its data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_assets.airflow_compat import AirflowSkipException
from airflow_provider_assets.links import ReportLink, show_link
from airflow_provider_assets.outcomes import default_retry_policy, raise_for_airflow
from airflow_provider_assets.sansio.arguments import at_least, to_plain
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    InvalidRequestError,
    PartialArchiveError,
)
from airflow_provider_assets.sansio.groups import ungrouped
from airflow_provider_assets.sansio.jobs import ArchiveReference, Data

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_assets.destinations import Destination
    from airflow_provider_assets.reports.page import Picture


class AssetReportOperator(BaseOperator):
    """Write one HTML page about a run: totals, its batches, what is missing, and a sheet of thumbnails.

    The page is self-contained, loads nothing from a network, and holds no link to a vendor and no secret.
    It is written whether or not the landings succeeded (``trigger_rule="all_done"``), and the task then fails
    if a landing has failed, because the last task of a DAG decides the state of its run. With
    ``.partial(...)``, pass ``trigger_rule="all_done"`` yourself before Airflow 3.3.2, which is the first to
    use the default of an operator there.

    Returns ``{"uri": ..., "batches": n, "landed": n, "bytes": n}``.

    :param destination: that of the landings. The page is ``reports/<vendor>-<window>-<query>.html`` in it; a
        later run of the window replaces it.
    :param archives: the archive references, ``archive.output``.
    :param manifests: what has landed, ``land.output``.
    :param notes: what each landing task says about its batches, in how many seconds they landed or why they
        failed: ``XComArg(land, "notes")``.
    :param thumbnails: largest number of thumbnails; 24 by default, 0 for none. They need Pillow (the extra
        ``[report]``) and the metadata of the export.
    :raises PartialArchiveError: after the page has been written, if a landing has failed.
    """

    template_fields: Sequence[str] = ("destination", "archives", "manifests", "notes")
    operator_extra_links = (ReportLink(),)
    ui_color = "#f0ece0"

    def __init__(
        self,
        *,
        destination: str | ObjectStoragePath,
        archives: Any,
        manifests: Any,
        notes: Any = None,
        thumbnails: int = 24,
        trigger_rule: str = "all_done",
        **kwargs: Any,
    ) -> None:
        super().__init__(trigger_rule=trigger_rule, **default_retry_policy(self, kwargs))
        self.destination = destination
        self.archives = archives
        self.manifests = manifests
        self.notes = notes
        self.thumbnails = thumbnails

    def execute(self, context: Context) -> Data:
        """Write the page and return where it is."""
        try:
            return self._execute(context)
        except AssetsError as error:
            raise_for_airflow(error)

    def _execute(self, context: Context) -> Data:
        from airflow_provider_assets.destinations import check_destination, open_destination
        from airflow_provider_assets.reports.lines import lines_of
        from airflow_provider_assets.reports.page import Report, render, report_name, report_title

        at_least(0)(self.thumbnails, "thumbnails")
        check_destination(self.destination, "destination")
        given = [one for archive in _flat(self.archives, "archives") for one in ungrouped(archive)]
        references = [ArchiveReference.from_dict(one) for one in given]
        landings = _flat(self.manifests, "manifests")
        lines = lines_of(references, landings, _flat(self.notes, "notes"))
        if not references:
            self._without_batches(context)
        target = open_destination(self.destination)
        pictures, note = self._pictures(target, landings)
        first = references[0].request
        page = Report(report_title(first), _facts(references, target), lines, pictures, note)
        uri = self._write(context, target, report_name(first), render(page))
        failed = sum("" in line.problems for line in lines)
        if failed:
            raise PartialArchiveError(
                f"{failed} of {len(lines)} batches failed to land; {uri} says why",
                vendor=first.vendor,
            )
        return {
            "uri": uri,
            "batches": len(lines),
            "landed": sum(line.landed is not None for line in lines),
            "bytes": sum(line.bytes for line in lines if line.landed is not None),
        }

    def _write(self, context: Context, target: Destination, name: str, page: str) -> str:
        """Store the page, link the task to it, and return its URI."""
        from airflow_provider_assets.landing.stores.base import put_document

        key = f"{target.prefix}{name}"
        put_document(target.store, key, page.encode())
        uri = target.store.uri(key)
        self.log.info("The report is %s", uri)
        show_link(self, context, ReportLink, target.browser_url(name))
        return uri

    def _without_batches(self, context: Context) -> None:
        """Skip, like the tasks before, or fail if one of them has failed."""
        ti: Any = context["ti"]
        before = sorted(self.upstream_task_ids)
        states = ti.get_task_states(dag_id=ti.dag_id, task_ids=before, run_ids=[ti.run_id])
        found = {state for tasks in states.values() for state in tasks.values()}
        if found & {"failed", "upstream_failed"}:
            raise PartialArchiveError("the export failed before it had a batch; see its log")
        raise AirflowSkipException("nothing has been exported, so there is nothing to report")

    def _pictures(
        self, target: Destination, manifests: Sequence[Data]
    ) -> tuple[list[Picture], str]:
        """Thumbnails, and a note where there cannot be any."""
        from airflow_provider_assets.reports.pictures import choose, rows_of, spread, thumbnails

        uris = [str(one["metadata_uri"]) for one in manifests if one.get("metadata_uri")]
        if not uris or not self.thumbnails:
            return [], ""
        wanted = spread([one for one in uris if one.endswith(".jsonl")], self.thumbnails)
        if not wanted:
            return [], 'Thumbnails need the metadata as lines of JSON, metadata="jsonl".'
        share = -(-self.thumbnails // len(wanted))
        try:
            rows = [
                row
                for uri in wanted
                for row in choose(rows_of(target.store, target.prefix, uri), share)
            ]
            found = thumbnails(target.store, target.prefix, spread(rows, self.thumbnails))
            return list(found), ""
        except ImportError:
            return [], "Thumbnails need Pillow: pip install 'airflow-provider-assets[report]'"


def _flat(values: Any, name: str) -> list[Data]:
    """Mappings in a list, in lists of lists, or in the lazy results of a mapped task.

    :raises InvalidRequestError: if they are anything else.
    """
    plain = [] if values is None else to_plain(values)
    if not isinstance(plain, list):
        raise InvalidRequestError(
            f"{name}: expected what the tasks returned, got {type(values).__name__}; pass their .output"
        )
    found: list[Data] = []
    for one in plain:
        found += [one] if isinstance(one, dict) else _flat(one, name)
    return found


def _facts(references: Sequence[ArchiveReference], target: Destination) -> dict[str, str]:
    """Name -> text, of what the page says about the whole run."""
    facts = {
        "connection": references[0].conn_id,
        "destination": target.store.uri(target.prefix),
    }
    window = references[0].request.window
    if window and len({one.request.window for one in references}) == 1:
        facts["window"] = f"{window[0]} to {window[1]}"
    return facts
