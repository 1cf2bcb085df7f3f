"""Retries on an Airflow that keeps no task state: below 3.3, or as if it were.

These tests also run on the oldest Airflow itself.
"""

from __future__ import annotations

import pytest
from exported import COUNT, ITEM, Hasty, archive, archives, export, exportable, ids_in, read

from airflow_provider_assets import airflow_compat
from airflow_provider_assets.airflow_compat import AIRFLOW_V_3_3_PLUS
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.sansio.errors import VendorUnavailableError

pytestmark = [pytest.mark.airflow, pytest.mark.long]
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferred"])
TWO_BATCHES = {"logical_date": "2026-01-09"}


@pytest.fixture(autouse=True)
def _stateless(monkeypatch):
    if AIRFLOW_V_3_3_PLUS:
        monkeypatch.setattr(airflow_compat, "AIRFLOW_V_3_3_PLUS", False)


def accepted(sandbox):
    return sandbox.stats()["totals"]["accepted"]


def attempts(run, task_id):
    return [ti.try_number for ti in run.instances() if ti.task_id == task_id]


@MODES
def test_a_retry_finds_the_jobs_that_the_failed_attempt_has_submitted(airflow, sandbox, deferrable):
    # Five failed polls of four requests each end a wait; a deferral takes one look before.
    sandbox.fault(f"bulk_poll:500html:{24 if deferrable else 20}")
    run = airflow(lambda: archive(deferrable=deferrable, retries=1), run=TWO_BATCHES)
    assert run.state == "success"
    assert attempts(run, "archive") == [2]
    jobs = [reference["job"]["job_id"] for reference in run.result("archive")]
    assert len(set(jobs)) == accepted(sandbox) == 2


def test_a_retry_submits_again_what_has_failed(airflow, sandbox):
    sandbox.fault("job:failed:1")
    run = airflow(lambda: archive(retries=1), run=TWO_BATCHES)
    assert run.state == "success"
    assert accepted(sandbox) == 3


def test_a_clear_looks_for_no_job_and_submits_again(airflow, sandbox, monkeypatch):
    dag = airflow.dag(lambda: archive(retries=1))
    run = airflow.run(dag, **TWO_BATCHES)
    monkeypatch.setattr(AssetArchiveHook, "find", None)
    assert airflow.clear(dag, run).state == "success"
    assert accepted(sandbox) == 4


def test_a_retry_without_a_job_of_its_own_looks_for_none(airflow, sandbox, monkeypatch):
    keep, failed = AssetArchiveOperator._run_waves, []

    def fail_once(self, context, run):
        result = keep(self, context, run)
        if not failed:
            failed.append(1)
            raise VendorUnavailableError("no answer")
        return result

    monkeypatch.setattr(AssetArchiveOperator, "_run_waves", fail_once)
    monkeypatch.setattr(AssetArchiveHook, "find", None)
    run = airflow(lambda: archive(mode="links", retries=1))
    assert run.state == "success"
    assert accepted(sandbox) == 0


def test_a_retry_that_lists_other_items_adopts_no_job_of_the_earlier_ones(
    airflow, sandbox, folder, monkeypatch
):
    keep, late = AssetArchiveHook.wait, []

    def fail_once(self, *args, **kwargs):
        if not late:
            late.extend(sandbox.add_items("scenario", "2026-01-09", 1))
            raise VendorUnavailableError("no answer")
        return keep(self, *args, **kwargs)

    monkeypatch.setattr(AssetArchiveHook, "wait", fail_once)
    run = airflow(
        export(folder.as_uri(), archive_args={"retries": 1}), run={"logical_date": "2026-01-10"}
    )
    assert run.state == "success"
    assert accepted(sandbox) == 2
    found = sorted(one for data in archives(read(folder)).values() for one in ids_in(data))
    assert found == exportable(sandbox, "2026-01-09", "2026-01-10")
    assert set(late) <= set(found)


def test_a_retry_fetches_only_the_rest_and_leaves_no_state_behind(airflow, large, destination):
    url, stored = destination
    large.fault("download:reset@0:1,after=4")

    def build():
        Hasty.partial(
            task_id="land", destination=url, retries=1, part_size=5 << 20, concurrency=1
        ).expand(archive=archive().output)

    run = airflow(build)
    assert run.state == "success"
    assert attempts(run, "land") == [2]
    found = stored()
    assert [key for key in found if ".resume/" in key] == []
    (data,) = archives(found).values()
    assert len(ids_in(data)) == COUNT
    assert large.stats()["totals"]["bytes"] < 1.3 * ITEM * COUNT
