"""The common case as one task group: archive, then land every batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import TaskGroup, XComArg

from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)

# Of AssetArchiveOperator; every other keyword argument is the landing's.
_ARCHIVE = frozenset(
    {"items", "select", "window", "options", "max_items", "poll_interval", "timeout"}
    | {"deferrable", "on_empty", "cancel_on_kill"}
)
_BOTH = frozenset({"on_partial"})


def asset_export(
    group_id: str,
    *,
    conn_id: str,
    destination: str,
    archive_args: Mapping[str, Any] | None = None,
    landing_args: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> XComArg:
    """A task group of ``archive`` and a mapped ``land``; returns the manifests' XComArg.

    :param group_id: id of the task group.
    :param conn_id: the vendor's connection.
    :param destination: Airflow object storage URL.
    :param archive_args: more arguments of the archive task (``pool``, ``retries``, …).
    :param landing_args: more arguments of the landing task (``outlets``, ``pool``, …).
    :param kwargs: arguments of :class:`AssetArchiveOperator` and
        :class:`ArchiveToObjectStorageOperator` by name, each given to whom it belongs.
    """
    first = {k: v for k, v in kwargs.items() if k in _ARCHIVE | _BOTH} | dict(archive_args or {})
    second = {k: v for k, v in kwargs.items() if k not in _ARCHIVE} | dict(landing_args or {})
    with TaskGroup(group_id):
        archive = AssetArchiveOperator(task_id="archive", conn_id=conn_id, **first)
        landed = ArchiveToObjectStorageOperator.partial(
            task_id="land", destination=destination, **second
        ).expand(archive=archive.output)
    return landed.output
