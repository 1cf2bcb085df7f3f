from __future__ import annotations

import gc
import json
from collections.abc import Iterator

import pytest
import tenacity
from poller_kit import Account
from trigger_kit import CONN

from airflow_provider_assets.network import retries
from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sansio import waiter


@pytest.fixture(autouse=True)
def _look_at_new_objects_only() -> Iterator[None]:
    """What a poller leaves is looked for among what the test made, not in the whole heap of Airflow."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def _sandbox():
    day = ("--day", "2026-01-09=2", "--item-bytes", "200")
    with running("--vendor", "all", "--items", "0", *day) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_sandbox):
    _sandbox.reset()
    return _sandbox


@pytest.fixture(params=["scenario", "topaz"])
def account(request, sandbox) -> Account:
    """Each vendor that has a bulk call."""
    return Account(sandbox, request.param)


@pytest.fixture
def scenario(sandbox) -> Account:
    return Account(sandbox, "scenario")


@pytest.fixture
def topaz(sandbox) -> Account:
    return Account(sandbox, "topaz")


@pytest.fixture
def roma(sandbox) -> Account:
    return Account(sandbox, "roma")


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch):
    """Make the connection :data:`CONN`, or change it."""

    def put(part, **changes) -> None:
        conn = {**part["connection"], **changes}
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONN.upper()}", json.dumps(conn))

    return put


@pytest.fixture
def no_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five failed polls end a wait, however short the time they took."""
    monkeypatch.setattr(waiter, "OUTAGE_SECONDS", 0.0)
    monkeypatch.setattr(waiter, "LONGEST_BACKOFF", 0.1)


@pytest.fixture
def no_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong reaches the poller at once."""
    monkeypatch.setattr(retries, "_STOP", tenacity.stop_after_attempt(1))
