"""Watchers of a vendor's listing, run by Airflow's own triggerer loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import datetime, timedelta, timezone
from itertools import count

import pytest
from airflow.jobs.triggerer_job_runner import TriggerRunner
from airflow.triggers.base import BaseEventTrigger
from poller_kit import Account, left, until

from airflow_provider_assets.sansio.moments import iso_ms, parse_moment
from airflow_provider_assets.triggers import events as module
from airflow_provider_assets.triggers import poller
from airflow_provider_assets.triggers.archive import AssetArchiveEventTrigger
from airflow_provider_assets.vendors import huawei_roma_parsing

CONN = "watched"
_DAYS = count(1)
shares = pytest.mark.skipif(
    not hasattr(BaseEventTrigger, "shared_stream_key"), reason="Airflow shares streams from 3.3 on"
)


class State(dict):
    """The state of one asset, as a triggerer gives it to a watcher."""

    async def aget(self, key, default=None):
        return self.get(key, default)

    async def aset(self, key, value):
        self[key] = json.loads(json.dumps(value))


class Quiet:
    """The log of a triggerer; what it is told in passing may be waited for."""

    def __getattr__(self, name: str):
        async def waited(*args: object, **kwargs: object) -> None:
            pass

        return waited if name.startswith("a") else lambda *args, **kwargs: None


class Triggerer:
    """Airflow's loop around some watchers."""

    def __init__(self) -> None:
        self.runner = TriggerRunner()
        self.runner.log = Quiet()
        self.tasks: list[asyncio.Task[None]] = []

    def watch(self, state, *, poll_interval=0.05, **arguments) -> None:
        number = len(self.tasks) + 1
        made = AssetArchiveEventTrigger(CONN, poll_interval=poll_interval, **arguments)
        path, stored = made.serialize()
        assert path.endswith(".AssetArchiveEventTrigger")
        one = AssetArchiveEventTrigger(**json.loads(json.dumps(stored)))
        one.asset_state_store = state
        self.runner.triggers[number] = {"name": str(number), "events": 0, "is_watcher": True}
        self.tasks.append(asyncio.create_task(self.runner.run_trigger(number, one)))

    def told(self) -> list[tuple[int, list[str], int]]:
        """Trigger, window and number of items of each event so far."""
        events = [(entry[0], entry[1].payload) for entry in self.runner.events]
        assert {payload["conn_id"] for _, payload in events} <= {CONN}
        return [(number, event["window"], event["items"]) for number, event in events]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        for task in self.tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


@contextlib.asynccontextmanager
async def triggerer():
    one = Triggerer()
    try:
        yield one
    finally:
        await one.stop()


class Clock:
    """The end of what is listed; it starts on a day of its own for each test."""

    def __init__(self) -> None:
        self.moment = self.day = datetime(2025, 6, 1, tzinfo=timezone.utc) + timedelta(next(_DAYS))
        self.start = iso_ms(self.day)

    def pass_hours(self, hours: float) -> str:
        self.moment += timedelta(hours=hours)
        return iso_ms(self.moment)

    def at(self, hour: int) -> str:
        return iso_ms(self.day + timedelta(hours=hour, minutes=30))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(AssetArchiveEventTrigger, "_settled", lambda self: clock.moment)
    return clock


@pytest.fixture
def stored_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STORING_SECONDS", 0.0)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The warnings of watchers."""
    lines: list[str] = []

    class Log(Quiet):
        def warning(self, text: str, *values: object) -> None:
            lines.append(text % values)

    monkeypatch.setattr(AssetArchiveEventTrigger, "log", Log())
    return lines


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch):
    def put(part, **changes) -> None:
        conn = {**part["connection"], **changes}
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONN.upper()}", json.dumps(conn))

    return put


@pytest.fixture
def watched(scenario: Account, connect) -> Account:
    connect(scenario.part)
    return scenario


