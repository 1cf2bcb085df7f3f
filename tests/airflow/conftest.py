from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from airflow_fixtures import airflow, database, lineage, s3, statsd  # noqa: F401  # the tests ask for them by name
from airflow_runs import connect
from exported import COUNT, ITEM, read
from servers import S3Server

from airflow_provider_assets.sandbox import running

# What is tested there, or what it is tested with, came with these versions of Airflow.
_SINCE = {
    (3, 2): ("openlineage", "provider_info", "sensor", "task_group", "window*"),
    (3, 3): (
        "completeness",
        "durable",
        "errors",
        "events",
        "landing_resumed",
        "plans",
        "resumed",
        "windows_of_mappers",
    ),
}
_AIRFLOW = tuple(map(int, version("apache-airflow").split(".")[:2]))
collect_ignore_glob = [
    f"test_{name}.py" for since, names in _SINCE.items() if since > _AIRFLOW for name in names
]


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
