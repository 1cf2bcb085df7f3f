"""The report of a run, on a real Airflow: what has landed, what has not, and pictures of it."""

from __future__ import annotations

import html
import re

import pytest
from exported import CONN, exportable

from airflow_provider_assets.exports import asset_export

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
