"""The pure rooms import the standard library and one another, and nothing else.

import-linter can only forbid what somebody thought of; this names what is allowed.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import airflow_provider_assets

ROOT = Path(airflow_provider_assets.__file__).parent
ROOMS = {"sansio": ("sansio",), "vendors": ("sansio", "vendors")}


def imported(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_a_pure_room_needs_nothing_but_the_standard_library(room) -> None:
    below = tuple(f"airflow_provider_assets.{name}" for name in ROOMS[room])
    files = list((ROOT / room).rglob("*.py"))
    assert files
    for file in files:
        for name in imported(file.read_text()):
            assert name.partition(".")[0] in sys.stdlib_module_names or name.startswith(below), (
                file,
                name,
            )
