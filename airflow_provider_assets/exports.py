"""The common case as one task group: archive, then land every batch, then report. And a landing as a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import BaseOperator, TaskGroup, XComArg, get_current_context

from airflow_provider_assets.deliveries.arguments import CHECKS, TEMPLATES, check_ahead, is_literal
from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.operators.report import AssetReportOperator
from airflow_provider_assets.reports.notes import NOTES
from airflow_provider_assets.sansio.arguments import require_flag, require_mapping
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath
    from airflow.sdk.definitions.mappedoperator import MappedOperator

    from airflow_provider_assets.sansio.jobs import Data


def _names(init: Callable[..., None], *without: str) -> frozenset[str]:
    return frozenset(signature(init).parameters) - {"self", "kwargs", *without}


_TASK = _names(BaseOperator.__init__, "task_id", "dag", "task_group", "inlets", "outlets")
_ARCHIVE = _TASK | _names(AssetArchiveOperator.__init__, "conn_id", "wait_for_completion")
_LANDING = _TASK | _names(ArchiveToObjectStorageOperator.__init__, "archive", "destination")


def _arguments_of(landing: MappedOperator) -> dict[str, Any]:
    """The arguments of *landing*, before it runs."""
    # Airflow adds the default_args of DAG and groups only to the task that it makes of a mapped one.
    task = vars(landing.unmap({"archive": {}}))
    return {name: task[name] for name in (*CHECKS, *TEMPLATES, "metadata")}


def _facts_of(arguments: Mapping[str, Any]) -> Data:
    """Facts of the manifests of a landing, as far as they are known before it runs."""
    names = [name for name in ("layout", "target_format") if is_literal(arguments[name])]
    return {name: arguments[name] for name in names}


def _check_place(archive: AssetArchiveOperator, destination: str | ObjectStoragePath) -> None:
    """Refuse a lookback of *archive* at a place that is another one in every run."""
    if archive.lookback is not None and "{{" in str(destination):
        raise InvalidRequestError(
            "asset_export: lookback reads what earlier runs have landed, but destination is a different "
            "place in every run; set plans to the part before the template"
        )


def _check_names(names: Iterable[str]) -> None:
    """Refuse an argument that neither task accepts, or that must belong to one of them."""
    for name in names:
        if name in ("inlets", "outlets"):
            raise TypeError(
                f"asset_export: {name} must belong to one of the two tasks; use "
                f"landing_args={{{name!r}: ...}} "
                f"for what has landed, or archive_args={{{name!r}: ...}}"
            )
        if name not in _ARCHIVE | _LANDING:
            raise TypeError(
                f"asset_export: {name!r} is not an argument of AssetArchiveOperator or "
                "ArchiveToObjectStorageOperator; correct the name"
            )


class AssetExport(TaskGroup):
    """The tasks ``archive`` and ``land``, which is mapped over the batches.

    ``start >> export >> done`` holds for the whole group, and ``my_task(export.output)`` gets what has
    landed.
    """

    @property
    def output(self) -> XComArg:
        """The manifests, one per batch; of a group of batches, a list of them."""
        return cast("MappedOperator", self.children[f"{self.group_id}.land"]).output


def asset_export(
    group_id: str,
    *,
    conn_id: str,
    destination: str | ObjectStoragePath,
    archive_args: Mapping[str, Any] | None = None,
    landing_args: Mapping[str, Any] | None = None,
    report: bool = False,
    **kwargs: Any,
) -> AssetExport:
    """A task group of ``archive`` and a mapped ``land``, and of ``report`` if asked for.

    If an argument of the landing is wrong, the archive task fails before it submits anything. Templates are
    checked when the landing starts.

    :param group_id: id of the task group.
    :param conn_id: the vendor's connection.
    :param destination: Airflow object storage URL, for the archives and for ``plans``.
    :param archive_args: arguments of the archive task alone (``inlets``, ``pool``, …).
    :param landing_args: arguments of the landing task alone (``outlets``, ``pool``, …).
    :param report: add a third task ``report``, which writes an HTML page about the run beside its data; False
        by default. See :class:`AssetReportOperator`.
    :param kwargs: arguments of :class:`AssetArchiveOperator` and of
        :class:`ArchiveToObjectStorageOperator`, each passed to its operator; arguments of every operator
        (``retries``, ``pool``, ``execution_timeout``, …) are passed to all tasks.
    :raises TypeError: for a name that neither accepts, and for ``inlets`` and ``outlets``.
    :raises InvalidRequestError: for *lookback* with a template in *destination*, unless *plans* is given.
    """
    require_flag(report, "report")
    archive_only = {} if archive_args is None else require_mapping(archive_args, "archive_args")
    landing_only = {} if landing_args is None else require_mapping(landing_args, "landing_args")
    _check_names(kwargs)
    of_archive = {k: v for k, v in kwargs.items() if k in _ARCHIVE} | archive_only
    of_landing = {k: v for k, v in kwargs.items() if k in _LANDING} | landing_only
    of_landing.setdefault("report", report)
    if of_landing.get("retry_policy", False) is None:
        # Airflow cannot tell None from nothing in a mapped task.
        of_landing["retry_policy"] = False
    of_landing.setdefault("map_index_template", "{{ task.label }}")  # from the start of the task on
    group = AssetExport(group_id)
    with group:
        archive = AssetArchiveOperator(task_id="archive", conn_id=conn_id, **of_archive)
        if archive.plans is None and "plans" not in of_archive:
            _check_place(archive, destination)
            archive.plans = destination
        land = ArchiveToObjectStorageOperator.partial(
            task_id="land", destination=destination, **of_landing
        ).expand(archive=archive.output)
        arguments = _arguments_of(land)
        archive.landing_facts = _facts_of(arguments)
        archive.check_ahead = partial(check_ahead, arguments)
        if report:
            AssetReportOperator(
                task_id="report",
                destination=destination,
                archives=archive.output,
                manifests=land.output,
                notes=XComArg(land, NOTES),
                trigger_rule="all_done",  # whatever the default_args of the DAG say
                **{
                    name: value
                    for name, value in kwargs.items()
                    if name in _TASK - {"trigger_rule"}
                },
            )
    return group


def land(
    archive: Data, destination: str | ObjectStoragePath, **arguments: Any
) -> Data | Any:  # nobody has to rule out the list of a group to read a manifest
    """Land a finished archive from within your own task, such as a ``@task``.

    A retry of that task resumes the landing. Everything else is up to the task: its retry policy, its asset
    events, and its templates, since those in *destination* and *arguments* are not rendered.

    :param archive: as in :class:`ArchiveToObjectStorageOperator`.
    :param destination: likewise.
    :param arguments: the operator's other arguments.
    :returns: the manifest without its entries; of a group, a list of them.
    :raises AssetsError: as the operator does.
    """
    task = ArchiveToObjectStorageOperator(
        task_id="land", archive=archive, destination=destination, **arguments
    )
    landed = task.land_all(get_current_context(), [])
    return landed if "archives" in archive else landed[0]
