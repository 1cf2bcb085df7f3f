"""Several downloads landed as files, side by side."""

from __future__ import annotations

import json
import threading
import time

import pytest
from landing_kit import MemoryState, contents, landed, leftovers, linked, noise
from origin import Fault, Handler, http_origin

from airflow_provider_assets.landing import LandingOptions, Source, land
from airflow_provider_assets.sansio.downloads import ArchiveFile
from airflow_provider_assets.sansio.errors import AssetsError


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


def failing_last(store, origin, data: dict[str, bytes], state: MemoryState, options):
    """A landing of *data* of which the last file is not there."""
    sources = [linked(origin, content, name) for name, content in data.items()]
    last = f"/{list(data)[-1]}"
    origin.fault = lambda seen, number: (
        Fault(status=404, delay=0.5) if seen.target == last else None
    )
    with pytest.raises(AssetsError):
        land(sources, store, name="night", layout="files", options=options, state=state)
    origin.fault = lambda seen, number: None
    return sources, state


def test_a_retry_of_several_downloads_keeps_those_that_landed(store, origin, quick):
    things, state = {f"{n}.bin": noise(200_000, n) for n in range(10)}, MemoryState()
    sources, state = failing_last(store, origin, things, state, quick)
    for n in range(9):
        origin.files[f"/{n}.bin"] = noise(200_000, 100 + n)  # converted anew, to other bytes
    sent = origin.sent
    land(sources, store, name="night", layout="files", options=quick, state=state)
    assert origin.sent - sent <= 400_000
    assert landed(store, "") == things
    assert not state.kept


def test_a_retry_does_not_keep_what_was_replaced_meanwhile(local, origin, quick):
    things, state = {f"{n}.bin": noise(200_000, n) for n in range(3)}, MemoryState()
    sources, state = failing_last(local, origin, things, state, quick)
    (local.root / "0.bin").write_bytes(noise(200_000, 99))
    with pytest.raises(AssetsError, match="overwrite"):
        land(sources, local, name="night", layout="files", options=quick, state=state)
    again = {"options": quick, "state": state, "overwrite": True}
    land(sources, local, name="night", layout="files", **again)
    assert landed(local, "") == things


def test_a_retry_of_several_downloads_goes_on_with_their_parts(store, origin, quick):
    data, state = {"large.bin": noise(16_000_000), "last.bin": noise(10)}, MemoryState()
    sources = [linked(origin, content, name) for name, content in data.items()]

    def fault(seen, number):
        late = seen.start is not None and seen.start > 12_000_000
        return Fault(cut=0, delay=1.0) if late else None

    origin.fault, origin.rate = fault, 30_000_000
    hasty = LandingOptions(attempts=1, stall_seconds=2, part_size=5 << 20)
    with pytest.raises(AssetsError):
        land(sources, store, name="night", layout="files", options=hasty, state=state)
    assert state.get("landing:large.bin")["parts"] >= 1
    sent, origin.fault, origin.rate = origin.sent, lambda seen, number: None, None
    land(sources, store, name="night", layout="files", options=quick, state=state)
    assert landed(store, "") == data
    assert origin.sent - sent < 13_000_000
    assert not leftovers(store)


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


def test_large_parts_are_held_by_few_downloads_at_a_time(local, origin):
    origin.delay = 0.2
    sources = [linked(origin, noise(1000, n), f"{n}.bin") for n in range(4)]
    options = LandingOptions(part_size=32 << 20, max_memory=128 << 20)
    began = time.monotonic()
    land(sources, local, name="night", layout="files", options=options)
    assert time.monotonic() - began > 0.4  # two at a time


@pytest.mark.parametrize("layout", ["archive", "files"])
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_no_more_downloads_run_at_a_time_than_the_options_allow(local, layout, limit):
    now, most, lock = 0, 0, threading.Lock()

    class Counting(Handler):
        def _serve(self, *, body):
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.02)
            with lock:  # before the answer, which lets the next request come
                now -= 1
            super()._serve(body=body)

    with http_origin(handled_by=Counting) as origin:
        sizes = [1000] * 12 + [9 << 20] + [1000] * 4
        sources = [linked(origin, noise(size), f"{n}.png") for n, size in enumerate(sizes)]
        options = LandingOptions(concurrency=limit)
        manifest = land(sources, local, name="night.zip", layout=layout, options=options)
    assert manifest.entries == len(sources)
    assert 1 <= most <= limit
