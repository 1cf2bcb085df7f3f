from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import pytest
from certificates import issue
from standalone import Standalone, standalone

MODES, FLAVOURS = ("blocking", "deferred"), ("export", "cancelled", "hurry")
DAG_IDS = {
    *(f"{mode}_{name}" for mode in MODES for name in FLAVOURS),
    "deferred_backstop",
    "scenario_backfill",
    "producer",
    "consumer",
    "watching",
}
# Below 3.3 there is no task state, so a crash has to submit anew; the README says so.
collect_ignore_glob = (
    ["test_*.py"] if [*map(int, version("apache-airflow").split(".")[:2])] < [3, 3] else []
)
_TABLES: list[str] = []


def is_long(config: pytest.Config) -> bool:
    """``-m slow`` asks for everything; any other way is the short form, of at most five minutes."""
    return config.getoption("-m") == "slow"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and is_long(config):
            item.add_marker("slow")


@pytest.fixture
def long_form(request: pytest.FixtureRequest) -> bool:
    return is_long(request.config)


@dataclass(frozen=True)
class Form:
    """The world of the chaos loop.

    ``CHAOS_HTTPS=1``: vendors serve over https. ``CHAOS_SILENT=1``: Scenario does not repeat in a job what
    was submitted. ``CHAOS_RUNS``: number of exports, for as long as they take.
    """

    is_https: bool = os.environ.get("CHAOS_HTTPS") == "1"
    is_silent: bool = os.environ.get("CHAOS_SILENT") == "1"
    runs: int = int(os.environ.get("CHAOS_RUNS", "0"))
    flags: tuple[str, ...] = ()


@pytest.fixture(scope="session")
def form(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Form]:
    form = Form()
    flags = ["--no-echo-input"] if form.is_silent else []
    with pytest.MonkeyPatch.context() as patch:
        if form.is_https:
            made = issue(tmp_path_factory.mktemp("certificates"))
            flags += ["--tls-chain", str(made.chain), "--tls-key", str(made.key)]
            # Of the package, and of the standard library by which the tests ask the sandbox.
            patch.setenv("REQUESTS_CA_BUNDLE", str(made.authority))
            patch.setenv("SSL_CERT_FILE", str(made.authority))
        yield replace(form, flags=tuple(flags))


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory, form: Form) -> Iterator[Standalone]:
    home = tmp_path_factory.mktemp("airflow")
    # The form's *Test* is pressed.
    settings = {
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "EXPORT_TO": (home / "exported").as_uri(),
    }
    with standalone(home, DAG_IDS, **settings) as running:
        yield running


@pytest.fixture(scope="session")
def chaos_table() -> list[str]:
    """Tables for the end of the report."""
    return _TABLES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for table in _TABLES:
        terminalreporter.write_line("")
        terminalreporter.write(table + "\n")
