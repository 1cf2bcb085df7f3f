"""Where ``window="since_last"`` goes on: the end of the last exported span, kept with the task's asset.

What a run began with is kept with its task, so that a retry or a clear exports the same span again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow_provider_assets._airflow import window_of
from airflow_provider_assets.operators.selection import mapping
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.jobs import state_key
from airflow_provider_assets.sansio.messages import JSON
from airflow_provider_assets.sansio.window import Window, iso_ms, parse_moment

if TYPE_CHECKING:
    from airflow.sdk import Context

KEY = "asset_archive.exported_until"


class Watermark:
    """The state of the one Asset among the task's outlets and inlets (Airflow 3.3+).

    Each connection and selection has a mark of its own, so that exports may share an Asset.

    :raises InvalidRequestError: where Airflow keeps no such state.
    """

    def __init__(self, context: Context, conn_id: str, select: Mapping[str, JSON] | None) -> None:
        store = context.get("asset_state_store")
        if store is None:
            raise InvalidRequestError(
                'window="since_last" needs Airflow 3.3 and one Asset in the inlets of this task, '
                "with which the end of the last exported span is kept (its outlets do as well, but "
                "tell consumers before anything has landed)"
            )
        self._store, self._task = store, context.get("task_state_store")
        self._key = state_key(KEY, conn_id, mapping(select or {}, "select"))
        # A backfill exports the past; the nightly run must not go on from there.
        self._advances = context["dag_run"].run_type != "backfill"

    def window(self, context: Context) -> Window:
        """The run's span: from where it began before or, if it is new, from where the last one ended."""
        begun = self._task.get(self._key) if self._task else None
        value = self._store.get(self._key) if begun is None else begun
        start = None if value is None else parse_moment(value, KEY)
        window = window_of("since_last", context, start)
        if self._task:
            self._task.set(self._key, iso_ms(window.start))
        return window

    def advance(self, end: str) -> None:
        """Remember that everything before *end* (ISO) is exported; it never goes back."""
        moment, known = parse_moment(end, KEY), self._store.get(self._key)
        if self._advances and (known is None or moment > parse_moment(known, KEY)):
            self._store.set(self._key, iso_ms(moment))
