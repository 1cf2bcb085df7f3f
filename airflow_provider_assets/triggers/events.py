"""Starts DAGs when a vendor lists something new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_assets.hooks.airflow_connection import read_connection
from airflow_provider_assets.hooks.client import AsyncClient
from airflow_provider_assets.sansio.errors import TransientError
from airflow_provider_assets.sansio.jobs import state_key
from airflow_provider_assets.sansio.messages import JSON
from airflow_provider_assets.sansio.settle import LISTING_LAG
from airflow_provider_assets.sansio.window import Window, iso_ms, parse_moment

KEY = "asset_archive.seen_until"


class AssetArchiveEventTrigger(BaseEventTrigger):
    """For ``AssetWatcher``: an event whenever the vendor lists new items.

    The event is ``{"conn_id": ..., "window": [start, end], "items": n}``. Where Airflow keeps state for
    assets (3.3.2+), a restarted triggerer resumes where it stopped; on earlier versions, it
    starts from now, and no event covers the items in between.
    ``items`` counts those that the vendor has not finished, too: the run that the event starts waits
    for them.

    :param conn_id: the vendor's connection.
    :param select: the vendor's listing filters; none by default. The event does not contain them: repeat them
        in the export.
    :param poll_interval: seconds between two listings; 300 by default.
    :param settle: seconds from the end of a window until it is listed, since vendors list items late; 30 by
        default.
    """

    def __init__(
        self,
        conn_id: str,
        select: Mapping[str, JSON] | None = None,
        poll_interval: float = 300.0,
        settle: float = LISTING_LAG.total_seconds(),
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's own
        self.conn_id = conn_id
        self.select = dict(select or {})
        self.poll_interval = poll_interval
        self.settle = settle
        self._key = state_key(KEY, conn_id, self.select)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and JSON-safe arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "conn_id": self.conn_id,
                "select": self.select,
                "poll_interval": self.poll_interval,
                "settle": self.settle,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """List the vendor's items for ever; a transient failure is retried at the next interval."""
        client = AsyncClient(await read_connection(self.conn_id))
        try:
            start = await self._recall() or self._settled()
            while True:
                end = self._settled()
                found = await self._look(client, start, end) if end > start else 0
                if found is not None:
                    if found:
                        yield self._event(start, end, found)
                    start = max(start, end)
                    await self._remember(start)
                await asyncio.sleep(self.poll_interval)
        finally:
            await client.close()

    async def _look(self, client: AsyncClient, start: datetime, end: datetime) -> int | None:
        """Number of items in the span, finished or not; None if the vendor could not be asked."""
        try:
            found = await client.run(client.vendor.select(self.select, Window(start, end)))
            return len(found.items) + len(found.pending)
        except TransientError as error:
            self.log.warning("%s: %s; asking again", type(error).__name__, error)
            return None

    def _settled(self) -> datetime:
        """The end of the span in which the listing will not change any more.

        In whole milliseconds, as events and windows are written: else an item of the very millisecond
        would be counted here, left out of the run's window, and not be counted again.
        """
        moment = datetime.now(timezone.utc) - timedelta(seconds=self.settle)
        return parse_moment(iso_ms(moment), "now")

    def _event(self, start: datetime, end: datetime, items: int) -> TriggerEvent:
        window = [iso_ms(start), iso_ms(end)]
        return TriggerEvent(  # type: ignore[no-untyped-call]  # Airflow's own
            {"conn_id": self.conn_id, "window": window, "items": items}
        )

    async def _recall(self) -> datetime | None:
        store = self._state()
        value = await store.aget(self._key) if store is not None else None
        return None if value is None else parse_moment(value, KEY)

    async def _remember(self, moment: datetime) -> None:
        store = self._state()
        if store is not None:
            await store.aset(self._key, iso_ms(moment))

    def _state(self) -> Any:
        """The watched asset's state, where Airflow gives triggers an asynchronous one."""
        store = getattr(self, "asset_state_store", None)
        return store if hasattr(store, "aset") else None
