"""Every snippet of the documentation does what it says, on a real Airflow."""

from __future__ import annotations

import json
import re
import shlex
from importlib import import_module
from importlib.resources import files

import jsonschema
import pytest
from airflow.cli.cli_parser import get_parser
from airflow_runs import register
from doc_pages import ROOT, blocks, commands

pytestmark = [pytest.mark.airflow, pytest.mark.long]
SNIPPETS = [one for one in blocks("python") if one[0] != "docs/testing.md"]  # see test_tested_dag
DAGS = [snippet for _, snippet in SNIPPETS if "with DAG(" in snippet]
OTHERS = [
    snippet
    for name, snippet in SNIPPETS
    if "with DAG(" not in snippet and name not in ("docs/add-a-vendor.md", "docs/metadata.md")
]


@pytest.mark.parametrize("snippet", DAGS, ids=lambda s: re.search(r'DAG\(\s*"(\w+)"', s).group(1))
def test_a_dag_of_the_pages_lands_its_day(snippet, airflow, sandbox, my_bucket):
    names = {}
    code = re.sub(r"^(with DAG\(.*?\)):$", r"\1 as dag:", snippet, flags=re.MULTILINE | re.DOTALL)
    exec(compile(code, "docs", "exec"), names)
    dag = names["dag"]
    register(dag)
    if "AssetWatcher" in snippet:
        return  # only a triggerer starts it; what it then does is tested with the event trigger
    run = airflow.run(dag, "2026-01-08")
    assert run.state == "success", run.states
    assert [key for key in my_bucket() if key.endswith(".manifest.json")]


@pytest.mark.parametrize("snippet", OTHERS, ids=["check", "count"])
def test_another_snippet_of_the_pages_runs(snippet, sandbox):
    names = {}
    exec(compile(snippet, "docs", "exec"), names)
    if "check" in names:
        assert names["check"]("scenario_default")
    if "count_by_model" in names:
        assert sum(names["count_by_model"]("scenario_default").values()) > 1


@pytest.mark.parametrize("command", commands("airflow"))
def test_an_airflow_command_of_the_pages_is_one(command, database):
    assert get_parser().parse_args(shlex.split(command)[1:]).func


def test_the_provider_info_of_another_package_fits_the_schema_of_airflow(monkeypatch):
    (snippet,) = [text for name, text in SNIPPETS if name == "docs/add-a-vendor.md"]
    names = {}
    exec(compile(snippet, "add-a-vendor.md", "exec"), names)
    info = names["get_provider_info"]()
    schema = files("airflow").joinpath("provider_info.schema.json").read_text()
    jsonschema.validate(info, json.loads(schema))
    (declared,) = info["connection-types"]
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "vendors" / "toy"))
    module, _, name = declared["hook-class-name"].rpartition(".")
    hook = getattr(import_module(module), name)
    assert (hook.conn_type, hook.hook_name) == ("acme", declared["hook-name"])