def appear(account: Account, clock: Clock, hour: int) -> None:
    """One new item, half past that hour of the day on which the watch starts."""
    account.sandbox.add_late_item(account.vendor, clock.at(hour))


async def looks(account: Account, more: int) -> None:
    """Wait until the vendor's listing was asked for so many times more."""
    before = account.totals().get("listings", 0)
    await until(lambda: account.totals().get("listings", 0) >= before + more)


def test_events_follow_each_other_without_gap_or_overlap(watched, clock, stored_at_once) -> None:
    async def main() -> None:
        state = State()
        async with triggerer() as one:
            one.watch(state)
            await until(lambda: state)
            appear(watched, clock, 0)
            first = clock.pass_hours(1)
            await until(lambda: len(one.told()) == 1)
            quiet = clock.pass_hours(1)
            await looks(watched, 1)
            appear(watched, clock, 2)
            appear(watched, clock, 2)
            last = clock.pass_hours(1)
            await until(lambda: len(one.told()) == 2)
            assert one.told() == [(1, [clock.start, first], 1), (1, [quiet, last], 2)]
        assert left() == []

    asyncio.run(main())


def test_a_triggerer_that_starts_again_announces_what_came_meanwhile_and_nothing_twice(
    watched, clock, stored_at_once
) -> None:
    async def main() -> None:
        state = State()
        async with triggerer() as one:
            one.watch(state)
            await until(lambda: state)
            appear(watched, clock, 0)
            first = clock.pass_hours(1)
            await until(lambda: one.told() and [first] in state.values())
        appear(watched, clock, 1)
        second = clock.pass_hours(1)
        async with triggerer() as other:
            other.watch(state)
            await until(other.told)
            await until(lambda: [second] in state.values())
            assert other.told() == [(1, [first, second], 1)]

    asyncio.run(main())


def test_an_event_that_airflow_may_not_have_stored_comes_again_with_the_same_window(
    watched, clock, monkeypatch
) -> None:
    async def main() -> None:
        state = State()
        async with triggerer() as one:
            one.watch(state)
            await until(lambda: state)
            appear(watched, clock, 0)
            first = clock.pass_hours(1)
            await until(one.told)
        appear(watched, clock, 1)
        second = clock.pass_hours(1)
        monkeypatch.setattr(module, "STORING_SECONDS", 0.0)
        async with triggerer() as other:
            other.watch(state)
            await until(lambda: len(other.told()) == 2)
            assert other.told() == [(1, [clock.start, first], 1), (1, [first, second], 1)]

    asyncio.run(main())


@shares
def test_equal_watchers_share_a_listing(watched, clock, stored_at_once) -> None:
    async def main() -> None:
        states = [State(), State(), State()]
        async with triggerer() as one:
            for state in states:
                one.watch(state)
            await until(lambda: all(states))
            appear(watched, clock, 0)
            end = clock.pass_hours(1)
            await until(lambda: len(one.told()) == 3)
            assert sorted(one.told()) == [(number, [clock.start, end], 1) for number in (1, 2, 3)]
            await until(lambda: all([end] in state.values() for state in states))
            assert watched.totals()["listings"] == 1
        assert left() == []

    asyncio.run(main())


@shares
def test_a_watcher_that_is_behind_gets_an_event_of_its_own(watched, clock, stored_at_once) -> None:
    async def main() -> None:
        late, early = State(), State()
        appear(watched, clock, 0)
        async with triggerer() as one:
            one.watch(late)
            await until(lambda: late)
        noon = clock.pass_hours(12)
        async with triggerer() as one:
            one.watch(early)
            await until(lambda: early)
            one.watch(late)
            appear(watched, clock, 13)
            end = clock.pass_hours(2)
            await until(lambda: len(one.told()) >= 2)
            await until(lambda: [end] in late.values() and [end] in early.values())
            spans = {
                number: [window for of, window, _ in one.told() if of == number]
                for number in (1, 2)
            }
            assert spans[1] == [[noon, end]]
            assert (spans[2][0][0], spans[2][-1][1]) == (clock.start, end)
            assert sum(items for number, _, items in one.told() if number == 2) == 2

    asyncio.run(main())


