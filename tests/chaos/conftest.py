from __future__ import annotations

from collections.abc import Iterator

import pytest
from standalone import Standalone, standalone

MODES, FLAVOURS = ("blocking", "deferred"), ("export", "cancelled", "hurry")
DAG_IDS = {f"{mode}_{name}" for mode in MODES for name in FLAVOURS} | {"deferred_backstop"}
_TABLES: list[str] = []


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    with standalone(tmp_path_factory.mktemp("airflow"), DAG_IDS) as running:
        yield running


@pytest.fixture(scope="session")
def chaos_table() -> list[str]:
    """Tables for the end of the report."""
    return _TABLES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for table in _TABLES:
        terminalreporter.write_line("")
        terminalreporter.write(table + "\n")
