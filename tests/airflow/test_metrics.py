"""What Airflow's metrics, where they are switched on, receive of exports."""

from __future__ import annotations

from collections import Counter

import pytest
from airflow_runs import connect
from exported import CONN, archive, arm, export
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.metrics import METRICS, SPANS

pytestmark = pytest.mark.airflow


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferred"])
def test_an_export_is_counted_and_its_second_run_is_skipped(
    airflow, sandbox, folder, statsd, deferrable
):
    sandbox.fault("poll:503empty:4")  # every attempt of one poll
    dag = airflow.dag(export(folder.as_uri(), deferrable=deferrable))
    run = airflow.run(dag)
    (manifest,) = run.results("export.land")
    lines = statsd.lines()
    counted: Counter[str] = Counter()
    for name, _, value, kind in lines:
        counted[name] += value if kind == "c" else 0
    assert counted.pop("polls") > counted.pop("failed_polls") == 1
    assert +counted == {
        "submitted": 1,
        "ended": 1,
        "landed": 1,
        "landed_bytes": manifest["bytes"],
        "landed_files": manifest["entries"],
    }
    timed = {name: value for name, _, value, kind in lines if kind == "ms"}
    assert timed.keys() == {"wait", "landing"}
    assert timed["wait"] >= 100
    assert timed["landing"] > 0
    for name, tags, _, kind in lines:
        metric = METRICS[f"asset_archive.{name}"]
        assert (metric.kind, tags.keys()) == (
            {"c": "counter", "ms": "timer"}[kind],
            {"vendor", "conn_id", *metric.tags},
        )
        assert (tags["vendor"], tags["conn_id"]) == ("scenario", CONN)
        assert tags.get("state", "succeeded") == "succeeded"
    airflow.clear(dag, run)
    assert statsd.sums()["skipped"] == 1


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ("job:failed", "failed"),
        ("job:stuck", "timed_out"),
        ("poll:401,after=1", "unknown"),
    ],
)
def test_a_job_that_does_not_succeed_is_counted_by_its_end(airflow, sandbox, statsd, fault, state):
    arm(sandbox, fault)
    timeout = 1.0 if state == "timed_out" else None
    run = airflow(lambda: archive(timeout=timeout, deferrable=True))
    assert run.state == "failed"
    ends = [tags["state"] for name, tags, *_ in statsd.lines() if name == "ended"]
    assert ends == [state]


def test_waits_for_rate_limits_say_whose_limit_it_was(sandbox, monkeypatch, database, statsd):
    connection = sandbox.scenario["connection"]
    extra = {**connection["extra"], "requests_per_second": 50}
    connect(monkeypatch, "with:a colon", {**connection, "extra": extra})
    sandbox.fault("list:429:1")
    monkeypatch.setattr("airflow_provider_assets.network.retries._wait", lambda state: 0.001)
    hook = AssetArchiveHook.for_conn("with:a colon")
    assert list(hook.list_items())
    waits = [(tags, value) for name, tags, value, _ in statsd.lines() if name == "rate_limit_wait"]
    assert {tags["conn_id"] for tags, _ in waits} == {"with_a_colon"}
    by_limit = {tags["limit"]: value for tags, value in waits}
    assert by_limit.keys() == {"connection", "vendor"}
    assert by_limit["vendor"] == 1
    assert 0 < by_limit["connection"] <= 20


def test_a_metric_that_cannot_be_sent_fails_no_export(
    airflow, sandbox, folder, statsd, monkeypatch, caplog
):
    def broken(*args, **how):
        raise RuntimeError("no such host")

    monkeypatch.setattr("statsd_socket.Client._send", broken)
    assert airflow(export(folder.as_uri())).state == "success"
    assert "A metric could not be sent: RuntimeError" in caplog.text


def test_with_metrics_switched_off_nothing_is_wrapped_or_sent(sandbox, database):
    hook = AssetArchiveHook.for_conn(CONN)
    assert not hook.metrics.are_on
    assert hook.metrics.counting(hook.vendor.poll) == hook.vendor.poll
    hook.metrics.submitted()


@pytest.fixture
def spans(monkeypatch):
    """Airflow's traces, switched on; a call gives the spans of this package."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)  # it can be set once per process
    monkeypatch.setenv("AIRFLOW__TRACES__OTEL_ON", "True")
    return lambda: [span for span in exporter.get_finished_spans() if span.name in SPANS]


def test_an_export_has_spans_below_that_of_its_task(airflow, sandbox, folder, spans):
    with trace.get_tracer("test").start_as_current_span("worker") as task:
        run = airflow(export(folder.as_uri()))
    (manifest,) = run.results("export.land")
    assert [span.name for span in spans()] == list(SPANS)
    for span in spans():
        assert span.parent.span_id == task.get_span_context().span_id
        assert span.attributes.keys() == {"vendor", "conn_id", *SPANS[span.name][1]}
        assert (span.attributes["vendor"], span.attributes["conn_id"]) == ("scenario", CONN)
    assert spans()[-1].attributes["items"] == manifest["facts"]["items"]


def test_the_span_of_a_submit_that_failed_says_so(airflow, sandbox, spans):
    sandbox.fault("submit:400")
    assert airflow(archive).state == "failed"
    listing, submit = spans()
    assert (listing.status.status_code, submit.status.status_code) == (
        StatusCode.UNSET,
        StatusCode.ERROR,
    )
