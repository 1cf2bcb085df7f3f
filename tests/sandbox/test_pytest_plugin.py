"""The fixtures for users' tests, in a pytest of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest
from doc_pages import ROOT

from airflow_provider_assets.hooks.roma import RomaConnectHook
from airflow_provider_assets.hooks.scenario import ScenarioHook
from airflow_provider_assets.hooks.topaz import TopazHook

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytest_plugins = ["pytester"]
NAME = "airflow_provider_assets.sandbox.pytest_plugin"
OURS = [NAME.rsplit(".", count)[0] for count in (2, 1, 0)]
HOOKS = {"scenario": ScenarioHook, "topaz": TopazHook, "roma": RomaConnectHook}


TESTS = """
import os

from {module} import {hook}

def test_with(VENDOR_sandbox):
    hook = {hook}()
    assert hook.test_connection()[0]
    assert hook.vendor.base_url.startswith(VENDOR_sandbox.VENDOR["base_url"])
    assert VENDOR_sandbox.items("VENDOR")
    assert VENDOR_sandbox.stats()["totals"]["requests"]

def test_without():
    assert "AIRFLOW_CONN_{conn_id}" not in os.environ
"""


def test_a_fixture_serves_a_vendor_behind_the_default_connection_of_its_hook(pytester):
    for vendor, hook in HOOKS.items():
        names = {"module": hook.__module__, "hook": hook.__name__}
        text = TESTS.format(conn_id=hook.default_conn_name.upper(), **names)
        pytester.makepyfile(**{f"test_with_{vendor}": text.replace("VENDOR", vendor)})
    pytester.runpytest_inprocess("-p", NAME).assert_outcomes(passed=6)


def test_a_sandbox_runs_for_the_session_with_the_given_flags_and_each_test_begins_clean(pytester):
    pytester.makepyfile("""
        import pytest

        @pytest.fixture(scope="session")
        def sandbox_options():
            return {"topaz": ["--items", "0"], "scenario": ["--items", "7", "--job-seconds", "9"]}

        @pytest.mark.parametrize("time", [1, 2])
        def test_twice(scenario_sandbox, time, seen=[]):
            assert len(scenario_sandbox.items("scenario")) == 7
            assert scenario_sandbox.ask("GET", "faults") == []
            assert scenario_sandbox.ask("GET", "clock")["offset"] == 0
            scenario_sandbox.fault("submit:500")
            scenario_sandbox.advance(86_400)
            seen.append(scenario_sandbox.process.pid)
            assert len(set(seen)) == 1
        """)
    pytester.runpytest_inprocess("-p", NAME).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"huawei_roma": []}, "*unknown vendor 'huawei_roma'; use some of scenario, topaz, roma*"),
        ({"scenario": "--items 5"}, "*the flags of 'scenario' are text; use a list*"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options, message, pytester):
    pytester.makepyfile(f"""
        import pytest

        @pytest.fixture(scope="session")
        def sandbox_options():
            return {options!r}

        def test_it(scenario_sandbox):
            pass
        """)
    done = pytester.runpytest_inprocess("-p", NAME)
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines([message])


def test_the_entry_point_and_a_request_by_name_load_it_once(pytester):
    with (ROOT / "pyproject.toml").open("rb") as file:
        (entry,) = tomllib.load(file)["project"]["entry-points"]["pytest11"].items()
    assert entry == (NAME, NAME)
    # An installation of a package with that entry point only.
    installed = pytester.mkdir("installed-1.0.dist-info")
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: installed\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[pytest11]\n{NAME} = {NAME}\n")
    pytester.makepyfile("def test_it(sandbox_options): assert sandbox_options == {}")
    pytester.syspathinsert()
    for flags in ((), ("-p", NAME)):
        pytester.runpytest_inprocess("-W", "error", *flags).assert_outcomes(passed=1)
    off = pytester.runpytest_inprocess("-p", f"no:{NAME}")
    off.stdout.fnmatch_lines(["*fixture 'sandbox_options' not found*"])


def test_a_start_of_pytest_pays_for_the_standard_library_only():
    code = f"""
import sys
import pytest
before = set(sys.modules)
import {NAME}
print(*sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    added = set(done.stdout.split())
    assert set(OURS) <= added
    left = {name for name in added if name.partition(".")[0] not in sys.stdlib_module_names}
    assert left == {*OURS, "airflow_provider_assets.sandbox.client"}
    assert not added & {"asyncio", "http.client", "ssl", "subprocess", "urllib.request"}
