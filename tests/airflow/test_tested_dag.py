"""The project of the page "Test your DAGs": its tests pass, by the fixtures of the package."""

from __future__ import annotations

import json

import pytest
from doc_pages import blocks

pytest_plugins = ["pytester"]
pytestmark = [pytest.mark.airflow, pytest.mark.long]
SNIPPETS = [text for name, text in blocks("python") if name == "docs/testing.md"]
PLUGIN = "airflow_provider_assets.sandbox.pytest_plugin"


def test_the_project_of_the_page_passes_its_tests(pytester, database, monkeypatch):
    # The project says where its DAGs are, as a project without bundles does.
    monkeypatch.delenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST")
    files = SNIPPETS[:-1]
    for text in files:
        path = pytester.path / text.splitlines()[0].removeprefix("# ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    done = pytester.runpytest_subprocess("-p", PLUGIN, "-p", "no:cacheprovider", "tests")
    done.assert_outcomes(passed=sum(text.count("def test_") for text in files))


def test_the_sandbox_of_the_page_runs_outside_of_pytest():
    names = {}
    exec(compile(SNIPPETS[-1], "docs", "exec"), names)
    assert json.loads(names["connection"])["conn_type"] == "scenario"
    assert names["submits"] == 0
