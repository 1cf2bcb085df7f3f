"""Every snippet of the documentation does what it says, on a real Airflow."""

from __future__ import annotations

import json
import re
import shlex
import zlib
from functools import partial
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from urllib.parse import unquote

import jsonschema
import pytest
from airflow.cli.cli_parser import get_parser
from airflow.sdk import ObjectStoragePath, task_group
from airflow_runs import connect, register
from doc_pages import ROOT, blocks, commands

from airflow_provider_assets.exports import asset_export

pytestmark = [pytest.mark.airflow, pytest.mark.long]
CONN = "scenario_default"
SNIPPETS = [one for one in blocks("python") if one[0] != "docs/testing.md"]  # see test_tested_dag
DAGS = [snippet for _, snippet in SNIPPETS if "with DAG(" in snippet]
OTHERS = [
    snippet
    for name, snippet in SNIPPETS
    if "with DAG(" not in snippet and name not in ("docs/add-a-vendor.md", "docs/metadata.md")
]


@pytest.mark.parametrize("snippet", DAGS, ids=lambda s: re.search(r'DAG\(\s*"(\w+)"', s).group(1))
def test_a_dag_of_the_pages_lands_its_day(snippet, airflow, sandbox, my_bucket, monkeypatch):
    for conn_id in re.findall(r'"(scenario_\w+)"', snippet):
        connect(monkeypatch, conn_id, sandbox.scenario["connection"])
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


def snippet_with(function):
    """What the snippet of the pages that defines *function* makes of it."""
    (snippet,) = [one for one in OTHERS if f"def {function}(" in one]
    names = {}
    exec(compile(snippet, "docs", "exec"), names)
    return names[function]


def test_a_snippet_checks_a_connection(sandbox):
    assert snippet_with("check")("scenario_default")


def test_a_snippet_counts_items_by_model(sandbox):
    assert sum(snippet_with("count_by_model")("scenario_default").values()) > 1


def test_a_snippet_reads_one_image_out_of_a_zip_that_has_landed(
    airflow, sandbox, my_bucket, tmp_path
):
    read_image = snippet_with("read_image")
    places = {tmp_path.as_uri(): None}
    if find_spec("s3fs"):
        places["s3://aws_default@my-bucket/scenario/"] = "aws_default"
    for place, conn_id in places.items():
        dag = airflow.dag(partial(asset_export, "export", conn_id=CONN, destination=place))
        (row,) = airflow.run(dag, "2026-01-05").results("export.land")
        with ObjectStoragePath(unquote(row["metadata_uri"]), conn_id=conn_id).open() as metadata:
            row = json.loads(metadata.readline())
        image = read_image(row["uri"], row["file"], conn_id)
        assert f"{zlib.crc32(image):08x}" == row["crc32"]


def test_every_snippet_is_run():
    tested = {"check", "count_by_model", "read_image"}
    assert {re.findall(r"^def (\w+)", one, re.MULTILINE)[-1] for one in OTHERS} == tested


def test_a_task_group_that_is_mapped_holds_no_export(airflow):
    @task_group
    def mapped(conn_id):
        asset_export("export", conn_id=conn_id, destination="file:///anywhere")

    with pytest.raises(NotImplementedError, match="in an expanded task group"):
        airflow.dag(lambda: mapped.expand(conn_id=["one", "two"]))


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
