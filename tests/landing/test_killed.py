"""Landings that are killed, and the next attempt that sweeps what they left."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from landing_kit import FACTS, big, leftovers, linked, unzipped

from airflow_provider_assets.landing import land


def kill_at_random(spec: dict, moment: float) -> bool:
    """Land in a process of its own and kill it *moment* seconds after its start; whether it lived."""
    program = Path(__file__).with_name("land_once.py")
    command = [sys.executable, str(program), json.dumps(spec)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(moment)
        process.kill()
        rest = process.stdout.read()
    return rest == "landed\n"


def address(request, place: str, store) -> dict:
    """How another process finds the same store."""
    if place == "local":
        return {"root": str(store.root)}
    if place == "azure":
        return {"azure": [request.getfixturevalue("azure_account"), store.container.container_name]}
    if place == "gcs":
        return {"gcs": [request.getfixturevalue("gcs_address"), store.bucket.name]}
    server = request.getfixturevalue("s3_server")
    return {"s3": [server.endpoint, server.access_key, server.secret_key]}


def wait_for_the_server(store) -> None:
    """Until it has finished the last request of a dead client.

    fake-gcs-server completes a compose after its client is gone. A sweep that looked before that sees
    nothing to remove; with a real service, the next landing removes it.
    """
    before, quiet = dict(store.listing("")), 0
    while quiet < 3:
        time.sleep(0.2)
        now = dict(store.listing(""))
        before, quiet = now, quiet + 1 if now == before else 0


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("layout", ["archive", "files"])
@pytest.mark.parametrize("place", ["local", "s3", "azure", "gcs"])
def test_a_killed_landing_shows_nothing_partial_and_is_swept_by_the_next(
    request, origin, quick, place, layout
):
    store = request.getfixturevalue(place)
    source = linked(origin, big())
    where = address(request, place, store)
    spec = {"url": f"{origin.url}/export.zip", "layout": layout} | where
    draw = random.Random(f"{place}{layout}")
    inside = {f"out/{name}": data for name, data in unzipped(big()).items()}
    whole = {"out/export.zip": big()} if layout == "archive" else inside
    origin.rate = 12_000_000
    # `make chaos` asks for all twenty.
    for _ in range(20 if request.config.getoption("-m") == "slow" else 4):
        kill_at_random(spec, draw.uniform(0.0, 1.4))
        for key, _ in store.listing("out/"):
            if ".landing" not in key and not key.endswith((".part", ".manifest.json")):
                assert store.get(key) == whole[key], f"{key} is visible and not whole"
    origin.rate = None
    wait_for_the_server(store)
    land([source], store, layout=layout, prefix="out/", facts=FACTS, options=quick)
    sizes = dict(store.listing("out/"))
    assert set(sizes) == set(whole) | {"out/export.zip.manifest.json"}
    assert all(store.get(key) == data for key, data in whole.items())
    assert not leftovers(store)
