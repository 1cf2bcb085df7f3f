"""The operator that writes the report of a run beside its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseOperator

from airflow_provider_assets.airflow_compat import AirflowSkipException
from airflow_provider_assets.links import ReportLink, show_link
from airflow_provider_assets.outcomes import default_retry_policy, note_of, raise_for_airflow
from airflow_provider_assets.sansio.arguments import at_least, to_plain
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    InvalidRequestError,
    PartialArchiveError,
)
from airflow_provider_assets.sansio.groups import ungrouped
from airflow_provider_assets.sansio.jobs import ArchiveReference, Data
from airflow_provider_assets.sansio.stored import (
    Fits,
    check_fields,
    is_count,
    is_flag,
    is_number,
    is_text,
    or_none,
)

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_assets.destinations import Destination
    from airflow_provider_assets.reports.page import BatchLine, Picture

_LANDING: Mapping[str, Fits] = {
    **dict.fromkeys(("uri", "metadata_uri"), is_text),
    **dict.fromkeys(("bytes", "entries"), is_count),
    "skipped": is_flag,
    "facts": lambda value: (
        isinstance(value, dict)
        and is_text(value.get("conn_id"))
        and is_text(value.get("fingerprint"))
        and or_none(is_text)(value.get("target_format"))
    ),
}
_NOTE: Mapping[str, Fits] = {
    **dict.fromkeys(("batch", "bytes", "entries"), is_count),
    **dict.fromkeys(("conn_id", "job_id", "uri", "reason", "missing"), is_text),
    "seconds": is_number,
    "skipped": is_flag,
}
SEE_LOG = "the batch has not landed; the log of its landing task says why"


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
        from airflow_provider_assets.landing.stores.base import put_document
        from airflow_provider_assets.reports.page import Report, render, report_name, report_title

        at_least(0)(self.thumbnails, "thumbnails")
        check_destination(self.destination, "destination")
        given = [one for archive in _flat(self.archives, "archives") for one in ungrouped(archive)]
        references = [ArchiveReference.from_dict(one) for one in given]
        landings = [_landing(one) for one in _flat(self.manifests, "manifests")]
        if not references:
            self._without_batches(context)
        notes = {_batch(one): one for one in map(_note, _flat(self.notes, "notes"))}
        # A manifest may name the job of an earlier run, which had landed the same items.
        manifests = _manifests_of(references, landings)
        lines = [
            _line(one, notes.get(_batch(note_of(one))) or manifest)
            for one, manifest in zip(references, manifests, strict=True)
        ]
        target = open_destination(self.destination)
        pictures, note = self._pictures(target, landings)
        first = references[0].request
        facts = {
            "connection": references[0].conn_id,
            "destination": target.store.uri(target.prefix),
        }
        if first.window and len({one.request.window for one in references}) == 1:
            facts["window"] = f"{first.window[0]} to {first.window[1]}"
        page = render(Report(report_title(first), facts, lines, pictures, note))
        name = report_name(first)
        key = f"{target.prefix}{name}"
        put_document(target.store, key, page.encode())
        uri = target.store.uri(key)
        self.log.info("The report is %s", uri)
        show_link(self, context, ReportLink, target.browser_url(name))
        landed = [line for line in lines if line.landed is not None]
        failed = [line for line in lines if "" in line.problems]
        if failed:
            raise PartialArchiveError(
                f"{len(failed)} of {len(lines)} batches failed to land; {uri} says why",
                vendor=first.vendor,
            )
        return {
            "uri": uri,
            "batches": len(lines),
            "landed": len(landed),
            "bytes": sum(line.bytes for line in landed),
        }

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


def _landing(data: Data) -> Data:
    """*data*, a manifest as a landing returns it."""
    check_fields({"facts": None, **data}, _LANDING, "a manifest, in manifests")
    return data


def _note(data: Data) -> Data:
    """*data*, a note of a landing."""
    check_fields(
        {**dict.fromkeys(("conn_id", "job_id", "batch")), **data}, _NOTE, "a note, in notes"
    )
    return data


def _batch(note: Data) -> tuple[object, ...]:
    """The batch that a note is about."""
    return note["conn_id"], note["job_id"], note["batch"]


def _manifests_of(references: Sequence[ArchiveReference], manifests: Sequence[Data]) -> list[Data]:
    """For each of *references*, the one of *manifests* that is of its items; empty if none is."""
    facts = [cast("Data", one["facts"]) for one in manifests]
    known = {
        (str(one["conn_id"]), str(one["fingerprint"])): manifest
        for one, manifest in zip(facts, manifests, strict=True)
    }
    formats = {cast("str | None", one.get("target_format")) for one in facts}
    found = []
    for reference in references:
        names = [reference.request.landing_fingerprint(one) for one in formats]
        fitting = [known[key] for name in names if (key := (reference.conn_id, name)) in known]
        found.append(fitting[0] if fitting else {})
    return found


def _line(reference: ArchiveReference, landed: Data) -> BatchLine:
    """The line of a batch.

    :param landed: its note, or its manifest.
    """
    from airflow_provider_assets.reports.page import BatchLine

    request, problems = reference.request, reference.job.failed
    line = BatchLine(
        number=request.index + 1,
        items=request.count,
        archived=request.count - len(problems),
        problems=problems,
    )
    seconds = landed.get("seconds")
    if "missing" in landed:  # and the landing task accepts that
        problems = {"missing files": str(landed["missing"]), **problems}
        line = replace(line, problems=problems)
    if "uri" not in landed or "reason" in landed:
        line = replace(line, problems={"": str(landed.get("reason", SEE_LOG)), **problems})
    if "uri" not in landed:
        return line
    return replace(
        line,
        landed=int(str(landed["entries"])),
        bytes=int(str(landed["bytes"])),
        seconds=float(str(seconds)) if seconds and not landed.get("skipped") else None,
        uri=str(landed["uri"]),
    )
