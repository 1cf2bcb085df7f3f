"""Starts DAGs when a vendor lists something new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_assets._airflow import aconnection
from airflow_provider_assets.hooks.base import AsyncClient
from airflow_provider_assets.sansio.errors import TransientError
from airflow_provider_assets.sansio.jobs import state_key
from airflow_provider_assets.sansio.messages import JSON
from airflow_provider_assets.sansio.window import Window, iso_ms, parse_moment

KEY = "asset_archive.seen_until"
# Vendors list an item a little after the moment that it bears.
LAG = timedelta(seconds=30)


class AssetArchiveEventTrigger(BaseEventTrigger):
    """For ``AssetWatcher``: an event whenever the vendor lists new items.

    The event is ``{"conn_id": ..., "window": [start, end], "items": n}``. Where Airflow keeps state for
    assets (3.3.2+), a restart of the triggerer goes on where it ended; below, from its start.

    :param conn_id: the vendor's connection.
    :param select: the vendor's listing filters.
    :param interval: seconds between two looks.
    """

    def __init__(
        self, conn_id: str, select: Mapping[str, JSON] | None = None, interval: float = 300.0
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's own
        self.conn_id = conn_id
        self.select = dict(select or {})
        self.interval = interval
        self._key = state_key(KEY, conn_id, self.select)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and JSON-safe arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {"conn_id": self.conn_id, "select": self.select, "interval": self.interval},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again and again; a vendor that is away for a while is asked again."""
        client = AsyncClient(await aconnection(self.conn_id))
        try:
            start = await self._recall() or datetime.now(timezone.utc) - LAG
            while True:
                end = datetime.now(timezone.utc) - LAG
                found = await self._look(client, start, end) if end > start else 0
                if found is not None:
                    if found:
                        yield self._event(start, end, found)
                    start = max(start, end)
                    await self._remember(start)
                await asyncio.sleep(self.interval)
        finally:
            await client.close()

    async def _look(self, client: AsyncClient, start: datetime, end: datetime) -> int | None:
        """Number of items in the span; None if the vendor could not be asked."""
        try:
            found = await client.run(client.vendor.select(self.select, Window(start, end)))
            return len(found.items)
        except TransientError as error:
            self.log.warning("%s: %s; asking again", type(error).__name__, error)
            return None

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
