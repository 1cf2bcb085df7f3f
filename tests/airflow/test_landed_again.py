"""What is landed again, and what is not: nights of their own, archives that came short, overwriting."""

from __future__ import annotations

import json
import re

import pytest
from airflow_runs import connect, day
from exported import archives, export, exportable, ids_in, read

from airflow_provider_assets.exports import asset_export
from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio.errors import InvalidRequestError, PartialArchiveError

pytestmark = pytest.mark.airflow


def landed(run):
    (manifest,) = run.results("export.land")
    return manifest


def test_the_same_named_items_land_every_night_and_a_cleared_night_moves_nothing(
    airflow, sandbox, folder
):
    ids = exportable(sandbox, "2026-01-06", "2026-01-07")
    dag = airflow.dag(export(folder.as_uri(), items={"asset_ids": ids}, deferrable=True))
    nights = [airflow.run(dag, date) for date in ("2026-01-07", "2026-01-08")]
    stored = read(folder)
    names = [name.rpartition("-")[0] for name in sorted(archives(stored))]
    assert names == ["scenario-20260107T000000", "scenario-20260108T000000"]
    assert not any(landed(night)["skipped"] for night in nights)
    cleared = airflow.clear(dag, nights[1])
    assert cleared.state == "success", cleared.tries
    assert landed(cleared)["skipped"]
    assert read(folder) == stored


def test_named_items_of_a_run_without_a_logical_date_take_the_date_it_was_due(
    airflow, sandbox, folder
):
    ids = exportable(sandbox, "2026-01-06", "2026-01-07")
    dag = airflow.dag(export(folder.as_uri(), items={"asset_ids": ids}))
    run = airflow.run(dag, None, run_after=day("2026-01-07T03:00:00"))
    assert run.state == "success", run.tries
    (name,) = archives(read(folder))
    assert name.startswith("scenario-20260107T030000-")


def test_overwriting_lands_what_a_later_job_archived(airflow, sandbox, folder):
    dag = airflow.dag(export(folder.as_uri(), overwrite=True))
    run = airflow.run(dag)
    first, again = landed(run), landed(airflow.clear(dag, run))
    assert not again["skipped"]
    assert first["facts"]["job_id"] != again["facts"]["job_id"]


def test_a_manifest_that_was_changed_in_the_store_is_refused_with_a_remedy(
    airflow, sandbox, folder
):
    dag = airflow.dag(export(folder.as_uri()))
    run = airflow.run(dag)
    (path,) = folder.rglob("*.manifest.json")
    manifest = json.loads(path.read_text())
    manifest["facts"].pop("job_id")
    manifest["facts"]["batch"] = "1"
    path.write_text(json.dumps(manifest))
    cleared = airflow.clear(dag, run)
    assert isinstance(cleared.error, InvalidRequestError)
    assert re.search("lack a valid job_id, batch; set overwrite=True", str(cleared.error))


@pytest.mark.parametrize("layout", ["archive", "files"])
def test_a_partial_landing_is_repaired_by_clearing_both_tasks(airflow, sandbox, folder, layout):
    sandbox.fault("job:partial=2:1")
    dag = airflow.dag(export(folder.as_uri(), layout=layout))
    short = airflow.run(dag)
    assert isinstance(short.error, PartialArchiveError)
    repaired = airflow.clear(dag, short)
    assert repaired.state == "success", repaired.tries
    manifest = landed(repaired)
    assert (manifest["entries"], manifest["skipped"]) == (7, False)
    if layout == "archive":
        (data,) = archives(read(folder)).values()
        assert sorted(ids_in(data)) == exportable(sandbox, "2026-01-06", "2026-01-07")


def test_images_that_topaz_had_not_finished_land_when_both_tasks_are_cleared(
    airflow, folder, monkeypatch
):
    with running("--vendor", "topaz", "--items", "8", "--job-seconds", "0.2") as topaz:
        connect(monkeypatch, "topaz_again", topaz.topaz["connection"])
        kept = [one for one in topaz.items("topaz") if one["kept"]]
        late, *others = [one["id"] for one in kept if one["status"] == "Completed"][:3]
        topaz.job(late, "fail")
        dag = airflow.dag(
            lambda: asset_export(
                "export",
                conn_id="topaz_again",
                destination=folder.as_uri(),
                items={"process_ids": [late, *others]},
                on_partial="land",
            )
        )
        run = airflow.run(dag)
        short = landed(run)
        topaz.job(late, "finish")
        repaired = landed(airflow.clear(dag, run))
        assert [short["entries"], repaired["entries"]] == [2, 3]
        assert landed(airflow.clear(dag, run))["skipped"]
