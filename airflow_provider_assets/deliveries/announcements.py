"""Announces what has landed: in the asset events of a task's outlets, and to the report of the run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import Asset, AssetAlias

from airflow_provider_assets.reports.notes import NOTES, note_of
from airflow_provider_assets.sansio.errors import AssetsError
from airflow_provider_assets.sansio.groups import ungrouped
from airflow_provider_assets.sansio.jobs import ArchiveReference, Data

if TYPE_CHECKING:
    from airflow.sdk import Context

_log = logging.getLogger(__name__)


def tell_report(
    context: Context, archive: Data, notes: Sequence[Data], error: AssetsError | None = None
) -> None:
    """Keep, for the report of the run, what no manifest contains.

    :param notes: one for each batch that has been tried; :func:`~.reports.notes.note_of` begins it.
    :param error: ended the task; the reason of all batches of *archive* if none has a note.
    """
    try:
        if error is not None and not notes:
            given = [ArchiveReference.from_dict(one) for one in ungrouped(archive)]
            notes = [{**note_of(one), "reason": reason_of(error)} for one in given]
        context["ti"].xcom_push(NOTES, [*notes])
    except Exception as other:  # noqa: BLE001  # it must neither mask nor cause a failure
        _log.warning("The report of the run will lack the notes of this task: %s", other)


def reason_of(error: AssetsError) -> str:
    """The reason of a failure as the report shows it."""
    return f"{type(error).__name__}: {error.message}"


def tell_outlets(
    context: Context, outlets: Sequence[Any], landed: Sequence[Data], *, is_group: bool
) -> None:
    """Add the landings to the asset events of the task's outlets."""
    key = getattr(context["dag_run"], "partition_key", None)
    partition: Data = {"partition_key": key} if key else {}
    extras = [{**_event(result), **partition} for result in landed]
    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            for extra in extras:
                try:
                    asset = Asset(str(extra["uri"]))
                except ValueError as error:  # of more than 1,500 characters, for one
                    _log.warning(
                        "No asset event of %s for %s: %s", outlet.name, extra["uri"], error
                    )
                else:
                    context["outlet_events"][outlet].add(asset, extra=dict(extra))
        else:  # an asset or a reference to one: an event for each task, whatever it has landed
            told: Data = {"landed": [*extras]} if is_group else extras[0]
            context["outlet_events"][outlet].extra = dict(told)


def _event(result: Data) -> Data:
    """The facts of a landing that the event of an outlet contains."""
    names = ("uri", "bytes", "sha256", "entries", "skipped")
    places = ("manifest_uri", "metadata_uri", "report_uri")
    facts = cast("Data", result["facts"])
    known = ("vendor", "conn_id", "job_id", "window", "items", "batch", "batches")
    return {
        **{name: result[name] for name in (*names, *places) if name in result},
        **{name: facts[name] for name in known},
    }
