"""Landings that break, are killed, and go on."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from landing_kit import (
    MemoryState,
    contents,
    leftovers,
    linked,
    noise,
    over_http_and_https,
    zipped,
)
from origin import Fault
from test_zipscan import archive

from airflow_provider_assets.landing import LandingOptions, land
from airflow_provider_assets.landing.stores.s3 import S3Writer
from airflow_provider_assets.sansio.errors import IntegrityError, TransferInterruptedError

BIG = zipped({f"image-{n:03}.png": noise(1_500_000, n) for n in range(24)})
FACTS = {"fingerprint": "night"}
HASTY = LandingOptions(attempts=2, stall_seconds=2, jitter=lambda: 0.0, part_size=5 << 20)


def breaking_after(count: int):
    """The origin serves *count* requests and then nothing."""
    return lambda seen, number: Fault(cut=0) if number > count else None


def parts_of(state, key: str = "export.zip") -> int:
    return state.get(f"landing:{key}")["parts"]


def broken_half_way(store, origin, data=BIG, options=HASTY, **how):
    state = MemoryState()
    origin.rate = 30_000_000
    half = len(data) // 2

    def fault(seen, number):
        # What came before has the time to be stored and audited.
        late = seen.start is not None and seen.start > half
        return Fault(cut=0, delay=1.0) if late else None

    origin.fault = fault
    with pytest.raises(TransferInterruptedError):
        land([linked(origin, data)], store, options=options, facts=FACTS, state=state, **how)
    origin.rate, origin.fault = None, lambda seen, number: None
    return state


@over_http_and_https
def test_a_broken_landing_goes_on_with_the_parts_that_are_stored(store, origin, quick):
    state = broken_half_way(store, origin)
    assert contents(store, "export.zip") is None
    parts = parts_of(state)
    assert parts >= 1
    before = origin.sent
    manifest = land([linked(origin, BIG)], store, options=quick, facts=FACTS, state=state)
    assert contents(store, "export.zip") == BIG
    assert {"length", "zip_structure", "zip_crc32"} <= set(manifest.verified)
    assert origin.sent - before <= len(BIG) - parts * (5 << 20) + 4_000_000
    assert not state.kept
    assert not leftovers(store)


def test_the_sha256_of_a_resumed_local_landing_is_still_known(local, origin, quick):
    state = broken_half_way(local, origin)
    manifest = land([linked(origin, BIG)], local, options=quick, facts=FACTS, state=state)
    assert manifest.sha256 == hashlib.sha256(BIG).hexdigest()


def test_a_resumed_upload_says_that_it_has_no_sha256(s3, origin, quick):
    state = broken_half_way(s3, origin)
    manifest = land([linked(origin, BIG)], s3, options=quick, facts=FACTS, state=state)
    assert manifest.sha256 is None
    assert "sha256" in manifest.unverified
    assert "store_checksum" in manifest.verified


def test_a_large_entry_is_fetched_again_in_parts_and_by_several_connections(s3, origin, quick):
    data = zipped({"huge.bin": noise(40_000_000)})
    state = broken_half_way(s3, origin, data)
    assert parts_of(state) >= 1
    sent, asked = origin.sent, len(origin.seen)
    manifest = land([linked(origin, data)], s3, options=quick, facts=FACTS, state=state)
    assert contents(s3, "export.zip") == data
    assert "zip_crc32" in manifest.verified
    assert origin.sent - sent <= 1.3 * len(data)
    assert len(origin.seen) - asked <= 1.5 * len(data) / (5 << 20) + 4


def test_what_was_stored_unverified_is_fetched_again_to_be_verified(s3, origin, quick):
    damaged = bytearray(BIG)
    damaged[3_000_000] ^= 1
    state = broken_half_way(s3, origin, bytes(damaged), verify=False)
    how = {"options": quick, "facts": FACTS, "state": state}
    with pytest.raises(IntegrityError):
        land([linked(origin, bytes(damaged))], s3, **how)
    assert contents(s3, "export.zip") is None
    assert not leftovers(s3)


@over_http_and_https
def test_a_landing_that_breaks_twice_goes_on_twice(store, origin, quick):
    state = broken_half_way(store, origin)
    parts = parts_of(state)
    origin.fault = lambda seen, number: Fault(status=503)
    with pytest.raises(TransferInterruptedError):
        land([linked(origin, BIG)], store, options=HASTY, facts=FACTS, state=state)
    assert parts_of(state) == parts
    origin.fault, sent = lambda seen, number: None, origin.sent
    land([linked(origin, BIG)], store, options=quick, facts=FACTS, state=state)
    assert contents(store, "export.zip") == BIG
    assert origin.sent - sent <= len(BIG) - parts * (5 << 20) + 4_000_000


def test_a_wanted_sha256_is_worth_starting_over(s3, origin):
    state = broken_half_way(s3, origin)
    options = LandingOptions(part_size=5 << 20, sha256=True)
    manifest = land([linked(origin, BIG)], s3, options=options, facts=FACTS, state=state)
    assert manifest.sha256 == hashlib.sha256(BIG).hexdigest()
    assert not leftovers(s3)


def test_a_deflated_archive_is_resumed_as_well(store, origin, quick):
    data = archive(
        {f"{n}": noise(900_000, n) for n in range(40)}, method=zipfile.ZIP_DEFLATED, streamed=True
    )
    state = broken_half_way(store, origin, data)
    land([linked(origin, data)], store, options=quick, facts=FACTS, state=state)
    assert contents(store, "export.zip") == data


def test_damage_in_what_was_stored_before_is_found(local, origin, quick):
    state = broken_half_way(local, origin)
    [part] = local.root.glob(".*.part")
    with part.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"damage")
    land([linked(origin, BIG)], local, options=quick, facts=FACTS, state=state)
    assert contents(local, "export.zip") == BIG


def test_an_upload_that_is_gone_is_started_anew(s3, origin, quick):
    state = broken_half_way(s3, origin)
    S3Writer(s3, "export.zip", state.get("landing:export.zip")["writer"]["upload"]).abort()
    land([linked(origin, BIG)], s3, options=quick, facts=FACTS, state=state)
    assert contents(s3, "export.zip") == BIG


def test_another_file_behind_the_link_is_landed_from_its_start(store, origin, quick):
    state = broken_half_way(store, origin)
    newer = zipped({"new.bin": noise(24_000_000, 99)})
    origin.etags["/export.zip"] = '"two"'
    land([linked(origin, newer)], store, options=quick, facts=FACTS, state=state)
    assert contents(store, "export.zip") == newer
    assert not leftovers(store)


def test_another_landing_does_not_take_over_the_parts(store, origin, quick):
    state = broken_half_way(store, origin)
    land([linked(origin, BIG)], store, options=quick, facts={"fingerprint": "other"}, state=state)
    assert contents(store, "export.zip") == BIG
    assert not leftovers(store)


def test_without_a_state_nothing_is_left_behind(store, origin):
    origin.fault = breaking_after(6)
    with pytest.raises(TransferInterruptedError):
        land([linked(origin, BIG)], store, options=HASTY, facts=FACTS)
    assert not leftovers(store)
    assert not store.sizes("")


@pytest.mark.parametrize("layout", ["archive", "files"])
def test_a_state_that_fails_neither_fails_nor_masks_anything(store, origin, quick, caplog, layout):
    state = MemoryState()
    state.fails = True
    how = {"layout": layout, "facts": FACTS, "state": state}
    origin.fault = breaking_after(6)
    with pytest.raises(TransferInterruptedError):
        land([linked(origin, BIG)], store, options=HASTY, **how)
    origin.fault = lambda seen, number: None
    assert land([linked(origin, BIG)], store, options=quick, **how).verified
    assert state.failures
    assert "the landing continues" in caplog.text
    assert not leftovers(store)


def test_a_state_that_fails_after_a_publish_does_not_fail_the_landing(store, origin, quick):
    state = broken_half_way(store, origin)

    def progress(report):
        state.fails = state.fails or report.bytes == report.total

    how = {"options": quick, "facts": FACTS, "state": state}
    land([linked(origin, BIG)], store, progress=progress, **how)
    assert contents(store, "export.zip") == BIG
    assert land([linked(origin, BIG)], store, **how).skipped


def test_a_damaged_source_leaves_nothing_to_resume(store, origin, quick):
    data = bytearray(BIG)
    data[len(data) // 2] ^= 1
    state = MemoryState()
    with pytest.raises(IntegrityError):
        land([linked(origin, bytes(data))], store, options=quick, facts=FACTS, state=state)
    assert not state.kept
    assert not leftovers(store)


def test_foreign_uploads_and_files_are_not_swept(s3, local, origin, quick):
    answer = s3.client.create_multipart_upload(Bucket=s3.bucket, Key="export.zip")
    land([linked(origin, BIG)], s3, options=quick, facts=FACTS)
    assert leftovers(s3) == [answer["UploadId"]]
    s3.client.abort_multipart_upload(
        Bucket=s3.bucket, Key="export.zip", UploadId=answer["UploadId"]
    )
    foreign = local.root / ".export.zip.part"
    foreign.write_bytes(b"of another tool")
    land([linked(origin, BIG)], local, options=quick, facts=FACTS)
    assert foreign.exists()


CHILD = """
import json, sys
sys.path.insert(0, sys.argv[1])
from airflow_provider_assets.landing import *
from airflow_provider_assets.sansio.jobs import ArchiveFile, Link
spec = json.loads(sys.argv[2])
if "root" in spec:
    from pathlib import Path
    store = LocalStore(Path(spec["root"]))
