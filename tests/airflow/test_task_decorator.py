"""``@task.asset_archive`` as Airflow itself finds it."""

from __future__ import annotations

import pytest
from airflow.sdk import task
from exported import CONN, archives, exportable, ids_in, read

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
        def chosen(ids, ds):
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
