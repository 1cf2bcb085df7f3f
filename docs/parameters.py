"""Writes what docstrings say into the pages, so that it can be read in the repository as well as on the site.

``python docs/parameters.py`` renews everything between ``<!-- from PATH -->`` and ``<!-- end -->`` in the
pages, where PATH is the import path of a class, a function, a method or a module. A test compares the two.
"""

from __future__ import annotations

import inspect
import re
from datetime import timedelta
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

PAGES = [Path(__file__).parent / name for name in ("operators.md", "hooks.md")]
REGION = re.compile(r"(<!-- from ([\w.]+) -->\n).*?(<!-- end -->)", re.DOTALL)
FIELD = re.compile(r":(?P<kind>param|ivar|raises|returns)(?: (?P<name>\w+))?:\s")
# What a signature does not say, because Airflow's configuration or a constant does.
DEFAULTS = {
    "deferrable": "`default_deferrable` in Airflow's `[operators]`",
    "hopeless": "those of the errors below that are not retried",
}


def renewed(page: str) -> str:
    """The text of a page with its regions as the docstrings are now."""
    return REGION.sub(lambda found: f"{found[1]}\n{rendered(found[2])}\n\n{found[3]}", page)


def rendered(path: str) -> str:
    """Markdown of the docstring of what *path* names: prose, a table of parameters, errors."""
    documented = resolve_name(path)
    prose, fields = _split(inspect.getdoc(documented) or "")
    parts = [_signature(documented), _prose(prose)]
    if rows := [field for field in fields if field["kind"] in ("param", "ivar")]:
        parts.append(_table(documented, rows))
    if templates := getattr(documented, "template_fields", ()):
        parts.append("Templates: " + ", ".join(f"`{name}`" for name in sorted(templates)) + ".")
    parts += [f"Returns: {_line(field['text'])}" for field in fields if field["kind"] == "returns"]
    raised = [field for field in fields if field["kind"] == "raises"]
    if raised:
        parts.append("Raises:")
        parts.append("\n".join(f"- `{one['name']}`: {_line(one['text'])}" for one in raised))
    return "\n\n".join(filter(None, parts))


def _signature(documented: Any) -> str:
    """The call of a method; the parameters of classes are in their tables."""
    if not inspect.isroutine(documented) or "." not in documented.__qualname__:
        return ""
    signature = inspect.signature(documented)
    parameters = [
        one.replace(annotation=one.empty)
        for name, one in signature.parameters.items()
        if name != "self"
    ]
    text = str(signature.replace(parameters=parameters, return_annotation=signature.empty))
    text = re.sub(r"<function .*? at 0x\w+>", "…", text)
    return f"`{documented.__name__}{text}`"


def _split(docstring: str) -> tuple[str, list[dict[str, str]]]:
    """The prose of a docstring, and its fields: kind, name, text."""
    marks = list(FIELD.finditer(docstring))
    starts = [*(mark.start() for mark in marks), len(docstring)]
    fields = [
        {**mark.groupdict(), "text": docstring[mark.end() : end]}
        for mark, end in zip(marks, starts[1:], strict=True)
    ]
    return docstring[: starts[0]], fields


def _prose(text: str) -> str:
    """Paragraphs on a line each; what is indented after ``::`` is a block of text."""
    parts = []
    for part in re.split(r"\n\s*\n(?=\S)", text.strip()):
        if part.startswith("::"):
            block = inspect.cleandoc(part.removeprefix("::").strip("\n")).replace("``", "")
            parts.append(f"```text\n{block}\n```")
        else:
            parts.append(_line(part))
    return "\n\n".join(parts)


def _table(documented: Any, fields: list[dict[str, str]]) -> str:
    known = inspect.signature(documented).parameters
    rows = ["| parameter | default | meaning |", "|---|---|---|"]
    for field in fields:
        name, text = field["name"], _line(field["text"]).replace("|", "\\|")
        rows.append(f"| `{name}` | {_default(name, known.get(name))} | {text} |")
    return "\n".join(rows)


def _default(name: str, parameter: inspect.Parameter | None) -> str:
    if name in DEFAULTS:
        return DEFAULTS[name]
    if parameter is None or parameter.kind is parameter.VAR_KEYWORD:
        return ""
    value = parameter.default
    if value is parameter.empty:
        return "required"
    return f"`{_shown(value)}`"


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, timedelta):
        value = value.total_seconds()
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _line(text: str) -> str:
    """Sphinx's marks as Markdown, on one line."""
    text = " ".join(text.split())
    text = re.sub(r":\w+:`~?\.?(?:\w+\.)*(\w+)`", r"`\1`", text)
    text = re.sub(r"``(.+?)``", r"`\1`", text)
    text = re.sub(r"`docs/(\w+)\.md`", r"[the page](\1.md)", text)
    return re.sub(r"(?<![\w*`])\*(\w+)\*(?![\w*])", r"`\1`", text)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")
