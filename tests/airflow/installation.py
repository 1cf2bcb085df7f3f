"""Tests that need the package's entry point."""

from __future__ import annotations

from importlib import metadata

import pytest


def installed() -> bool:
    points = metadata.entry_points(group="apache_airflow_provider")
    return any(point.value.startswith("airflow_provider_assets.") for point in points)


needs_installation = pytest.mark.skipif(
    not installed(), reason="Airflow finds providers by entry point: pip install --editable ."
)
