"""What a change of a DAG does to a window that has landed is what the page about windows says."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from inspect import signature

import pytest
from airflow_runs import connect
from doc_pages import TEXTS

from airflow_provider_assets.exports import asset_export
from airflow_provider_assets.operators.archive import AssetArchiveOperator

pytestmark = [pytest.mark.airflow, pytest.mark.long]
SECTION = TEXTS["docs/windows.md"].partition("## Change a DAG")[2].partition("\n## ")[0]
ROWS = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", SECTION, re.MULTILINE)[1:]
CHANGES = {
    "id of the DAG": ({"group_id": "renamed"}, "found in place"),
    "`conn_id`": ({"conn_id": "other"}, "beside"),
    "`select`": ({"select": {"by": "updatedAt"}}, "beside"),
    "`mode`": ({"mode": "links"}, "beside"),
    "`options`": ({"options": {"file_name_template": "<prompt>-<id>"}}, "beside"),
    "`window`": ({"window": timedelta(days=1)}, "found in place"),
    "`name`": ({"name": "another"}, "lands once more"),
    "`layout`": ({"layout": "files"}, "lands once more"),
    "`target_format`": ({"target_format": "webp"}, "fails with"),
    "`lookback`": ({"lookback": timedelta(days=1)}, "left out"),
    "anything else": ({"settle": 1, "on_empty": "fail", "max_entries": 50}, "found in place"),
}


def row_of(name):
    (row,) = [one for one in ROWS if name in one[0]]
    return row


@pytest.fixture
def exported(airflow, sandbox, tmp_path, monkeypatch):
    """A call exports one day to one place, changed in some way, and tells what became of it."""
    connect(monkeypatch, "other", sandbox.scenario["connection"])

    def export(group_id="export", date="2026-01-07", **changed):
        before = sorted(tmp_path.rglob("*.manifest.json"))
        given = {"conn_id": "scenario_default", "destination": tmp_path.as_uri(), **changed}
        run = airflow.run(airflow.dag(lambda: asset_export(group_id, **given)), date)
        if run.state == "failed":
            return f"fails with {run.error}"
        if "skipped" in run.states.values():
            return "left out"
        added = len(sorted(tmp_path.rglob("*.manifest.json"))) - len(before)
        return {0: "found in place", 1: "beside, lands once more"}[added]

    return export


def test_a_changed_dag_finds_what_has_landed_or_not_as_the_page_says(exported):
    exported(date="2026-01-06")  # else this day would be exported by the run that looks back
    exported()
    for name, (changed, outcome) in CHANGES.items():
        assert outcome in row_of(name)[1]
        assert outcome in exported(**changed), name


def test_the_page_has_a_row_for_every_parameter_that_makes_a_retry_start_from_scratch(database):
    def inputs(**changed):
        task = AssetArchiveOperator(task_id="task", **{"conn_id": "one", **changed})
        return json.dumps(task._given(), default=str)

    others = {
        "items": {"asset_ids": ["one"]},
        "select": {"by": "updatedAt"},
        "window": "all",
        "options": {"flat": False},
        "mode": "links",
        "lookback": 60,
        "conn_id": "two",
        "plans": "file:///elsewhere",
        "metadata": None,
        "on_empty": "fail",
        "on_partial": "land",
    }
    named = dict.fromkeys(signature(AssetArchiveOperator.__init__).parameters, 5)
    for name in {*named, *others} - {"self", "kwargs"}:
        if name in ("wait_for_completion", "deferrable", "dry_run", "cancel_on_kill"):
            continue  # flags, of which the inputs hold none
        starts = inputs(**{name: others.get(name, named.get(name))}) != inputs()
        listed = [row for row in ROWS if f"`{name}`" in row[0]]
        assert [row[2] for row in listed] == (["submits again"] if starts else []), name
