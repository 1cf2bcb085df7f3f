from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tenacity
from airflow.utils.db import initdb
from airflow_runs import Airflow, connect
from exported import COUNT, ITEM, read
from servers import S3Server
from sqlalchemy import event
from sqlalchemy.engine import Engine

from airflow_provider_assets import transport
from airflow_provider_assets.sandbox import running
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
    monkeypatch.setattr(transport, "_BACKOFF", tenacity.wait_none())
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


@pytest.fixture(scope="session")
def _sandbox():
    days = [f"2026-01-0{day}={count}" for day, count in ((4, 2), (5, 4), (6, 7), (7, 5))]
    flags = [flag for day in days for flag in ("--day", day)]
    with running(
        "--vendor", "scenario", "--items", "20", *flags, "--day", "2026-01-08=1003",
        "--day", "2026-01-09=2",  # to which a test adds items
        "--job-seconds", "0.2", "--item-bytes", "200",
    ) as sandbox:  # fmt: skip
        yield sandbox


@pytest.fixture
def sandbox(_sandbox, monkeypatch: pytest.MonkeyPatch):
    """The Scenario sandbox behind the connection ``scenario_default``, as it was started."""
    _sandbox.reset()
    connect(monkeypatch, "scenario_default", _sandbox.scenario["connection"])
    return _sandbox


@pytest.fixture
def s3(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], dict[str, bytes]]]:
    """The connection ``s3_test``; a call gives what stands in the bucket."""
    client = s3_server.client()
    if BUCKET not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=BUCKET)
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
def my_bucket(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], list[str]]]:
    """The destination of the documentation, on a real S3 server; a call lists what is in it."""
    client = s3_server.client()
    client.create_bucket(Bucket="my-bucket")
    extra = {"endpoint_url": s3_server.endpoint, "region_name": "us-east-1"}
    connect(
        monkeypatch,
        "aws_default",
        {
            "conn_type": "aws",
            "login": s3_server.access_key,
            "password": s3_server.secret_key,
            "extra": {**extra, "config_kwargs": {"s3": {"addressing_style": "path"}}},
        },
    )

    def keys() -> list[str]:
        found = client.list_objects_v2(Bucket="my-bucket").get("Contents", ())
        return [item["Key"] for item in found]

    yield keys
    for key in keys():
        client.delete_object(Bucket="my-bucket", Key=key)
    client.delete_bucket(Bucket="my-bucket")


@pytest.fixture
def statsd(database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Airflow's metrics, switched on, and what this package has sent through them."""
    from statsd_socket import switched_on  # of 3.2 and later

    with switched_on(monkeypatch) as received:
        yield received


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "landed"


@pytest.fixture(scope="module")
def _large():
    with running(
        "--vendor", "scenario", "--day", f"2026-01-06={COUNT}", "--items", "0",
        "--item-bytes", str(ITEM), "--job-seconds", "0.2",
    ) as sandbox:  # fmt: skip
        yield sandbox


@pytest.fixture
def large(_large, monkeypatch: pytest.MonkeyPatch):
    """Vendors with large items."""
    _large.clear_faults()
    _large.reset_stats()
    connect(monkeypatch, "scenario_default", _large.scenario["connection"])
    return _large


@pytest.fixture(params=["local", "s3"])
def destination(request: pytest.FixtureRequest, folder: Path):
    """Where it lands, and what has landed there."""
    if request.param == "local":
        return folder.as_uri(), lambda: read(folder)
    return f"s3://s3_test@exports/resumed{random.randrange(10**6)}/", request.getfixturevalue("s3")
