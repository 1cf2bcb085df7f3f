"""The small parts of the engine, alone."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.landing import http as wire
from airflow_provider_assets.landing.markers import (
    CLAIM,
    PART_FILE,
    PARTS_FOLDER,
    STAGING,
    STARTED,
    UPLOAD_MARK,
)
from airflow_provider_assets.landing.names import Names, safe
from airflow_provider_assets.landing.progress import Meter
from airflow_provider_assets.landing.transfer.autotune import Tuner
from airflow_provider_assets.landing.transfer.buffers import BufferPool
from airflow_provider_assets.sansio.errors import InvalidRequestError, TransferInterruptedError


def settle(
    tuner: Tuner, rate_limit, *, load: float | Iterator[float] = 0.1, busy=lambda now: 0
) -> int:
    """The number of connections that *tuner* ends with where *rate_limit* them is the rate."""
    now, received, cpu = 0.0, 0.0, 0.0
    for _ in range(200):
        workers = tuner.decide(now, received=int(received), cpu=cpu, busy=busy(now))
        now += 0.05
        received += 0.05 * rate_limit(workers)
        cpu += 0.05 * (load if isinstance(load, float) else next(load, 0.0))
    return workers


def test_connections_grow_while_each_brings_its_share():
    assert settle(Tuner(most=24, workers=4), lambda n: n * 20e6) == 24


def test_connections_stop_growing_where_the_source_shares_one_rate():
    assert settle(Tuner(most=24, workers=4), lambda n: 50e6) == 4


def test_connections_go_back_to_the_last_number_that_paid():
    assert settle(Tuner(most=24, workers=4), lambda n: min(n, 8) * 20e6) == 8


def test_a_few_connections_do_while_the_processor_is_the_limit():
    assert settle(Tuner(most=24, workers=6), lambda n: n * 20e6, load=0.9) == 3


def test_connections_grow_again_when_only_the_start_was_busy():
    loads = iter([0.9] * 5)
    assert settle(Tuner(most=24, workers=6), lambda n: n * 20e6, load=loads) == 24


def test_connections_are_halved_when_the_source_is_busy():
    assert (
        settle(Tuner(most=24, workers=4), lambda n: n * 20e6, busy=lambda now: int(now > 2)) == 12
    )


@pytest.mark.parametrize(("seconds", "last"), [(0.001, 1 << 21), (0.05, 1 << 18), (1, 1 << 14)])
def test_a_read_is_as_large_as_the_connection_is_fast(monkeypatch, seconds, last):
    now = itertools.count(0, seconds)
    monkeypatch.setattr(wire.time, "monotonic", lambda: next(now))
    sizes, line = [], wire.Connections()
    response = SimpleNamespace(readinto=lambda view: sizes.append(len(view)) or len(view))
    for _ in range(8):
        line.read(response, memoryview(bytearray(1 << 22)))
    assert sizes[-1] == last


@given(st.text(max_size=400))
def test_a_safe_name_never_leads_out_of_its_folder(name):
    path = safe(name)
    assert path
    assert not path.startswith("/")
    assert not {"", ".", ".."} & set(path.split("/"))
    assert all(len(part.encode()) <= 255 for part in path.split("/"))
    assert "\\" not in path
    assert "\x00" not in path
    assert safe(path) == path


@given(
    st.lists(
        st.sampled_from(
            [
                "a.png",
                "A.png",
                "a-2.png",
                "b/a.png",
                ".hidden",
                "x",
                "X/y",
                "b",
                "a.png/c",
                "n" * 255,
            ]
        ),
        max_size=20,
    )
)
def test_every_entry_gets_a_name_of_its_own(names):
    names_of_one = Names(frozenset({"x"}))
    given_out = [names_of_one.give(name) for name in names]
    assert len({name.casefold() for name in given_out}) == len(names)
    assert "x" not in given_out
    folders = {name.casefold().rpartition("/")[0] for name in given_out}
    assert not folders & {name.casefold() for name in [*given_out, "x"]}
    assert all(len(part.encode()) <= 255 for name in given_out for part in name.split("/"))


@pytest.mark.parametrize("name", ["a.png", "folder/a.png", "n" * 255, "a.png/b"])
def test_equal_names_cost_no_more_than_different_ones(name):
    names, before = Names(), time.process_time()
    given = [names.give(name.partition("/b")[0]) for _ in range(10_000)]
    given += [names.give(name) for _ in range(10_000)]
    assert time.process_time() - before < 5  # a pass over all earlier ones takes minutes
    assert len(set(given)) == 20_000


def test_files_of_a_folder_that_is_renamed_stay_together():
    names = Names()
    given = [names.give(name) for name in ("x", "x", "x/a", "x/b", "x", "x/a")]
    assert given == ["x", "x-2", "x-3/a", "x-3/b", "x-4", "x-3/a-2"]


@pytest.mark.parametrize(
    "name",
    ["a.landing", "b/A.LANDING/c", "a.landing.json", ".staging/a", "n.started.json", ".a.1-2.part"],
)
def test_no_entry_gets_a_name_that_the_landing_uses_itself(name):
    assert safe(name) != name
    assert safe(safe(name)) == safe(name)


def test_long_names_keep_their_extension():
    assert safe("n" * 400 + ".png").endswith("n.png")


def test_memory_makes_who_asks_for_too_much_wait():
    memory = BufferPool(10)
    first = memory.acquire(6)
    got = threading.Event()
    thread = threading.Thread(target=lambda: (memory.acquire(6), got.set()))
    thread.start()
    assert not got.wait(0.1)
    memory.release(first)
    assert got.wait(5)
    thread.join()


def test_a_buffer_larger_than_the_budget_is_lent_alone():
    assert len(BufferPool(10).acquire(11)) == 11


def test_nobody_waits_for_memory_after_a_stop():
    memory = BufferPool(1)
    memory.acquire(1)
    memory.cancel()
    with pytest.raises(TransferInterruptedError):
        memory.acquire(1)


def test_progress_is_told_at_a_human_pace():
    time, told = [0.0], []
    meter = Meter(lambda: time[0], told.append, total=1000)
    for _ in range(1000):
        meter.add(1)
        time[0] += 0.001
        meter.tick()
    assert 15 <= len(told) <= 20
    assert told[-1].rate == pytest.approx(1000, rel=0.1)
    for _ in range(12):
        time[0] += 1
        meter.tick()
    assert len(told) <= 22


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"part_size": 1}, {"max_memory": 1}])
def test_budgets_that_hold_nothing_are_refused(wrong):
    from airflow_provider_assets.landing import LandingOptions

    with pytest.raises(InvalidRequestError):
        LandingOptions(**wrong)


@pytest.mark.parametrize(
    "name",
    [
        f"a.zip{UPLOAD_MARK}", f"a.zip{PARTS_FOLDER[:-1]}", f"a.zip{CLAIM}", f"a{STARTED}",
        STAGING[:-1], f".a.zip.0a1b{PART_FILE}",
    ],
)  # fmt: skip
def test_no_file_of_an_archive_gets_the_name_of_a_marker(name):
    assert safe(f"in/{name}/file") == f"in/{name}_/file"
    assert safe(name.upper()) == f"{name.upper()}_"
