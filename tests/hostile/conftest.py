"""Hostile vendors, archives, disks and readers: the short form by default, with ``FULL=1`` the whole."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path += [str(HERE.parent / "landing"), str(HERE.parent / "airflow")]  # for their kits
from airflow_fixtures import airflow, database, lineage, s3, statsd  # noqa: E402, F401  # asked for by name

FIGURE = "figure"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("hostile")


@pytest.fixture(scope="session")
def full_form() -> bool:
    """Whether the figures of the documentation are asked for, which takes long."""
    return os.environ.get("FULL") == "1"


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Function that notes a line for the end of the run."""
    return lambda line: record_property(FIGURE, line)


def _figures(terminalreporter: pytest.TerminalReporter) -> Iterator[str]:
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            yield from (text for name, text in report.user_properties if name == FIGURE)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _figures(terminalreporter):
        terminalreporter.write_line(line)
