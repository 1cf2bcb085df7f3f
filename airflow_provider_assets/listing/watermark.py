"""Stores where ``window="since_last"`` resumes: the end of the last exported span, kept with an Asset.

The start of a run's span is kept with its task, so that a retry or a clear exports the same span.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow_provider_assets.run_timing import resolve_window
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.fingerprints import state_key
from airflow_provider_assets.sansio.moments import iso_ms, parse_moment
from airflow_provider_assets.sansio.window import Window

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_assets.sansio.strict_json import JSON

KEY = "asset_archive.exported_until"


class Watermark:
    """The state of the one Asset among the task's outlets and inlets (Airflow 3.3+).

    :param key: of the watermark; see :meth:`of`.
    :param conn_id: the export's connection.
    :raises InvalidRequestError: where Airflow keeps no such state.
    """

    def __init__(self, context: Context, key: str, conn_id: str) -> None:
        store = context.get("asset_state_store")
        if store is None:
            raise InvalidRequestError(
                'window="since_last" needs Airflow 3.3 and one Asset in the inlets of this task, '
                "which stores the end of the last exported span (an outlet works too, but notifies "
                "consumers before anything has landed)"
            )
        self._store, self._task = store, context.get("task_state_store")
        self.key = key
        self._conn_id = conn_id
        # A backfill exports spans of the past, each run its own; the nightly run must not resume there.
        self._is_backfill = context["dag_run"].run_type == "backfill"

    @classmethod
    def of(
        cls,
        context: Context,
        conn_id: str,
        *,
        select: Mapping[str, JSON],
        mode: str,
        options: Mapping[str, JSON],
    ) -> Watermark:
        """The watermark of an export: others with another connection, selection or form may share its Asset.

        :param select: without filters that narrow nothing.
        :param options: without those that only name things, since they may differ in each run.
        """
        export: dict[str, JSON] = {"select": dict(select), "mode": mode, "options": dict(options)}
        return cls(context, state_key(KEY, conn_id, export), conn_id)

    def window(self, context: Context) -> Window:
        """The run's span: from where it began before or, if it is new, from where the last one ended."""
        if self._is_backfill:
            return resolve_window("auto", context, self._conn_id)
        begun = self._task.get(self.key) if self._task else None
        value = self._store.get(self.key) if begun is None else begun
        start = None if value is None else parse_moment(value, KEY)
        window = resolve_window("since_last", context, self._conn_id, start)
        if self._task:
            from airflow.sdk.execution_time.context import NEVER_EXPIRE  # 3.3+, as the store

            # However late the run is cleared: without it, that would export nothing but an error.
            self._task.set(self.key, iso_ms(window.start), retention=NEVER_EXPIRE)
        return window

    def advance(self, end: str) -> None:
        """Remember that everything before *end* (ISO) is exported; it never goes back."""
        moment, known = parse_moment(end, KEY), self._store.get(self.key)
        if not self._is_backfill and (known is None or moment > parse_moment(known, KEY)):
            self._store.set(self.key, iso_ms(moment))
