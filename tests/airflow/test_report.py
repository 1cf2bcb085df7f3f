"""The report of a run, on a real Airflow: what has landed, what has not, and pictures of it."""

from __future__ import annotations

import html
import re

import pytest
from airflow.sdk import DAG, XComArg, task
from exported import CONN, exportable

from airflow_provider_assets.airflow_compat import AIRFLOW_V_3_3_PLUS
from airflow_provider_assets.exports import asset_export
from airflow_provider_assets.operators.archive import AssetArchiveOperator
from airflow_provider_assets.operators.report import AssetReportOperator
from airflow_provider_assets.reports.notes import NOTES
from airflow_provider_assets.transfers.archive_to_object_storage import (
    ArchiveToObjectStorageOperator,
)

pytestmark = pytest.mark.airflow
DAY = ("2026-01-05", "2026-01-06")


@pytest.fixture
def reported(airflow, sandbox, tmp_path):
    def run(date="2026-01-06", **arguments):
        given = {"poll_interval": 0.1, "report": True, **arguments}
        dag = airflow.dag(
            lambda: asset_export("export", conn_id=CONN, destination=tmp_path.as_uri(), **given)
        )
        return airflow.run(dag, date)

    return run


def page(folder) -> str:
    (found,) = (folder / "reports").glob("*.html")
    return found.read_text(encoding="utf-8")


def text_of(page: str) -> str:
    return html.unescape(
        re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL))
    )


def test_a_run_is_reported_with_pictures_and_their_prompts(reported, sandbox, tmp_path):
    run = reported()
    assert run.state == "success", run.states
    count = len(exportable(sandbox, *DAY))
    shown = page(tmp_path)
    assert f"{count} listed" in text_of(shown).replace("Batch 1 : ", "")
    assert shown.count("<figure>") == count
    result = run.result("export.report")
    assert result["batches"] == result["landed"] == 1
    assert result["uri"].endswith(".html")
    (landed,) = run.results("export.land")
    assert landed["report_uri"] == result["uri"], "asset events name it"
    rows = sandbox.items("scenario", start=DAY[0], end=DAY[1])
    assert "http" not in re.sub(r"http-equiv", "", shown)
    assert rows


def test_a_landing_that_fails_is_in_the_report_and_fails_the_run(
    reported, sandbox, tmp_path, monkeypatch
):
    sandbox.fault("download:404")
    run = reported()
    assert run.states["export.report"] == "failed"
    assert run.state == "failed"
    assert "0 of 1" in text_of(page(tmp_path))
    assert "ArchiveExpiredError: " in text_of(page(tmp_path))


def test_items_without_a_file_are_problems_even_if_they_are_accepted(reported, sandbox, tmp_path):
    sandbox.fault("job:partial=2")
    run = reported(landing_args={"on_partial": "land"})
    assert run.state == "success", run.states
    shown = " ".join(text_of(page(tmp_path)).split())
    assert "1 problems" in shown
    assert f"of the {len(exportable(sandbox, *DAY))} requested items; missing: " in shown
    assert "(no file)" in shown


def test_nothing_to_export_is_nothing_to_report(reported, tmp_path):
    run = reported(select={"modelId": "of nobody"})
    assert run.states["export.report"] == "skipped"
    assert run.state == "success"
    assert not (tmp_path / "reports").exists()


def test_an_export_that_fails_before_its_first_batch_fails_the_run(reported, sandbox, tmp_path):
    sandbox.fault("list:401")
    run = reported()
    assert run.states["export.report"] == "failed"
    assert run.state == "failed"
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("has_notes", [True, False])
def test_each_of_several_exports_meets_its_own_landing(airflow, sandbox, tmp_path, has_notes):
    """Each has a batch 1, and the landing of the second one finds something else in its place."""
    wanted = exportable(sandbox, *DAY)
    selections = [{"asset_ids": wanted[:2]}, {"asset_ids": wanted[2:]}]

    def build():
        @task
        def flat(many):
            return [one for references in many for one in references]

        archive = AssetArchiveOperator.partial(task_id="archive", conn_id=CONN, poll_interval=0.1)
        references = flat(archive.expand(items=selections).output)
        land = ArchiveToObjectStorageOperator.partial(
            task_id="land", destination=tmp_path.as_uri()
        ).expand(archive=references)
        AssetReportOperator(
            task_id="report",
            destination=tmp_path.as_uri(),
            archives=references,
            manifests=land.output,
            notes=XComArg(land, NOTES) if has_notes else None,
        )

    dag = airflow.dag(build)
    assert airflow.run(dag).result("report")["landed"] == 2
    first, second = [one["uri"] for one in airflow.run(dag).results("land")]
    assert airflow.run(dag).result("report")["landed"] == 2, (
        "the jobs of an earlier run landed them"
    )
    name = second.rpartition("/")[2]
    (tmp_path / f"{name}.manifest.json").unlink()
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    run = airflow.run(dag)
    assert run.states["land[0]"] == "success"
    assert run.states["land[1]"] == run.states["report"] == run.state == "failed"
    text = text_of(page(tmp_path))
    assert "1 of 2" in text
    assert text.count("has not landed") == (1 if has_notes else 2), "in the reason, too"
    assert first in text


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="a mapped operator has no defaults of its own")
def test_a_report_is_written_when_all_is_done_mapped_or_not():
    given = {"task_id": "report", "archives": [], "manifests": []}
    with DAG("mapped", schedule=None):
        mapped = AssetReportOperator.partial(**given).expand(destination=["file:///landed/"])
    assert mapped.trigger_rule == "all_done"
    with DAG("grouped", schedule=None, default_args={"trigger_rule": "none_failed"}):
        group = asset_export("export", conn_id=CONN, destination="file:///landed/", report=True)
    assert group.children["export.report"].trigger_rule == "all_done"
