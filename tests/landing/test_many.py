"""Several downloads landed as files, side by side."""

from __future__ import annotations

import json
import threading
import time

import pytest
from landing_kit import contents, leftovers, linked, noise
from origin import Fault
from test_files import landed

from airflow_provider_assets.landing import Source, land
from airflow_provider_assets.sansio.errors import AssetsError
from airflow_provider_assets.sansio.jobs import ArchiveFile


def test_several_downloads_land_as_files(store, origin, quick):
    things = {f"picture-{n}.png": noise(300_000 * n, n) for n in range(12)}
    sources = [linked(origin, data, name) for name, data in things.items()]
    manifest = land(sources, store, prefix="p/", name="night", layout="files", options=quick)
    assert landed(store, "p/") == things
    document = json.loads(contents(store, "p/night.manifest.json"))
    assert [entry["name"] for entry in document["files"]] == sorted(things)
    assert manifest.bytes == sum(map(len, things.values()))
    assert not leftovers(store)


def test_one_failing_download_leaves_the_landing_uncommitted(local, origin, quick):
    sources = [linked(origin, noise(1000, n), f"{n}.bin") for n in range(5)]
    del origin.files["/3.bin"]
    with pytest.raises(AssetsError):
        land(sources, local, name="night", layout="files", options=quick)
    assert contents(local, "night.manifest.json") is None


def test_a_retry_of_several_downloads_keeps_those_that_landed(local, origin, quick):
    things = {f"{n}.bin": noise(200_000, n) for n in range(10)}
    made = [linked(origin, data, name) for name, data in things.items()]
    sources = [Source(ArchiveFile(s.file.key, s.file.name, 200_000), s.resolve) for s in made]
    missing, state = origin.files.pop("/9.bin"), {}
    with pytest.raises(AssetsError):
        land(sources, local, name="night", layout="files", options=quick, state=state)
    origin.files["/9.bin"], sent = missing, origin.sent
    land(sources, local, name="night", layout="files", options=quick, state=state)
    assert origin.sent - sent <= 400_000
    assert landed(local, "") == things


def slow(origin, count: int = 4):
    """Downloads that take twenty seconds."""
    origin.rate = 400_000
    return [linked(origin, noise(8_000_000, n), f"{n}.bin") for n in range(count)]


def test_one_failing_download_ends_the_others_at_once(store, origin, quick):
    sources = [*slow(origin), linked(origin, b"", "gone.bin")]
    origin.fault = lambda seen, number: Fault(status=404) if "gone" in seen.target else None
    began = time.monotonic()
    with pytest.raises(AssetsError, match="404"):
        land(sources, store, name="night", layout="files", options=quick)
    assert time.monotonic() - began < 6
    assert not leftovers(store)


class Timeout(BaseException):
    """What Airflow raises in the task's thread."""


def test_a_timeout_ends_all_downloads_at_once(store, origin, quick):
    sources, began = slow(origin), time.monotonic()

    def time_out(progress):
        raise Timeout

    sized = [Source(ArchiveFile(s.file.key, s.file.name, 8_000_000), s.resolve) for s in sources]
    with pytest.raises(Timeout):
        land(sized, store, name="night", layout="files", options=quick, progress=time_out)
    assert time.monotonic() - began < 15
    assert not leftovers(store)


def test_progress_of_several_is_told_by_the_thread_that_called(local, origin, quick):
    sources = [linked(origin, noise(3_000_000, n), f"{n}.bin") for n in range(6)]
    sized = [Source(ArchiveFile(s.file.key, s.file.name, 3_000_000), s.resolve) for s in sources]
    origin.rate, told = 4_000_000, []

    def progress(report):
        told.append((threading.current_thread(), report))

    land(sized, local, name="night", layout="files", options=quick, progress=progress)
    assert {thread for thread, _ in told} == {threading.current_thread()}
    assert len(told) > 2
    assert told[-1][1].bytes == told[-1][1].total == 18_000_000
