"""Every snippet and command of the README does what it says."""

from __future__ import annotations

import json
import re
import runpy
import shlex
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from airflow.cli.cli_parser import get_parser
from airflow_runs import connect, register

from airflow_provider_assets.vendors import BUILT_IN, vendor_class
from airflow_provider_assets.vendors.connection import COMMON_FIELDS, VendorConnection
from airflow_provider_assets.vendors.huawei_roma_contract import LISTINGS

pytestmark = pytest.mark.airflow
ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = "\n".join([README, *(page.read_text(encoding="utf-8") for page in DOCS)])
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", PAGES, re.DOTALL)
    for line in block.splitlines()
]
EXAMPLES = sorted(path for path in (ROOT / "dags_examples").glob("*.py"))


@pytest.fixture
def my_bucket(s3_server, monkeypatch):
    """The destination that the README names, on a real S3 server; a call lists what is in it."""
    client = s3_server.client()
    client.create_bucket(Bucket="my-bucket")
    extra = {"endpoint_url": s3_server.endpoint, "region_name": "us-east-1"}
    connect(
        monkeypatch,
        "aws_default",
        {
            "conn_type": "aws",
            "login": s3_server.access_key,
            "password": s3_server.secret_key,
            "extra": {**extra, "config_kwargs": {"s3": {"addressing_style": "path"}}},
        },
    )

    def keys():
        found = client.list_objects_v2(Bucket="my-bucket").get("Contents", ())
        return [item["Key"] for item in found]

    yield keys
    for key in keys():
        client.delete_object(Bucket="my-bucket", Key=key)
    client.delete_bucket(Bucket="my-bucket")


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda s: re.search(r'DAG\("(\w+)"', s).group(1))
def test_a_snippet_of_the_readme_lands_its_day(snippet, airflow, sandbox, my_bucket):
    names = {}
    code = re.sub(r"^(with DAG\(.*\)):$", r"\1 as dag:", snippet, flags=re.MULTILINE)
    exec(compile(code, "README.md", "exec"), names)
    dag = names["dag"]
    register(dag)
    if "AssetWatcher" in snippet:
        return  # only a triggerer starts it; what it then does is tested with the event trigger
    run = airflow.run(dag, "2026-01-08")
    assert run.state == "success", run.states
    assert [key for key in my_bucket() if key.endswith(".zip")]


def test_the_first_snippet_fits_on_a_slide():
    assert len(SNIPPETS[0].strip().splitlines()) <= 15


def test_the_nightly_example_is_at_most_twenty_lines_of_code():
    text = (ROOT / "dags_examples" / "scenario_nightly_export.py").read_text(encoding="utf-8")
    assert len([line for line in text.splitlines() if line.strip()]) <= 20


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_makes_a_dag_of_its_own_name(path, database):
    dag = runpy.run_path(str(path))["dag"]
    register(dag)
    assert dag.dag_id == path.stem


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_a_make_target_of_the_docs_exists(command):
    target = shlex.split(command)[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("export ")])
def test_a_connection_of_the_readme_is_complete(command):
    name, _, value = shlex.split(command)[1].partition("=")
    data = json.loads(value)
    connection = VendorConnection(
        conn_id=name.removeprefix("AIRFLOW_CONN_").lower(),
        conn_type=data["conn_type"],
        login=data.get("login", ""),
        password=data["password"],
        extra=data.get("extra", {}),
    )
    assert vendor_class(data["conn_type"])(connection, clock=lambda: 0.0).base_url


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("airflow ")])
def test_an_airflow_command_of_the_readme_is_one(command, database):
    assert get_parser().parse_args(shlex.split(command)[1:]).func


def test_every_command_of_the_docs_is_of_a_kind_that_is_tested():
    assert all(command.split()[0] in {"make", "export", "airflow"} for command in COMMANDS)


def test_the_provider_info_of_another_package_fits_the_schema_of_airflow(monkeypatch):
    page = (ROOT / "docs" / "add-a-vendor.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
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


def test_the_reference_names_all_that_the_vendors_take():
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    named = set(re.findall(r"[`\"](\w+)[`\"]", text))
    for name in BUILT_IN:
        spec = vendor_class(name).spec
        assert {*spec.kinds, *spec.filters, *spec.options} <= named
        assert {*spec.form.fields, *COMMON_FIELDS} <= named
    assert {name for filters in LISTINGS.values() for name in filters} <= named


def test_every_file_that_the_docs_link_exists():
    for link in re.findall(r"\]\((?!https?://)([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
    for page in DOCS:
        for link in re.findall(r"\]\((?!https?://)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), link


def test_the_readme_names_every_extra_that_a_connection_form_has():
    for conn_type in ("scenario", "topaz", "huawei_roma"):
        for field in vendor_class(conn_type).spec.form.fields:
            assert f"`{field}`" in README, f"{conn_type}: {field}"