elif "azure" in spec:
    from azure.storage.blob import ContainerClient
    store = AzureStore(ContainerClient.from_connection_string(*spec["azure"]))
elif "gcs" in spec:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage
    options = {"api_endpoint": spec["gcs"][0]}
    client = storage.Client("p", credentials=AnonymousCredentials(), client_options=options)
    store = GcsStore(client.bucket(spec["gcs"][1]))
else:
    sys.path.insert(0, sys.argv[1] + "/tests")
    from servers import S3Server
    store = S3Store(S3Server(*spec["s3"]).client(), "landing")
source = Source(ArchiveFile("k", "export.zip"), lambda: Link(spec["url"]))
print("ready", flush=True)
land([source], store, layout=spec["layout"], prefix="out/", facts={"fingerprint": "night"},
     options=LandingOptions(part_size=5 << 20))
print("landed", flush=True)
"""


def kill_at_random(spec: dict, moment: float) -> bool:
    """Land in a process of its own and kill it *moment* seconds after its start; whether it lived."""
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, root, json.dumps(spec)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(moment)
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read()
    process.wait()
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


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["archive", "files"])
@pytest.mark.parametrize("place", ["local", "s3", "azure", "gcs"])
def test_a_killed_landing_shows_nothing_partial_and_is_swept_by_the_next(
    request, origin, quick, place, layout
):
    store = request.getfixturevalue(place)
    source = linked(origin, BIG)
    where = address(request, place, store)
    spec = {"url": f"{origin.url}/export.zip", "layout": layout} | where
    draw = random.Random(f"{place}{layout}")
    with zipfile.ZipFile(__import__("io").BytesIO(BIG)) as opened:
        inside = {f"out/{name}": opened.read(name) for name in opened.namelist()}
    whole = {"out/export.zip": BIG} if layout == "archive" else inside
    origin.rate = 12_000_000
    # `make chaos` asks for all twenty.
    for _ in range(20 if request.config.getoption("-m") == "slow" else 4):
        kill_at_random(spec, draw.uniform(0.0, 1.4))
        for key in store.sizes("out/"):
            if ".landing" not in key and not key.endswith((".part", ".manifest.json")):
                assert store.get(key) == whole[key], f"{key} is visible and not whole"
    origin.rate = None
    land([source], store, layout=layout, prefix="out/", facts=FACTS, options=quick)
    sizes = store.sizes("out/")
    assert set(sizes) == set(whole) | {"out/export.zip.manifest.json"}
    assert all(store.get(key) == data for key, data in whole.items())
    assert not leftovers(store)
