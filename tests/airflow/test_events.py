"""Runs that resume where the last one ended, and the window of runs that an event starts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from airflow.models.task_state_store import TaskStateStoreModel
from airflow.sdk import Asset
from airflow.utils.session import create_session
from airflow_runs import connect, day
from exported import CONN
from sqlalchemy import select

from airflow_provider_assets.listing.watermark import KEY as WATERMARK
from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.run_timing import resolve_window
from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.vendors import topaz_parsing

pytestmark = pytest.mark.airflow


def since_last(name, window="since_last", **arguments):
    arguments = {"inlets": [Asset(name)], **arguments}

    def build():
        AssetArchiveOperator(task_id="archive", window=window, **{"conn_id": CONN, **arguments})

    return build


def windows(run, task_id="archive"):
    return [reference["request"]["window"] for reference in run.result(task_id)]


def test_since_last_resumes_where_the_last_run_ended(airflow, sandbox):
    named = {"archive_name": "nightly-{{ ds }}"}  # of every run another one
    dag = airflow.dag(since_last("gapless", options=named))
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


def test_a_run_of_a_date_to_come_leaves_the_watermark(airflow, sandbox):
    dag = airflow.dag(since_last("to_come"))
    # Not tomorrow, which may have come before the run begins.
    to_come = datetime.now(timezone.utc).date() + timedelta(days=2)
    early = airflow.run(dag, to_come.isoformat())
    assert "in the future" in str(early.error)
    nightly = airflow.run(dag, "2026-01-06")
    assert windows(nightly) == [["2026-01-05T00:00:00.000Z", "2026-01-06T00:00:00.000Z"]]


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


def test_an_empty_span_that_fails_the_task_leaves_the_watermark(airflow, sandbox):
    lenient = airflow.dag(since_last("expected"))
    strict = airflow.dag(since_last("expected", on_empty="fail"))
    airflow.run(lenient, "2026-01-02")
    failed = [airflow.run(strict, "2026-01-03") for _ in range(2)]
    assert ["nothing to export" in str(run.error) for run in failed] == [True, True]
    following = windows(airflow.run(lenient, "2026-01-05"))
    assert following == [["2026-01-02T00:00:00.000Z", "2026-01-05T00:00:00.000Z"]]


HOWS = {
    "all": {},
    "some": {"select": {"originalAssets": False}},
    "nested": {"options": {"flat": False}},
    "links": {"mode": "links"},
}


def test_exports_that_share_an_asset_keep_watermarks_of_their_own(airflow, sandbox):
    def build():
        for name, how in HOWS.items():
            AssetArchiveOperator(
                task_id=name,
                conn_id=CONN,
                **how,
                window="since_last",
                on_empty="succeed",
                wait_for_completion=False,
                outlets=[Asset("shared")],
            )

    run = airflow(build, run={"logical_date": "2026-01-07"})
    assert run.state == "success", run.tries
    spans = [windows(run, name) for name in HOWS]
    assert spans == [[["2026-01-06T00:00:00.000Z", "2026-01-07T00:00:00.000Z"]]] * len(HOWS)


def test_after_a_pause_the_remedy_of_the_error_takes_what_is_left_since_the_watermark(
    airflow, monkeypatch
):
    today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    dates = {days: (today - timedelta(days=days)).date().isoformat() for days in (0, 4)}
    with running("--vendor", "topaz", "--items", "20") as box:
        connect(monkeypatch, "topaz_default", box.topaz["connection"])

        def dag(**select):
            how = {"conn_id": "topaz_default", "select": select, "on_partial": "land"}
            return airflow.dag(since_last("paused", on_empty="succeed", settle=0, **how))

        before = airflow.run(dag(), dates[4])
        assert before.state == "success", before.tries
        monkeypatch.setattr(topaz_parsing, "RETENTION", timedelta(days=2))
        assert "allow_truncated" in str(airflow.run(dag(), dates[0]).error)
        (window,) = windows(airflow.run(dag(allow_truncated=True), dates[0]))
    assert window == [f"{dates[days]}T00:00:00.000Z" for days in (4, 0)]


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


def started_by(*events):
    """The context of a run that events started, each of a connection and a window."""
    told = [
        SimpleNamespace(
            extra={
                "from_trigger": True,
                "payload": {"conn_id": conn_id, "window": window, "items": 1},
            }
        )
        for conn_id, window in events
    ]
    return {
        "dag_run": SimpleNamespace(logical_date=None, run_after=None, partition_key=None),
        "triggering_asset_events": {Asset("new"): told},
    }


EARLY = ["2026-01-05T00:00:00.000Z", "2026-01-05T06:00:00.000Z"]
LATE = ["2026-01-05T06:00:00.000Z", "2026-01-05T09:00:00.000Z"]


def test_the_run_that_an_event_starts_exports_its_span():
    window = resolve_window("auto", started_by((CONN, LATE), (CONN, EARLY)), CONN)
    assert window.iso() == (EARLY[0], LATE[1])


def test_events_of_the_connection_of_an_export_outweigh_those_of_others():
    """With none of its own, another connection may have watched the same account."""
    both = started_by((CONN, LATE), ("other", EARLY))
    assert resolve_window("auto", both, CONN).iso() == tuple(LATE)
    assert resolve_window("auto", both, "other").iso() == tuple(EARLY)
    assert resolve_window("auto", both, "third").iso() == (EARLY[0], LATE[1])


def test_the_first_run_of_since_last_that_an_asset_starts_begins_with_the_dag(airflow, sandbox):
    triggered = {"run_type": "asset_triggered", "run_after": day("2026-01-06")}
    dag = airflow.dag(
        since_last("started"), schedule=[Asset("upstream")], start_date=day("2026-01-04")
    )
    first = airflow.run(dag, None, **triggered)
    assert windows(first) == [["2026-01-04T00:00:00.000Z", "2026-01-06T00:00:00.000Z"]]
    second = airflow.run(dag, None, **{**triggered, "run_after": day("2026-01-07")})
    assert windows(second) == [["2026-01-06T00:00:00.000Z", "2026-01-07T00:00:00.000Z"]]
    undated = airflow.dag(since_last("undated"), schedule=[Asset("upstream")], start_date=None)
    assert "give the DAG a start_date" in str(airflow.run(undated, None, **triggered).error)
