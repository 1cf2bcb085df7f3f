"""A deferred task resumes by its own record, whatever has become of the DAG file meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk import Asset
from airflow.sdk.bases.operator import TriggerFailureReason
from airflow.sdk.exceptions import TaskDeferralTimeout, TaskDeferred
from airflow.sdk.execution_time.context import TaskStateStoreAccessor
from exported import CONN, archive, exportable

from airflow_provider_assets import airflow_compat
from airflow_provider_assets.batches.ledger import KEY, BatchLedger
from airflow_provider_assets.decorators.asset_archive import AssetArchiveDecoratedOperator
from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.sansio import errors
from airflow_provider_assets.sansio.jobs import ArchiveRequest
from airflow_provider_assets.sensors.archive import AssetArchiveSensor

pytestmark = pytest.mark.airflow


def accepted(sandbox):
    return sandbox.stats()["totals"]["accepted"]


class Edited(AssetArchiveOperator):
    """An operator whose DAG file is edited while it is deferred."""

    def execute_complete(self, context, event):
        self.conn_id, self.window = "edited", "all"
        self.select, self.options = {"types": ["uploaded"]}, {"flat": False}
        return super().execute_complete(context, event)


def test_an_edit_of_the_dag_while_deferred_does_not_lose_a_finished_export(airflow, sandbox):
    sandbox.fault("poll:503empty:1")  # the first look, so that it is deferred
    run = airflow(
        lambda: Edited(task_id="archive", conn_id=CONN, deferrable=True, poll_interval=0.1)
    )
    assert run.state == "success", run.tries
    (reference,) = run.result("archive")
    assert reference["conn_id"] == CONN
    found = sorted(reference["request"]["items"]["asset_ids"])
    assert found == exportable(sandbox, "2026-01-06", "2026-01-07")
    assert accepted(sandbox) == 1


def test_an_edit_while_deferred_moves_the_watermark_of_what_was_exported(airflow, sandbox):
    def since_last(operator):
        return lambda: operator(
            task_id="archive",
            conn_id=CONN,
            window="since_last",
            inlets=[Asset("edited_watermark")],
            deferrable=True,
            poll_interval=0.1,
        )

    sandbox.fault("poll:503empty:1")
    assert airflow(since_last(Edited), run={"logical_date": "2026-01-06"}).state == "success"
    following = airflow(since_last(AssetArchiveOperator), run={"logical_date": "2026-01-08"})
    (reference,) = following.result("archive")
    assert reference["request"]["window"][0] == "2026-01-06T00:00:00.000Z"


def test_airflows_own_timeout_is_told_although_the_dag_was_edited_meanwhile(airflow, sandbox):
    class TimedOut(AssetArchiveOperator):
        def execute(self, context):
            with pytest.raises(TaskDeferred):
                super().execute(context)
            self.conn_id = "edited_meanwhile"
            del self.__dict__["hook"]  # a resume has another process
            timeout = {"error": TriggerFailureReason.TRIGGER_TIMEOUT}
            self.resume_execution("__fail__", timeout, context)

    sandbox.fault("poll:503empty:1")
    run = airflow(lambda: TimedOut(task_id="archive", conn_id=CONN, deferrable=True))
    assert type(run.error) is TaskDeferralTimeout


def test_a_template_that_renders_otherwise_after_the_deferral_changes_nothing(airflow, sandbox):
    sandbox.fault("poll:503empty:1")
    options = {"file_name_template": "{{ macros.uuid.uuid4() }}-<id>"}
    run = airflow(lambda: archive(deferrable=True, options=options))
    assert run.state == "success", run.tries
    assert accepted(sandbox) == 1


def test_where_airflow_keeps_no_state_the_trigger_carries_the_plan(airflow, sandbox, monkeypatch):
    monkeypatch.setattr(airflow_compat, "AIRFLOW_V_3_3_PLUS", False)
    sandbox.fault("poll:503empty:1")
    run = airflow(
        lambda: Edited(task_id="archive", conn_id=CONN, deferrable=True, poll_interval=0.1)
    )
    assert run.state == "success", run.tries
    assert run.result("archive")[0]["conn_id"] == CONN
    assert accepted(sandbox) == 1


@pytest.mark.skipif(not airflow_compat.AIRFLOW_V_3_3_PLUS, reason="resumes by task state")
def test_a_retry_resumes_what_a_lazy_value_of_airflow_and_a_function_have_selected(
    airflow, sandbox
):
    class BrokenOff(AssetArchiveDecoratedOperator):
        def execute(self, context):
            done = super().execute(context)
            if context["dag_run"].conf and context["ti"].try_number == 1:
                raise RuntimeError("after the submit")
            return done

    def build():
        BrokenOff(
            task_id="archive",
            python_callable=lambda choose: choose(),
            op_args=[lambda: {"max_items": 99}],
            conn_id=CONN,
            window=[
                "{{ prev_data_interval_end_success if dag_run.conf else '2026-01-05T00:00:00Z' }}",
                "{{ logical_date }}",
            ],
            poll_interval=0.1,
            retries=1,
        )

    dag = airflow.dag(build, render_template_as_native_obj=True)
    assert airflow.run(dag, "2026-01-06").state == "success"
    second = airflow.run(dag, "2026-01-07", conf={"breaks": True})
    assert (second.state, len(second.tries)) == ("success", 1)
    (reference,) = second.result("archive")
    assert reference["request"]["window"][0] == "2026-01-06T00:00:00.000Z"
    assert accepted(sandbox) == 2


@pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferred"])
def test_a_state_store_that_fails_after_the_submit_costs_nothing(
    airflow, sandbox, monkeypatch, deferrable
):
    keep = TaskStateStoreAccessor.set

    def fail_once_there_is_a_job(self, key, value, **how):
        if isinstance(value, dict) and value.get("job"):
            raise RuntimeError("the API server is away")
        keep(self, key, value, **how)

    monkeypatch.setattr(TaskStateStoreAccessor, "set", fail_once_there_is_a_job)
    sandbox.fault("poll:503empty:1")
    run = airflow(lambda: archive(deferrable=deferrable))
    assert run.state == "success", run.tries
    assert accepted(sandbox) == 1


@pytest.mark.parametrize(
    "event", [None, {}, [], {"ends": []}, {"ends": [{}], "job_ids": ["a"]}], ids=repr
)
def test_an_event_that_is_none_of_ours_fails_at_once_and_says_so(airflow, sandbox, event):
    class Odd(AssetArchiveOperator):
        def execute(self, context):
            return self.execute_complete(context, event)

    run = airflow(lambda: Odd(task_id="archive", conn_id=CONN, retries=3))
    assert type(run.error) is errors.StaleEventError
    assert len(run.tries) == 1


def test_a_sensor_refuses_an_event_that_is_none_of_ours(airflow, sandbox):
    class Odd(AssetArchiveSensor):
        def execute(self, context):
            return self.execute_complete(context, None)

    def build():
        submitted = archive(wait_for_completion=False)
        Odd(task_id="wait", archives=submitted.output, retries=3)

    run = airflow(build)
    assert type(run.error) is errors.StaleEventError
    assert "clear the task" in str(run.error)
    assert len(run.tries) == 1


# --- what a ledger takes for its own ---------------------------------------------------------


class Store:
    """Airflow's task state store as a task sees it; it counts what is written."""

    def __init__(self):
        self.values, self.written = {}, []

    def get(self, key, default=None):
        return self.values.get(key, default)

    def set(self, key, value):
        self.values[key] = value
        self.written.append((key, len(repr(value))))


