"""Tests that need the package's entry point, or the package as its wheel installs it."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
from doc_pages import ROOT

import airflow_provider_assets

PACKAGE = Path(airflow_provider_assets.__file__).parent


def installed() -> bool:
    points = metadata.entry_points(group="apache_airflow_provider")
    return any(point.value.startswith("airflow_provider_assets.") for point in points)


needs_installation = pytest.mark.skipif(
    not installed(), reason="Airflow finds providers by entry point: pip install --editable ."
)
needs_wheel = pytest.mark.skipif(
    PACKAGE.parent == ROOT, reason="the package is imported from its source, not from a wheel"
)