def test_watchers_of_several_selections_keep_apart(watched, clock, stored_at_once) -> None:
    async def main() -> None:
        state = State()
        async with triggerer() as one:
            one.watch(state)
            one.watch(state, select={"originalAssets": False})
            await until(lambda: len(state) == 2)
            appear(watched, clock, 0)
            clock.pass_hours(1)
            await until(lambda: len(one.told()) == 2)
            assert {number for number, _, _ in one.told()} == {1, 2}
            # One poller, and so one session and one rate limit, however many selections there are.
            assert len(poller._POLLERS) <= 1

    asyncio.run(main())


def test_a_filter_that_the_vendor_does_not_know_announces_nothing(
    watched, clock, stored_at_once, said
) -> None:
    async def main() -> None:
        state = State()
        async with triggerer() as one:
            one.watch(state, select={"colectionId": "col_icons"})
            await until(lambda: state)
            appear(watched, clock, 0)
            clock.pass_hours(1)
            await until(lambda: said)
            assert one.told() == []
        assert list(state.values()) == [[clock.start]]

    asyncio.run(main())
    assert "select: unknown colectionId; known names are" in said[0]


def test_a_vendor_that_is_unavailable_is_asked_again(watched, clock, stored_at_once) -> None:
    async def main() -> None:
        async with triggerer() as one:
            state = State()
            one.watch(state)
            await until(lambda: state)
            watched.sandbox.fault("list:503empty:5")
            appear(watched, clock, 0)
            end = clock.pass_hours(1)
            await until(one.told)
            assert one.told() == [(1, [clock.start, end], 1)]

    asyncio.run(main())


@pytest.mark.parametrize("broken", ["credentials", "connection"])
def test_a_watch_outlives_a_connection_that_is_wrong_for_a_while(
    watched, clock, stored_at_once, connect, monkeypatch, broken
) -> None:
    asked = []

    async def connection_for(conn_id: str):
        asked.append(conn_id)
        return await poller.connection_for(conn_id)

    monkeypatch.setattr(module, "connection_for", connection_for)

    async def main() -> None:
        state = State()
        if broken == "credentials":
            connect(watched.part, password="of_yesterday")
        else:
            monkeypatch.delenv(f"AIRFLOW_CONN_{CONN.upper()}")
        async with triggerer() as one:
            one.watch(state)
            await until(lambda: state)
            appear(watched, clock, 0)
            clock.pass_hours(1)
            await until(lambda: len(asked) >= 3)
            assert one.told() == []
            connect(watched.part)
            await until(one.told)
            assert one.told()[0][1][0] == clock.start

    asyncio.run(main())


def test_assets_with_equal_watchers_are_one_trigger_that_waits_for_the_last_of_them(
    watched, clock, stored_at_once, monkeypatch
) -> None:
    """Airflow makes one trigger of them, and gives it the state of each."""
    context = pytest.importorskip("airflow.sdk.execution_time.context")
    if not hasattr(getattr(context, "AssetStateStoreAccessor", None), "aset"):
        pytest.skip("Airflow gives watchers a state from 3.3.2 on")
    from airflow.sdk import Asset

    kept: dict[str, State] = {"one": State(), "two": State(), "new": State()}
    monkeypatch.setattr(
        context.AssetStateStoreAccessor, "aget", lambda self, key: kept[self._name].aget(key)
    )
    monkeypatch.setattr(
        context.AssetStateStoreAccessor,
        "aset",
        lambda self, key, value: kept[self._name].aset(key, value),
    )

    def stores(*names: str):
        return context.AssetStateStoreAccessors(
            inlets=[Asset(name, uri=f"x://{name}") for name in names]
        )

    async def main() -> None:
        async with triggerer() as one:
            one.watch(stores("two"))
            await until(lambda: kept["two"])
        noon = clock.pass_hours(12)
        async with triggerer() as one:
            one.watch(stores("one"))
            await until(lambda: kept["one"])
        appear(watched, clock, 13)
        end = clock.pass_hours(2)
        async with triggerer() as one:
            one.watch(stores("one", "two", "new"))
            await until(one.told)
            await until(lambda: all([end] in state.values() for state in kept.values()))
            assert one.told() == [(1, [clock.start, end], 1)]
        assert noon not in (clock.start, end)

    asyncio.run(main())


