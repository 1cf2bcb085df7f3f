"""The pages of the documentation, and what can be taken out of them and tested."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
NAMES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
PAGES = [*(ROOT / name for name in NAMES), *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in PAGES}
PACKAGE = [
    path
    for path in sorted((ROOT / "airflow_provider_assets").rglob("*.py"))
    if "sandbox" not in path.parts
]


def blocks(language: str) -> list[tuple[str, str]]:
    """Page and text of each fenced block of *language*."""
    return [
        (name, block)
        for name, text in TEXTS.items()
        for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    ]


def commands(first: str = "") -> list[str]:
    """The commands of all pages that begin with the word *first*."""
    lines = [line for _, block in blocks("bash") for line in block.splitlines()]
    return [line for line in lines if not first or line.split()[0] == first]


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each constant in a module; what an f-string fills in is "…"."""
    inside = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            inside.update(id(part) for part in node.values)
            yield node.lineno, "".join(_text(part) for part in node.values)
        elif isinstance(node, ast.Constant) and id(node) not in inside:
            yield node.lineno, str(node.value)


def _text(part: ast.expr) -> str:
    return str(part.value) if isinstance(part, ast.Constant) else "…"
