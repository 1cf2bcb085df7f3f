"""Runs that go on since the last one, and runs that a vendor's new assets start."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from airflow.models.task_state_store import TaskStateStoreModel
from airflow.sdk import Asset
from airflow.utils.session import create_session
from exported import CONN
from sqlalchemy import select

from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.operators.watermark import KEY as WATERMARK
from airflow_provider_assets.run_timing import resolve_window
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.triggers import events
from airflow_provider_assets.triggers.archive import AssetArchiveEventTrigger

pytestmark = pytest.mark.airflow


def since_last(name, window="since_last", **options):
    assets = {"inlets": [Asset(name)], **options}

    def build():
        AssetArchiveOperator(task_id="archive", conn_id=CONN, window=window, **assets)

    return build


def windows(run):
    return [reference["request"]["window"] for reference in run.result("archive")]


def test_since_last_resumes_where_the_last_run_ended(airflow, sandbox):
    dag = airflow.dag(since_last("gapless"))
    first = airflow.run(dag, "2026-01-06")
    third = airflow.run(dag, "2026-01-08")
    assert windows(first) == [["2026-01-05T00:00:00.000Z", "2026-01-06T00:00:00.000Z"]]
    assert windows(third) == [["2026-01-06T00:00:00.000Z", "2026-01-08T00:00:00.000Z"]]


def test_since_last_does_not_export_a_span_twice(airflow, sandbox):
    dag = airflow.dag(since_last("again"))
    airflow.run(dag, "2026-01-06")
    again = airflow.run(dag, "2026-01-06")
    assert isinstance(again.error, InvalidRequestError)
    assert "explicit (start, end)" in str(again.error)


def test_a_cleared_run_exports_its_own_span_again(airflow, sandbox):
    dag = airflow.dag(since_last("cleared"))
    runs = [airflow.run(dag, date) for date in ("2026-01-06", "2026-01-07")]
    spans = [windows(run) for run in runs]
    assert [windows(airflow.clear(dag, run)) for run in runs] == spans
    following = windows(airflow.run(dag, "2026-01-08"))
    assert following == [["2026-01-07T00:00:00.000Z", "2026-01-08T00:00:00.000Z"]]


def test_the_span_of_a_run_is_kept_however_late_it_is_cleared(airflow, sandbox):
    run = airflow.run(airflow.dag(since_last("kept")), "2026-01-06")
    with create_session() as session:
        query = select(TaskStateStoreModel).where(
            TaskStateStoreModel.dag_id == run.dag_run.dag_id,
            TaskStateStoreModel.key.startswith(WATERMARK),
        )
        assert [row.expires_at for row in session.scalars(query)] == [None]


def test_an_empty_span_moves_the_watermark(airflow, sandbox):
    dag = airflow.dag(since_last("quiet", outlets=[Asset("quiet")], inlets=[]))
    quiet = airflow.run(dag, "2026-01-03")
    assert quiet.states == {"archive": "skipped"}
    assert airflow.clear(dag, quiet).states == {"archive": "skipped"}
    following = windows(airflow.run(dag, "2026-01-05"))
    assert following == [["2026-01-03T00:00:00.000Z", "2026-01-05T00:00:00.000Z"]]


def test_exports_that_share_an_asset_keep_watermarks_of_their_own(airflow, sandbox):
    def build():
        for name, types in (("all", {}), ("some", {"originalAssets": False})):
            AssetArchiveOperator(
                task_id=name,
                conn_id=CONN,
                select=types,
                window="since_last",
                on_empty="succeed",
                wait_for_completion=False,
                outlets=[Asset("shared")],
            )

    run = airflow(build, run={"logical_date": "2026-01-07"})
    assert run.state == "success", run.tries
    (everything,), (some,) = run.result("all"), run.result("some")
    assert everything["request"]["window"] == some["request"]["window"]


def test_a_backfill_does_not_move_the_watermark(airflow, sandbox):
    dag = airflow.dag(since_last("backfilled"))
    airflow.run(dag, "2026-01-08", run_type="backfill")
    nightly = airflow.run(dag, "2026-01-07")
    assert windows(nightly) == [["2026-01-06T00:00:00.000Z", "2026-01-07T00:00:00.000Z"]]


def test_a_backfill_exports_its_own_span_however_far_the_watermark_is(airflow, sandbox):
    dag = airflow.dag(since_last("backfilled_later"))
    airflow.run(dag, "2026-01-08")
    backfilled = airflow.run(dag, "2026-01-06", run_type="backfill")
    assert windows(backfilled) == [["2026-01-05T00:00:00.000Z", "2026-01-06T00:00:00.000Z"]]


def test_since_last_without_an_asset_says_what_it_needs(airflow, sandbox):
    run = airflow(lambda: AssetArchiveOperator(task_id="a", conn_id=CONN, window="since_last"))
    assert isinstance(run.error, InvalidRequestError)
    assert "one Asset in the inlets" in str(run.error)
    assert sandbox.stats()["totals"]["submits"] == 0


class State:
    """What a triggerer gives an event trigger to keep its state with the asset."""

    def __init__(self, start=None):
        self.start, self.values, self.asked = start, {}, set()

    async def aget(self, key, default=None):
        self.asked.add(key)
        return self.values.get(key, self.start or default)

    async def aset(self, key, value):
        self.values[key] = value


def event_after(trigger, state):
    async def first():
        trigger.asset_state_store = state
        events = trigger.run()
        try:
            return (await asyncio.wait_for(anext(events), 20)).payload
        finally:
            await events.aclose()

    return asyncio.run(first())


def test_new_assets_make_an_event_that_names_their_span(sandbox):
    today = datetime.now(timezone.utc)
    start = (today - timedelta(days=2)).isoformat()
    day = (today - timedelta(days=1)).date().isoformat()
    new = sandbox.add_items("scenario", day, 3)
    event = event_after(AssetArchiveEventTrigger(conn_id=CONN, poll_interval=0.2), State(start))
    assert event["items"] == len(new) == 3
    assert event["conn_id"] == CONN
    assert event["window"][0][:19] == start[:19]


def test_a_vendor_that_is_unavailable_is_asked_again(sandbox):
    today = datetime.now(timezone.utc)
    sandbox.add_items("scenario", (today - timedelta(days=1)).date().isoformat(), 1)
    sandbox.fault("list:503empty:5")
    state = State((today - timedelta(days=2)).isoformat())
    trigger = AssetArchiveEventTrigger(conn_id=CONN, poll_interval=0.1)
    assert event_after(trigger, state)["items"] >= 1


def test_triggers_that_watch_one_asset_each_remember_how_far_they_have_seen(sandbox):
    today = datetime.now(timezone.utc)
    sandbox.add_items("scenario", (today - timedelta(days=1)).date().isoformat(), 1)
    state = State((today - timedelta(days=2)).isoformat())
    for chosen in ({}, {"originalAssets": False}):
        trigger = AssetArchiveEventTrigger(conn_id=CONN, select=chosen, poll_interval=0.1)
        assert event_after(trigger, state)["window"][0][:10] == state.start[:10]
    assert len(state.asked) == 2


def test_the_bounds_of_an_event_are_those_that_were_listed(sandbox, monkeypatch):
    """Cut to milliseconds before the listing: else an item of the last one would be told twice or never."""
    today = datetime.now(timezone.utc)
    sandbox.add_items("scenario", (today - timedelta(days=1)).date().isoformat(), 1)
    listed = []

    class Scenario(events.AsyncClient):
        async def run(self, flow):
            listed.append(flow.gi_frame.f_locals["window"])
            return await super().run(flow)

    monkeypatch.setattr(events, "AsyncClient", Scenario)
    state = State((today - timedelta(days=2)).isoformat())
    event = event_after(AssetArchiveEventTrigger(conn_id=CONN, poll_interval=0.1), state)
    (window,) = listed
    assert window.end.microsecond % 1000 == 0
    assert window.iso()[1] == event["window"][1]


def test_the_run_that_an_event_starts_exports_its_span():
    def event(*window):
        payload = {"conn_id": CONN, "window": list(window), "items": 1}
        return SimpleNamespace(extra={"from_trigger": True, "payload": payload})

    early = event("2026-01-05T00:00:00.000Z", "2026-01-05T06:00:00.000Z")
    late = event("2026-01-05T06:00:00.000Z", "2026-01-05T09:00:00.000Z")
    context = {
        "dag_run": SimpleNamespace(logical_date=None, run_after=None, partition_key=None),
        "triggering_asset_events": {Asset("new"): [late, early]},
    }
    window = resolve_window("auto", context)
    assert window.iso() == ("2026-01-05T00:00:00.000Z", "2026-01-05T09:00:00.000Z")


def test_an_event_trigger_can_be_made_again_from_what_is_stored():
    trigger = AssetArchiveEventTrigger(
        conn_id=CONN, select={"types": ["uploaded"]}, poll_interval=7, settle=90
    )
    path, arguments = trigger.serialize()
    assert path.endswith("AssetArchiveEventTrigger")
    assert AssetArchiveEventTrigger(**arguments).serialize() == trigger.serialize()
