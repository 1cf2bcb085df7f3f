"""The benchmarks run, at a size at which they measure nothing: what is published can be repeated."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from origin import http_origin

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
pytestmark = pytest.mark.long
OURS = ("engine", "engine_unpack", "stream_unpack")
needs_compiler = pytest.mark.skipif(
    not (shutil.which("gcc") or shutil.which("cc")), reason="their two ends are written in C"
)


def run(script: str, *arguments: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *arguments],
        env={**os.environ, "PYTHONPATH": str(BENCHMARKS.parent), **(env or {})},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@needs_compiler
@pytest.mark.parametrize(
    ("script", "scenes", "ways"),
    [
        ("transfer.py", ["plain"], ["requests_boto3", "engine", "http_to_s3"]),
        ("transfer.py", ["tls", "far", "--few"], ["requests_boto3", "engine CONCURRENCY=8"]),
        ("unpack.py", ["fast", "throttled"], ["disk_unpack", "engine_unpack", "stream_unpack"]),
    ],
)
def test_every_way_of_a_race_does_its_work(work, script, scenes, ways):
    table = run(script, "--mib=1", "--rounds=1", f"--work={work}", *scenes)
    assert "FAILED" not in table, (work / "errors.log").read_text()
    for way in ways:
        assert f"| {way} |" in table


@pytest.mark.parametrize("way", OURS)
def test_our_own_ways_work_wherever_the_tests_do(moto_server, way):
    moto_server.client().create_bucket(Bucket=way.replace("_", "-"))
    env = {
        "AWS_ENDPOINT_URL": moto_server.endpoint,
        "AWS_ACCESS_KEY_ID": moto_server.access_key,
        "AWS_SECRET_ACCESS_KEY": moto_server.secret_key,
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("a.png", os.urandom(300_000))
    with http_origin() as origin:
        origin.ranged = way != "stream_unpack"
        path = "/export.zip" if origin.ranged else "/whole/export.zip"
        origin.files[path] = archive.getvalue()
        run(
            "peer.py",
            way,
            f"{origin.url}/export.zip",
            f"{way.replace('_', '-')}/out/x.zip",
            env=env,
        )


def test_the_cost_of_a_dag_file_can_be_measured():
    assert "operator, sensor, transfer" in run("dag_parse.py", "--runs=1")


@pytest.mark.parametrize("way", ["chain", "slices"])
def test_a_listing_is_planned_either_way(way):
    assert "items     2,500 in 3 batches" in run(
        "listing.py", "--assets=2500", "--delay=0", f"--way={way}"
    )
