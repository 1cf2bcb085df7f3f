"""Starts DAGs when a vendor lists something new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable, Mapping
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import Any, NamedTuple

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_assets.sansio.arguments import (
    require_mapping,
    require_text,
    to_seconds,
    to_timedelta,
)
from airflow_provider_assets.sansio.errors import AssetsError
from airflow_provider_assets.sansio.fingerprints import fingerprint, state_key
from airflow_provider_assets.sansio.moments import iso_ms, parse_moment
from airflow_provider_assets.sansio.settle import LISTING_LAG
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.triggers.poller import connection_for, shared
from airflow_provider_assets.vendors import narrowing
from airflow_provider_assets.vendors.parsing import check_names

KEY = "asset_archive.seen_until"
# Airflow stores an event about a second after it was yielded; a crash before that must not lose it.
STORING_SECONDS = 10.0
DEFAULT_INTERVAL = 300.0


class Seen(NamedTuple):
    """The items before *until* have been announced; those from it to *announcing* perhaps."""

    until: datetime
    announcing: datetime | None = None


class Found(NamedTuple):
    """The answer to one look.

    :param items: their number, finished or not, without those that lie in every window.
    :param window: what is left of the window; its beginning may be older than what the vendor lists.
    """

    items: int
    window: Window


class Look:
    """One look at the listing; watchers that ask for the same span share the answer.

    The connection is read for each look, so that one that was changed is used as it is now.
    """

    def __init__(self, conn_id: str, select: Mapping[str, JSON], end: datetime) -> None:
        self.end = end
        self._conn_id = conn_id
        self._select = select
        self._answers: dict[Window, Found | Exception] = {}
        self._turn = asyncio.Lock()

    async def count(self, window: Window) -> Found:
        """The items in *window*.

        :raises Exception: what the connection or the vendor's listing raised.
        """
        async with self._turn:
            if window not in self._answers:
                try:
                    self._answers[window] = await self._ask(window)
                except Exception as error:  # noqa: BLE001  # raised below, for each that asks
                    self._answers[window] = error
        answer = self._answers[window]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _ask(self, window: Window) -> Found:
        async with shared(await connection_for(self._conn_id)) as poller:
            client = poller.client
            check_names(self._select, client.vendor.spec.filters, "select")
            found = await client.run(client.vendor.select(self._select, window))
            left = _left_of(window, client.vendor.spec.retention)
            new = len(found.items) - len(found.undated) + len(found.pending)
            return Found(new, left)


def _left_of(window: Window, retention: timedelta | None) -> Window:
    """*window* from where the vendor lists; as it is if all of it is older."""
    if retention is None:
        return window
    first = parse_moment(iso_ms(datetime.now(timezone.utc) - retention), "now")
    return Window(first, window.end) if window.start < first < window.end else window


class AssetArchiveEventTrigger(BaseEventTrigger):
    """For ``AssetWatcher``: an event whenever the vendor lists new items.

    The event is ``{"conn_id": ..., "window": [start, end], "items": n}``. Where Airflow keeps state for
    assets (3.3.2+), a restarted triggerer resumes where it stopped; on earlier versions, it
    starts from now, and no event covers the items in between. A triggerer that ends within seconds of an
    event announces the same window once more, rather than never.
    ``items`` counts those that the vendor has not finished, too: the run that the event starts waits
    for them. It does not count what the vendor gives no time (ROMA Connect): that lies in every window, so
    each look would start a run. The runs export it with their windows.
    A failure to read the listing is logged, and the listing is read again at the next interval.
    After a pause that was longer than the vendor lists (Topaz Labs: 7 days) that is so until *select* has
    ``allow_truncated``: the watch then continues with what the vendor still lists, and logs what is lost.

    Watchers with equal arguments share one listing (Airflow 3.3), and the session and rate limit of their
    connection with the deferred waits of the triggerer.

    :param conn_id: the vendor's connection.
    :param select: the vendor's listing filters; none by default. The event does not contain them: repeat them
        in the export. As long as one is unknown to the vendor, which is logged, nothing is announced.
    :param poll_interval: seconds between two listings; 300 by default.
    :param settle: seconds from the end of a window until it is listed, since vendors list items late; 30 by
        default.
    :raises InvalidRequestError: naming the argument that is wrong, when the DAG is parsed.
    """

    def __init__(
        self,
        conn_id: str,
        select: Mapping[str, JSON] | None = None,
        poll_interval: float = DEFAULT_INTERVAL,
        settle: float = LISTING_LAG.total_seconds(),
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's own
        self.conn_id = require_text(conn_id, "conn_id")
        self.select = require_mapping({} if select is None else select, "select")
        self.poll_interval = to_seconds(poll_interval, "poll_interval") or DEFAULT_INTERVAL
        self.settle = to_timedelta(settle, "settle").total_seconds()

    @cached_property
    def _key(self) -> str:
        """The key of the state, of which only filters that narrow the listing are a part."""
        return state_key(KEY, self.conn_id, narrowing(self.select))

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

    def run(self) -> AsyncIterator[TriggerEvent]:
        """List the vendor's items forever, alone (below Airflow 3.3)."""
        return self.filter_shared_stream(self.open_shared_stream(self.serialize()[1]))

    def shared_stream_key(self) -> Hashable:
        """Equal for watchers with equal arguments; Airflow then opens one stream for them."""
        path, arguments = self.serialize()
        return (path, fingerprint(arguments))

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Look]:
        """A :class:`Look` at each interval, forever.

        :param kwargs: the arguments of one of the watchers; they are equal.
        """
        one = cls(**kwargs)
        while True:
            yield Look(one.conn_id, one.select, one._settled())
            await asyncio.sleep(one.poll_interval)

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[Look]
    ) -> AsyncIterator[TriggerEvent]:
        """An event for each :class:`Look` that finds items after those that were announced."""
        seen = await self._recall()
        if seen is None:
            seen = Seen(self._settled())
            await self._remember(seen)
        async for look in shared_stream:
            # An event that may have been lost with the triggerer is repeated with its own window, so that
            # the run which it starts finds what has landed in place.
            end = seen.announcing or look.end
            if end <= seen.until:
                continue
            window = Window(seen.until, end)
            found = await self._count(look, window)
            if found is None:
                continue
            if found.window != window:
                self.log.warning(
                    "%s no longer lists what is older than %s; no event covers what came since %s",
                    *(self.conn_id, found.window.iso()[0], window.iso()[0]),
                )
            if found.items:
                await self._remember(Seen(found.window.start, end))
                yield self._event(found.window, found.items)
                await asyncio.sleep(STORING_SECONDS)
            seen = Seen(end)
            await self._remember(seen)

    async def _count(self, look: Look, window: Window) -> Found | None:
        """The items in the window; None if it could not be found out.

        A watch that ended would be started again within a second, again and again.
        """
        try:
            return await look.count(window)
        except AssetsError as error:
            self.log.warning("%s: %s; asking again", type(error).__name__, error)
        except Exception:
            self.log.exception("The listing of %s cannot be read; asking again", self.conn_id)
        return None

    def _settled(self) -> datetime:
        """The end of the span in which the listing no longer changes.

        In whole milliseconds, as events and windows are written: else an item of that millisecond
        would be counted here, left out of the run's window, and never counted again.
        """
        moment = datetime.now(timezone.utc) - timedelta(seconds=self.settle)
        return parse_moment(iso_ms(moment), "now")

    def _event(self, window: Window, items: int) -> TriggerEvent:
        return TriggerEvent(  # type: ignore[no-untyped-call]  # Airflow's own
            {"conn_id": self.conn_id, "window": list(window.iso()), "items": items}
        )

    async def _recall(self) -> Seen | None:
        """The announcements to the asset that is furthest behind; None if there were none."""
        told = [await store.aget(self._key) for store in self._stores()]
        moments = [[one] if isinstance(one, str) else one for one in told if one is not None]
        seen = [Seen(*(parse_moment(one, KEY) for one in some)) for some in moments]
        return min(seen, key=lambda one: one.until, default=None)

    async def _remember(self, seen: Seen) -> None:
        value = [iso_ms(moment) for moment in seen if moment is not None]
        for store in self._stores():
            await store.aset(self._key, value)

    def _stores(self) -> list[Any]:
        """The state of each watched asset, where Airflow gives triggers an asynchronous one.

        Watchers of several assets with equal arguments are one trigger to Airflow, and its store then
        refuses to answer unless it is asked for one asset, which a trigger cannot name.
        """
        store = getattr(self, "asset_state_store", None)
        if not hasattr(store, "aset"):
            return []
        return [*getattr(store, "_by_name", {}).values()] or [store]
