"""Fixtures for tests of your own DAGs: a vendor on localhost, and the connection that leads to it.

pytest loads this module by its entry point at every start, so it imports the standard library and
pytest only, and it starts a sandbox only for a test that asks for one.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import pytest

if TYPE_CHECKING:
    from airflow_provider_assets.sandbox.client import Sandbox

_VENDORS = ("scenario", "topaz", "roma")


@pytest.fixture(scope="session")
def sandbox_options() -> Mapping[str, Sequence[str]]:
    """Flags of ``python -m airflow_provider_assets.sandbox`` per vendor; override this fixture.

    For example ``{"scenario": ["--day", "2026-01-09=25"]}``.
    """
    return {}


@pytest.fixture(scope="session")
def _start_sandbox(
    sandbox_options: Mapping[str, Sequence[str]],
) -> Iterator[Callable[[str], Sandbox]]:
    """Start the sandbox of a vendor when it is first asked for; it runs until the session ends."""
    for vendor, flags in sandbox_options.items():
        if vendor not in _VENDORS:
            raise pytest.UsageError(
                f"sandbox_options: unknown vendor {vendor!r}; use some of {', '.join(_VENDORS)}"
            )
        if isinstance(flags, str):
            raise pytest.UsageError(
                f'sandbox_options: the flags of {vendor!r} are text; use a list: ["--items", "50"]'
            )
    with contextlib.ExitStack() as stack:

        @functools.cache
        def start(vendor: str) -> Sandbox:
            from airflow_provider_assets.sandbox.client import running

            flags = sandbox_options.get(vendor, ())
            return stack.enter_context(running("--vendor", vendor, *flags))

        yield start


@pytest.fixture
def scenario_sandbox(
    _start_sandbox: Callable[[str], Sandbox], monkeypatch: pytest.MonkeyPatch
) -> Sandbox:
    """Scenario's API on localhost, behind the connection ``scenario_default``."""
    return _connected(_start_sandbox("scenario"), "scenario", monkeypatch)


@pytest.fixture
def topaz_sandbox(
    _start_sandbox: Callable[[str], Sandbox], monkeypatch: pytest.MonkeyPatch
) -> Sandbox:
    """Topaz Labs' Image API on localhost, behind the connection ``topaz_default``."""
    return _connected(_start_sandbox("topaz"), "topaz", monkeypatch)


@pytest.fixture
def roma_sandbox(
    _start_sandbox: Callable[[str], Sandbox], monkeypatch: pytest.MonkeyPatch
) -> Sandbox:
    """ROMA Connect's API on localhost, behind the connection ``huawei_roma_default``."""
    return _connected(_start_sandbox("roma"), "roma", monkeypatch)


def _connected(sandbox: Sandbox, vendor: str, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The sandbox without what an earlier test armed, counted or changed, and its connection."""
    sandbox.reset()
    part = cast("Mapping[str, Mapping[str, object]]", sandbox.ready[vendor])
    connection = part["connection"]
    name = f"AIRFLOW_CONN_{connection['conn_type']}_DEFAULT"
    monkeypatch.setenv(name.upper(), json.dumps(connection))
    return sandbox
