"""The pages say what the docstrings say, and the docstrings of the operators have every parameter."""

from __future__ import annotations

import re
import runpy
from inspect import signature
from pkgutil import resolve_name

import pytest
from doc_pages import ROOT, TEXTS

SCRIPT = runpy.run_path(str(ROOT / "docs" / "parameters.py"))
DESCRIBED = {path for name in TEXTS for path in re.findall(r"<!-- from ([\w.]+) -->", TEXTS[name])}
PARTS = (
    "exports.asset_export",
    "exports.land",
    "operators.archive.AssetArchiveOperator",
    "operators.reconcile.AssetReconcileOperator",
    "operators.report.AssetReportOperator",
    "sensors.archive.AssetArchiveSensor",
    "transfers.archive_to_object_storage.ArchiveToObjectStorageOperator",
    "triggers.archive.AssetArchiveTrigger",
    "triggers.events.AssetArchiveEventTrigger",
)


@pytest.mark.parametrize("page", SCRIPT["PAGES"], ids=lambda page: page.name)
def test_a_page_says_what_the_docstrings_say(page):
    text = page.read_text(encoding="utf-8")
    assert SCRIPT["renewed"](text) == text, "run: python docs/parameters.py"


def test_a_page_that_differs_from_the_docstrings_is_noticed():
    page = TEXTS["docs/operators.md"]
    old = page.replace("| `max_items` | `None` |", "| `max_items` | `1000` |")
    assert old != page
    assert SCRIPT["renewed"](old) == page


@pytest.mark.parametrize("path", PARTS)
def test_every_parameter_is_described(path):
    path = f"airflow_provider_assets.{path}"
    assert path in DESCRIBED
    part = resolve_name(path)
    described = set(re.findall(r":param (\w+):", part.__doc__ or ""))
    taken = signature(part.__init__ if isinstance(part, type) else part).parameters
    assert set(taken) - {"self", "kwargs", "trigger_rule"} <= described
