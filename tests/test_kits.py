"""Tests share what they need in kits: a test module is imported by nobody and makes nothing large."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
MODULES = sorted(TESTS.rglob("*.py"))
# Calls that make megabytes, and how much each may be asked to make while a module is imported.
LARGE = {"noise": 300_000, "bytes": 1_000_000, "randbytes": 300_000}


def imported(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.rpartition(".")[2] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").rpartition(".")[2])
    return found


def made_at_import(tree: ast.Module) -> list[ast.Call]:
    """The calls outside of functions."""
    left, found = list(tree.body), []
    while left:
        node = left.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.Call):
            found.append(node)
        left += ast.iter_child_nodes(node)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(TESTS)))
def test_a_module_imports_no_test_module_and_makes_nothing_large(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not {name for name in imported(tree) if name.startswith("test_")}
    for call in made_at_import(tree):
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        sizes = [one.value for one in call.args if isinstance(one, ast.Constant)]
        assert not any(
            isinstance(size, int) and size > LARGE.get(name, size) for size in sizes[:1]
        ), f"line {call.lineno} makes {sizes[0]} bytes for everybody who collects the tests"


def test_no_two_test_modules_have_the_same_name() -> None:
    names = [path.name for path in MODULES if path.name.startswith("test_")]
    assert len(set(names)) == len(names)
