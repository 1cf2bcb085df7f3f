from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import warnings
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType

import jsonschema
import pytest
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag
from airflow.exceptions import AirflowProviderDeprecationWarning
from airflow.providers_manager import ProvidersManager
from doc_pages import ROOT, commands
from installation import PACKAGE as FOLDER
from installation import needs_installation, needs_wheel

from airflow_provider_assets import __version__
from airflow_provider_assets.get_provider_info import PACKAGE, get_provider_info
from airflow_provider_assets.hooks.base import AssetArchiveHook

pytestmark = pytest.mark.airflow
INFO = get_provider_info()
CONN_TYPES = {entry["connection-type"]: entry for entry in INFO["connection-types"]}


def modules_in(info: object) -> list[str]:
    """Every module that *info* names, however deep."""
    if isinstance(info, dict):
        here = [info["python-module"]] if "python-module" in info else []
        here += info.get("python-modules", [])
        return here + [name for value in info.values() for name in modules_in(value)]
    if isinstance(info, list):
        return [name for value in info for name in modules_in(value)]
    return []


def classes_in(info: object) -> list[str]:
    if isinstance(info, dict):
        named = [info[key] for key in ("hook-class-name", "class-name") if key in info]
        named += info.get("extra-links", [])
        return named + [name for value in info.values() for name in classes_in(value)]
    if isinstance(info, list):
        return [name for value in info for name in classes_in(value)]
    return []


def test_provider_info_fits_the_schema_of_airflow():
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(INFO, schema)
    assert INFO["versions"][0] == __version__


def test_everything_that_provider_info_names_can_be_imported_without_a_warning():
    named = sorted({*modules_in(INFO), *(name.rpartition(".")[0] for name in classes_in(INFO))})
    assert len(named) >= 7
    code = "\n".join(f"import {name}" for name in named)
    deprecation = f"error::{_path(AirflowProviderDeprecationWarning)}"
    strict = ("-W", "error:::airflow_provider_assets", "-W", deprecation)
    done = subprocess.run(
        [sys.executable, *strict, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for name in classes_in(INFO):
        module, _, cls = name.rpartition(".")
        is_decorator = name in [one["class-name"] for one in INFO["task-decorators"]]
        kind = FunctionType if is_decorator else type
        assert isinstance(getattr(import_module(module), cls), kind)


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def test_every_part_of_the_package_is_named():
    import airflow_provider_assets

    root = Path(airflow_provider_assets.__file__).parent
    public = {
        f"airflow_provider_assets.{folder}.archive"
        for folder in ("operators", "sensors", "triggers")
    }
    hooks = {f"airflow_provider_assets.hooks.{p.stem}" for p in (root / "hooks").glob("[a-z]*.py")}
    named = set(modules_in(INFO))
    inner = {
        f"airflow_provider_assets.hooks.{name}"
        for name in ("base", "client", "airflow_connection", "slices")
    }
    assert public | (hooks - inner) <= named
    assert "airflow_provider_assets.transfers.archive_to_object_storage" in named


@needs_installation
@pytest.mark.parametrize("conn_type", CONN_TYPES)
def test_airflow_finds_the_hook_of_a_connection_type(conn_type, database):
    with warnings.catch_warnings():
        warnings.simplefilter("error", AirflowProviderDeprecationWarning)
        # Airflow 3.2 moved the hooks to a manager of its task SDK, which 3.1 does not have.
        warnings.filterwarnings("ignore", "ProvidersManager.hooks is deprecated")
        found = ProvidersManager().hooks[conn_type]
    assert found is not None, "the hook could not be imported"
    assert (found.connection_type, found.package_name) == (conn_type, PACKAGE)
    module, _, name = CONN_TYPES[conn_type]["hook-class-name"].rpartition(".")
    hook = getattr(import_module(module), name)
    assert issubclass(hook, AssetArchiveHook)
    assert (hook.conn_type, hook.hook_name) == (conn_type, found.hook_name)


@pytest.mark.parametrize("conn_type", CONN_TYPES)
def test_old_and_new_connection_forms_say_the_same(conn_type):
    """Airflow below 3.2 asks the hook, later ones read the provider info."""
    module, _, name = CONN_TYPES[conn_type]["hook-class-name"].rpartition(".")
    behaviour = getattr(import_module(module), name).get_ui_field_behaviour()
    said = CONN_TYPES[conn_type]["ui-field-behaviour"]
    assert {key.replace("_", "-"): value for key, value in behaviour.items()} == said
    assert "password" not in said["hidden-fields"]
    fields = list(CONN_TYPES[conn_type]["conn-fields"])
    assert {"requests_per_second", "max_concurrent_downloads", "allow_http"} <= set(fields)
    if find_spec("flask_babel") and find_spec("wtforms"):  # below 3.2
        assert list(getattr(import_module(module), name).get_connection_form_widgets()) == fields


@needs_wheel
def test_a_wheel_has_the_examples_where_airflow_looks_for_them(database, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "True")
    (found,) = [
        bundle
        for bundle in DagBundlesManager().get_all_dag_bundles()
        if bundle.name == f"{PACKAGE}-example-dags"
    ]
    assert found.path == FOLDER / "example_dags"
    bag = DagBag(dag_folder=str(found.path), bundle_path=found.path, bundle_name=found.name)
    assert bag.import_errors == {}
    examples = {path.stem for path in (ROOT / "dags_examples").glob("*.py")}
    assert set(bag.dag_ids) == examples
    assert {path.stem for path in found.path.iterdir()} - {"__pycache__"} == examples
    (command,) = commands("python")
    done = subprocess.run(
        [sys.executable, *shlex.split(command)[1:]], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(found.path)]


@needs_wheel
def test_a_wheel_brings_pytest_its_fixtures(pytestconfig):
    name = "airflow_provider_assets.sandbox.pytest_plugin"
    assert pytestconfig.pluginmanager.has_plugin(name)


def test_a_connection_form_marks_what_is_needed_and_nothing_as_wrong_from_the_start():
    """The form marks a type without null as needed, and an empty one as wrong unless it has a text."""
    needed = {
        (conn_type, name): field["schema"].get("default")
        for conn_type, entry in CONN_TYPES.items()
        for name, field in entry["conn-fields"].items()
        if "null" not in field["schema"]["type"]
    }
    assert needed == {("huawei_roma", "instance_id"): ""}
    first, second, *_ = CONN_TYPES["huawei_roma"]["conn-fields"]
    assert (first, second) == ("region", "instance_id")


@needs_installation
@pytest.mark.slow
@pytest.mark.long
def test_the_airflow_command_shows_connection_types_and_modules(database):
    command = [sys.executable, "-m", "airflow", "providers", "get", PACKAGE, "--full", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ})
    for expected in [*CONN_TYPES, *modules_in(INFO), *classes_in(INFO)]:
        assert expected in done.stdout
