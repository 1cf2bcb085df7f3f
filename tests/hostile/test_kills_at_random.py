"""Landings that are killed at random moments, or that race for a name, with Airflow's real task state."""

from __future__ import annotations

import itertools
import json
import random
import statistics
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from forked_landings import Forks, forks
from landing_kit import leftovers, noise, unzipped, zipped
from origin import Origin, http_origin

from airflow_provider_assets.landing import LocalStore, S3Store

MANIFEST = "export.zip.manifest.json"
_NUMBER = itertools.count()
LAYOUTS = pytest.mark.parametrize("layout", ["archive", "files"])
PLACES = pytest.mark.parametrize("place", ["disk", "s3"])
RATE = 30_000_000  # bytes per second of each of two connections
ENTRIES = 24
# The four parts that are under way are what a kill may cost; the least of S3 is 5 MiB.
SIZES = {"disk": 60_000_000, "s3": 100_000_000}
PARTS = {"disk": 1 << 20, "s3": 5 << 20}


@cache
def archive(size: int) -> bytes:
    return zipped({f"image-{n:03}.png": noise(size // ENTRIES, 1 + n) for n in range(ENTRIES)})


@pytest.fixture(scope="module")
def children(tmp_path_factory: pytest.TempPathFactory):
    with forks(tmp_path_factory.mktemp("forks")) as running:
        yield running


@pytest.fixture
def origin():
    with http_origin() as running:
        yield running


@dataclass
class Place:
    """Where landings go, for this process and for others."""

    store: Any
    spec: dict[str, Any]
    part_size: int
    prefixes: itertools.count = field(default_factory=itertools.count)

    def landing(self, origin: Origin, layout: str, prefix: str, **more: Any) -> dict[str, Any]:
        given = {"url": f"{origin.url}/export.zip", "part_size": self.part_size, **self.spec}
        run_id = f"run{next(_NUMBER)}"
        return {
            "layout": layout,
            "prefix": prefix,
            "run_id": run_id,
            "concurrency": 2,
            **given,
            **more,
        }

    def landed(self, prefix: str) -> dict[str, bytes]:
        return {
            key.removeprefix(prefix): self.store.get(key) for key, _ in self.store.listing(prefix)
        }

    def clear(self, prefix: str) -> None:
        for key, _ in self.store.listing(prefix):
            self.store.delete(key)


@pytest.fixture
def places(request: pytest.FixtureRequest, tmp_path: Path):
    def place(name: str) -> Place:
        size = PARTS[name]
        if name == "disk":
            return Place(LocalStore(tmp_path), {"root": str(tmp_path)}, size)
        server = request.getfixturevalue("s3_server")
        client = server.client_of("landing")
        spec = {"s3": [server.endpoint, server.access_key, server.secret_key]}
        return Place(S3Store(client, "landing"), spec, size)

    return place


def expected(data: bytes, layout: str) -> dict[str, bytes]:
    return {"export.zip": data} if layout == "archive" else unzipped(data)


def assert_whole(landed: dict[str, bytes], whole: dict[str, bytes], layout: str) -> None:
    """Exactly these files, and a manifest that tells of them."""
    manifest = json.loads(landed[MANIFEST])
    assert set(landed) == {*whole, MANIFEST}
    assert all(landed[name] == data for name, data in whole.items())
    if layout == "archive":
        assert manifest["bytes"] == len(landed["export.zip"])
    told = {one["name"]: one["bytes"] for one in manifest["files"]}
    inside = unzipped(landed["export.zip"]) if layout == "archive" else whole
    assert told == {name: len(data) for name, data in inside.items()}


@PLACES
@LAYOUTS
def test_a_landing_that_is_killed_at_any_moment_is_finished_by_the_next_attempt(
    children: Forks, origin: Origin, places, place, layout, full_form, figure
):
    where = places(place)
    data = archive(SIZES[place])
    whole = expected(data, layout)
    origin.files["/export.zip"], origin.rate = data, RATE
    began = time.monotonic()
    assert children.run(where.landing(origin, layout, "whole/")) == ["landed"]
    duration = time.monotonic() - began
    where.clear("whole/")
    draw = random.Random(f"{place}{layout}")
    ratios, killed, late = [], 0, 0
    for number in range(100 if full_form else 4 if place == "disk" else 2):
        prefix = f"{number}/"
        landing = where.landing(origin, layout, prefix)
        origin.sent, moment = 0, draw.uniform(0.0, duration)
        origin.rate = RATE
        killed += children.run(landing, kill_after=moment) == [""]
        visible = where.landed(prefix)
        for name, stored in visible.items():
            if name in whole:
                assert stored == whole[name], f"{name} is visible and not whole after {moment} s"
        origin.rate = None
        (said,) = children.run(landing)
        assert said in ("landed", "skipped"), f"killed after {moment:.3f} s: {said}"
        assert_whole(where.landed(prefix), whole, layout)
        assert not leftovers(where.store)
        if "export.zip" in visible and MANIFEST not in visible:
            late += 1  # nobody knows yet what is in the object: it is fetched again, and compared
            assert origin.sent <= 2.2 * len(data)
        else:
            ratios.append(origin.sent / len(data))
        where.clear(prefix)
    assert ratios, "every kill came between object and manifest"
    figure(
        f"Kills: {layout:7} on {place:4}: {killed} of {len(ratios) + late} landings killed within "
        f"{duration:.1f} s, {late} of them between object and manifest; bytes fetched per byte landed by the "
        f"others: median {statistics.median(ratios):.2f}, at most {max(ratios):.2f}"
    )
    assert max(ratios) <= 1.3


@cache
def rival(size: int, seed: int) -> bytes:
    """A zip whose entries have the names that those of every other rival have."""
    return zipped({f"image-{n}.png": noise(size // 4, 100 * seed + n) for n in range(4)})


# One request, or an upload of three parts.
RIVALS = pytest.mark.parametrize("size", [40_000, 11_000_000], ids=["small", "parts"])


def ends(children: Forks, where: Place, origin: Origin, layout: str, prefix: str, facts, draw):
    """How two landings end that run at the same time, by their names.

    A landing removes what an earlier one under its name has left unfinished, and cannot see that another
    is at it: that one ends in an error after which the task is tried again, as here.
    """
    landings = {
        name: where.landing(
            origin,
            layout,
            prefix,
            url=f"{origin.url}/{name}",
            fingerprint=fact,
            delay=draw.random() / 10,
        )
        for name, fact in facts.items()
    }
    said = dict(zip(landings, children.run(*landings.values()), strict=True))
    first = dict(said)
    for name, text in first.items():
        if text.startswith("TransferInterruptedError"):
            [said[name]] = children.run({**landings[name], "delay": 0.0})
    return said, sum(said[name] != text for name, text in first.items())


@PLACES
@LAYOUTS
@RIVALS
def test_two_landings_of_the_same_archive_at_once_both_end_with_it(
    children: Forks, origin: Origin, places, place, layout, size, full_form, figure
):
    where, data = places(place), rival(size, 1)
    origin.files |= {"/one": data, "/two": data}
    draw, again = random.Random(f"{place}{layout}{size}"), 0
    rounds = 50 if full_form else 1
    for _ in range(rounds):
        prefix = f"same{next(_NUMBER)}/"
        said, tried = ends(
            children, where, origin, layout, prefix, {"one": "night", "two": "night"}, draw
        )
        assert set(said.values()) <= {"landed", "skipped"}, said
        assert_whole(where.landed(prefix), expected(data, layout), layout)
        assert not leftovers(where.store)
        again += tried
        where.clear(prefix)
    figure(
        f"Races for the same archive: {layout:7} on {place:4}, {size / 1e6:5.2f} MB: {rounds} of {rounds} "
        f"whole, {again} second attempts"
    )


@PLACES
@LAYOUTS
@RIVALS
def test_of_two_landings_of_different_archives_under_one_name_one_wins_and_the_other_says_why(
    children: Forks, origin: Origin, places, place, layout, size, full_form, figure
):
    where = places(place)
    data = {name: rival(size, seed) for seed, name in enumerate(("one", "two"))}
    origin.files |= {f"/{name}": one for name, one in data.items()}
    draw, again = random.Random(f"{place}{layout}{size}"), 0
    rounds, wins = 50 if full_form else 1, {"one": 0, "two": 0, "neither": 0}
    for _ in range(rounds):
        prefix = f"other{next(_NUMBER)}/"
        said, tried = ends(
            children, where, origin, layout, prefix, {"one": "night", "two": "day"}, draw
        )
        winners = [name for name, text in said.items() if text == "landed"]
        whys = [text for text in said.values() if text != "landed"]
        assert all(why.startswith("InvalidRequestError") and "overwrite" in why for why in whys)
        assert not leftovers(where.store)
        assert len(winners) < 2
        if winners:
            assert_whole(where.landed(prefix), expected(data[winners[0]], layout), layout)
        else:  # each was first with some of its files
            assert layout == "files"
            assert MANIFEST not in where.landed(prefix)
        wins[winners[0] if winners else "neither"] += 1
        again += tried
        where.clear(prefix)
    figure(
        f"Races for one name: {layout:7} on {place:4}, {size / 1e6:5.2f} MB: {wins} of {rounds}, "
        f"{again} second attempts"
    )
