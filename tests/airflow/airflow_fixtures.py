"""Fixtures of a real Airflow and of a store behind a connection, for the conftest of whoever wants them."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tenacity
from airflow.utils.db import initdb
from airflow_runs import Airflow, connect
from servers import S3Server
from sqlalchemy import event
from sqlalchemy.engine import Engine

from airflow_provider_assets.network import retries
from airflow_provider_assets.sansio import waiter
from airflow_provider_assets.vendors import BUILT_IN, vendor_class

BUCKET = "exports"


@pytest.fixture(scope="session")
def database() -> None:
    @event.listens_for(Engine, "connect")
    def do_not_wait_for_the_disk(connection: Any, record: object) -> None:
        """The database need not outlive a power cut."""
        connection.execute("PRAGMA synchronous=OFF")

    initdb()


@pytest.fixture
def airflow(database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Airflow]:
    """A real Airflow: no pauses before requests are tried again, quick polls, waits that bear no outage."""
    monkeypatch.setattr(retries, "_BACKOFF", tenacity.wait_none())
    monkeypatch.setattr(waiter, "OUTAGE_SECONDS", 0.0)
    monkeypatch.setattr(waiter, "LONGEST_BACKOFF", 0.1)
    for name in BUILT_IN:
        vendor = vendor_class(name)
        quick = replace(vendor.spec.poll, initial=0.1, maximum=0.5)
        monkeypatch.setattr(vendor, "spec", replace(vendor.spec, poll=quick))
    thresholds = gc.get_threshold()
    # Airflow's heap is large and lives as long as the tests: looking through it took a sixth of their time.
    gc.set_threshold(50_000, 20, 20)
    yield Airflow(monkeypatch)
    gc.set_threshold(*thresholds)


@pytest.fixture
def s3(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], dict[str, bytes]]]:
    """The connection ``s3_test``; a call gives what stands in the bucket."""
    client = s3_server.client_of(BUCKET)
    connection = {
        "conn_type": "aws",
        "login": s3_server.access_key,
        "password": s3_server.secret_key,
        "extra": {
            "endpoint_url": s3_server.endpoint,
            "region_name": "us-east-1",
            "config_kwargs": {"s3": {"addressing_style": "path"}},
        },
    }
    connect(monkeypatch, "s3_test", connection)

    def stored() -> dict[str, bytes]:
        found = client.list_objects_v2(Bucket=BUCKET).get("Contents", ())
        return {
            item["Key"]: client.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
            for item in found
        }

    yield stored
    for key in stored():
        client.delete_object(Bucket=BUCKET, Key=key)


@pytest.fixture
def statsd(database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Airflow's metrics, switched on, and what this package has sent through them."""
    from statsd_socket import switched_on

    with switched_on(monkeypatch) as received:
        yield received


@pytest.fixture
def lineage(database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """OpenLineage, switched on; the file into which it writes its events."""
    from airflow.providers.openlineage.plugins import openlineage as plugin
    from airflow.providers.openlineage.plugins.listener import OpenLineageListener
    from airflow.sdk.listener import get_listener_manager  # of 3.2 and later

    # It was imported while there is no transport.
    assert not plugin.OpenLineageProviderPlugin.listeners
    written = tmp_path / "events.jsonl"
    transport = {"type": "file", "log_file_path": str(written), "append": True}
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(transport))
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__EXECUTE_IN_THREAD", "True")
    listener = OpenLineageListener()
    get_listener_manager().add_listener(listener)
    yield written
    get_listener_manager().pm.unregister(listener)
    listener.before_stopping(None)