def test_a_watch_that_paused_for_longer_than_the_vendor_lists_continues_once_that_is_allowed(
    topaz, stored_at_once, connect, said
) -> None:
    connect(topaz.part)
    now = datetime.now(timezone.utc)
    day_ago, long_ago = iso_ms(now - timedelta(days=1)), iso_ms(now - timedelta(days=8))
    topaz.sandbox.add_late_item("topaz", day_ago)

    async def main() -> None:
        key = AssetArchiveEventTrigger(CONN)._key
        state = State({key: [long_ago]})
        async with triggerer() as one:
            one.watch(state, settle=0)
            await until(lambda: any("allow_truncated" in line for line in said))
            assert one.told() == []
        said.clear()
        async with triggerer() as one:
            one.watch(state, select={"allow_truncated": True}, settle=0)
            await until(one.told)
            ((_, (start, end), items),) = one.told()
            await until(lambda: state[key][0] > end)  # by a later look
            assert len(one.told()) == 1
        assert items >= 1  # others of the sandbox, too
        assert timedelta(days=6, hours=23) < now - parse_moment(start, "start") < timedelta(days=7)
        lost = f"no longer lists what is older than {start}; no event covers what came since {long_ago}"
        assert said == [f"{CONN} {lost}"]

    asyncio.run(main())


def test_what_has_no_time_is_not_announced_at_each_look(
    roma, clock, stored_at_once, connect, monkeypatch
) -> None:
    """It lies in every window, so an export takes it with each that has something else."""
    connect(roma.part)

    async def main() -> None:
        state = State()
        async with triggerer() as one:
            one.watch(state)
            await until(lambda: state)
            with monkeypatch.context() as patch:
                patch.setattr(huawei_roma_parsing, "CHANGED", ())
                quiet = clock.pass_hours(1)
                await until(lambda: [quiet] in state.values())
            assert one.told() == []
            appear(roma, clock, 1)
            end = clock.pass_hours(1)
            await until(one.told)
            assert one.told() == [(1, [quiet, end], 1)]

    asyncio.run(main())


def test_a_state_of_an_earlier_release_is_read(watched, clock, stored_at_once) -> None:
    async def main() -> None:
        watcher = AssetArchiveEventTrigger(CONN)
        state = State({watcher._key: clock.start})
        appear(watched, clock, 0)
        end = clock.pass_hours(1)
        async with triggerer() as one:
            one.watch(state)
            await until(one.told)
            assert one.told() == [(1, [clock.start, end], 1)]

    asyncio.run(main())


def test_the_bounds_of_an_event_are_those_that_were_listed() -> None:
    """Cut to milliseconds before the listing: else an item of the last one would be told twice or never."""
    assert AssetArchiveEventTrigger(CONN)._settled().microsecond % 1000 == 0


def test_an_event_trigger_can_be_made_again_from_what_is_stored() -> None:
    trigger = AssetArchiveEventTrigger(
        conn_id=CONN, select={"types": ["uploaded"]}, poll_interval=7, settle=90
    )
    path, arguments = trigger.serialize()
    assert path.endswith("AssetArchiveEventTrigger")
    assert AssetArchiveEventTrigger(**arguments).serialize() == trigger.serialize()
