"""``@task.asset_archive`` as Airflow itself finds it, and landings within tasks of one's own."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import task
from exported import CONN, archives, exportable, ids_in, read

from airflow_provider_assets.airflow_compat import AIRFLOW_V_3_3_PLUS
from airflow_provider_assets.exports import land
from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)

pytestmark = pytest.mark.airflow
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["blocking", "deferred"])


@MODES
def test_a_function_selects_what_is_archived(airflow, sandbox, folder, deferrable):
    wanted = exportable(sandbox, "2026-01-06", "2026-01-07")[:3]
    calls = []

    def build():
        @task
        def found():
            return wanted

        @task.asset_archive(conn_id=CONN, poll_interval=0.1, deferrable=deferrable)
        def chosen(ids, ds) -> dict[str, Any]:
            calls.append(ds)
            return {"items": {"asset_ids": ids}}

        ArchiveToObjectStorageOperator.partial(task_id="land", destination=folder.as_uri()).expand(
            archive=chosen(found())
        )

    run = airflow(build)
    assert run.state == "success", run.tries
    (data,) = archives(read(folder)).values()
    assert sorted(ids_in(data)) == sorted(wanted)
    assert calls == ["2026-01-07"]
    assert sandbox.stats()["totals"]["accepted"] == 1


def test_outputs_of_a_list_are_refused_when_the_dag_is_parsed():
    with pytest.raises(InvalidRequestError, match="multiple_outputs: "):
        task.asset_archive(conn_id=CONN, multiple_outputs=True)


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="Airflow keeps no task state before 3.3")
def test_a_retry_resumes_its_batches_whatever_the_function_would_select_now(airflow, sandbox):
    sandbox.fault("bulk_poll:500html:20")  # five failed polls of four requests each end a wait
    calls = []

    def build():
        @task.asset_archive(conn_id=CONN, poll_interval=0.1, retries=1)
        def growing():
            calls.append(1)
            ids = exportable(sandbox, "2026-01-08", "2026-01-09")
            return {"items": {"asset_ids": ids[: 1000 + len(calls)]}}

        growing()

    run = airflow(build)
    assert run.state == "success", run.tries
    assert len(calls) == 1
    assert sandbox.stats()["totals"]["accepted"] == 2


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (["asset_1"], "select returned list"),
        ({"item": {}}, "select returned item"),
        ({"items": {"asset": ["a"]}}, "items"),
    ],
)
def test_what_is_no_selection_is_named_before_anything_is_asked(airflow, sandbox, returned, words):
    def build():
        @task.asset_archive(conn_id=CONN)
        def select():
            return returned

        select()

    run = airflow(build)
    assert isinstance(run.error, InvalidRequestError)
    assert words in str(run.error)
    assert sandbox.stats()["totals"]["accepted"] == 0


@pytest.mark.parametrize("returned", [{"items": {"asset_ids": ["a"]}}, {"window": "all"}])
def test_a_lookback_is_refused_where_the_function_leaves_no_window(
    airflow, sandbox, folder, returned
):
    def build():
        @task.asset_archive(conn_id=CONN, lookback=3600, plans=folder.as_uri())
        def select():
            return returned

        select()

    run = airflow(build)
    assert isinstance(run.error, InvalidRequestError)
    assert "lookback extends a window" in str(run.error)
    assert sandbox.stats()["totals"]["requests"] == 0


def test_a_task_of_ones_own_lands_what_it_gets_and_resumes(airflow, sandbox, folder):
    tries = []

    def build():
        @task(retries=1)
        def load(archive):
            manifest = land(archive, folder.as_uri(), layout="files")
            tries.append((manifest["skipped"], sandbox.stats()["totals"]["downloads"]))
            if len(tries) == 1:
                raise RuntimeError("after the landing")
            return manifest["entries"]

        exported = AssetArchiveOperator(task_id="archive", conn_id=CONN, poll_interval=0.1)
        load.expand(archive=exported.output)

    run = airflow(build)
    assert run.state == "success", run.tries
    (first, downloads), (second, downloads_in_all) = tries
    assert (first, second) == (False, True)
    assert downloads == downloads_in_all
    assert run.results("load") == [len(exportable(sandbox, "2026-01-06", "2026-01-07"))]
