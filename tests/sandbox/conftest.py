from __future__ import annotations

import contextlib

import pytest

from airflow_provider_assets.sandbox import running


@pytest.fixture
def start():
    """Start sandboxes that stop with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(running(*arguments))


@pytest.fixture(autouse=True)
def _forget(request):
    """Sandboxes shared by a module begin each test as if just started."""
    for name in ("scenario", "topaz", "roma"):
        if name in request.fixturenames:
            request.getfixturevalue(name).reset()
