"""A small HTML page with the counters, the jobs and the armed faults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}"
    "td,th{border-bottom:1px solid #8884;padding:.2rem .6rem;text-align:left}"
    ":root{color-scheme:light dark}"
)
_LATEST = 50


def render(
    stats: Mapping[str, object], jobs: list[dict[str, object]], faults: list[dict[str, object]]
) -> str:
    """The whole page; it reloads itself every 2 seconds."""
    vendors = _rows(stats["vendors"], "vendor")
    routes = _rows(stats["routes"], "route")
    latest = list(reversed(jobs))[:_LATEST]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=2>"
        f"<title>Sandbox</title><style>{_STYLE}</style><h1>Sandbox</h1>"
        f"<h2>Vendors</h2>{_table(vendors)}<h2>Jobs</h2>{_table(latest)}"
        f"<h2>Faults</h2>{_table(faults)}<h2>Routes</h2>{_table(routes)}"
        '<p><a href="/_sandbox/stats">all counters as JSON</a></p></html>'
    )


def _rows(section: object, label: str) -> list[dict[str, object]]:
    if not isinstance(section, dict):
        return []
    return [{label: name, **values} for name, values in section.items()]


def _table(rows: list[dict[str, object]]) -> str:
    if not rows:
        return "<p>none</p>"
    columns = list(dict.fromkeys(name for row in rows for name in row))
    body = "".join(_cells("td", [row.get(name, "") for name in columns]) for row in rows)
    return f"<table>{_cells('th', columns)}{body}</table>"


def _cells(tag: str, values: Iterable[object]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(str(one))}</{tag}>" for one in values) + "</tr>"