def ledger(store, *, max_tries, retries, clears=0, inputs="same"):
    ti = SimpleNamespace(max_tries=max_tries, dag_id="d", task_id="t", run_id="r", map_index=-1)
    context = {
        "ti": ti,
        "task": SimpleNamespace(retries=retries),
        "dag_run": SimpleNamespace(clear_number=clears),
        "task_state_store": store,
    }
    return BatchLedger(context, inputs)


def planned(**lineage):
    store = Store()
    ids = tuple(f"asset_{n:03}" for n in range(1000))
    requests = [ArchiveRequest("scenario", {"asset_ids": ids})]
    ledger(store, **lineage).begin(requests, conn_id=CONN, watermark=None)
    return store


@pytest.mark.parametrize(
    ("lineage", "is_known"),
    [
        ({"max_tries": 3, "retries": 3}, True),
        ({"max_tries": 4, "retries": 3, "clears": 1}, False),
        ({"max_tries": 3, "retries": 3, "clears": 1}, True),
        ({"max_tries": 3, "retries": 2}, True),
        ({"max_tries": 3, "retries": 2, "clears": 1}, False),
    ],
    ids=[
        "a retry",
        "a clear",
        "a retry, while another task of the run was cleared",
        "a retry, after retries were edited",
        "a clear after retries were edited, which gives the same max_tries",
    ],
)
def test_a_retry_recalls_its_batches_and_a_clear_does_not(lineage, is_known):
    store = planned(max_tries=3, retries=3)
    assert bool(ledger(store, **lineage).recall()) is is_known


def test_other_inputs_start_from_scratch_but_do_not_hinder_a_resume():
    store = planned(max_tries=3, retries=3)
    edited = ledger(store, max_tries=3, retries=3, inputs="edited")
    assert edited.recall() is None
    assert edited.resume().conn_id == CONN


def test_the_ids_of_a_batch_are_written_once():
    store = planned(max_tries=0, retries=0)
    ours = ledger(store, max_tries=0, retries=0)
    (entry,) = ours.recall().entries
    for _ in range(3):
        ours.record(entry)
    large = [key for key, size in store.written if size > 2000]
    assert large == [f"{KEY}.0.request"]


# --- how long a deferral may take ------------------------------------------------------------


def test_a_deferral_ends_at_the_execution_timeout_which_airflow_forgets_meanwhile(airflow, sandbox):
    sandbox.fault("job:stuck")
    run = airflow(lambda: archive(deferrable=True, execution_timeout=timedelta(seconds=5)))
    assert type(run.error) is errors.JobTimeoutError
    assert "execution_timeout" in str(run.error)


def test_operators_defer_where_airflow_is_configured_to(airflow, monkeypatch):
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "true")
    code = (
        "from airflow_provider_assets.operators.archive import AssetArchiveOperator as A;"
        "from airflow_provider_assets.sensors.archive import AssetArchiveSensor as S;"
        "print(A(task_id='a', conn_id='c').deferrable, S(task_id='s', archives=[]).deferrable)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.split()[-2:] == ["True", "True"]
