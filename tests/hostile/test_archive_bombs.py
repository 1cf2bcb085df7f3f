"""Archives that are small to send and large to hold: what landing one costs, in a process of its own."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest
from archive_bombs import BOMBS, LONG
from landing_kit import leftovers
from origin import Origin, http_origin

from airflow_provider_assets.landing import LocalStore, S3Store

MIB = 1 << 20
MOST = 64 * MIB  # bytes that the test lets an archive unpack to
BOMB = "InvalidRequestError"
DAMAGE = "IntegrityError"
# Archive, layout, way -> the error and its text, or None if it lands.
FATES = {
    ("one entry of 100 MiB", "archive", "ranged"): None,
    ("one entry of 100 MiB", "files", "ranged"): (BOMB, "max_ratio"),
    ("one entry of 100 MiB", "files", "one pass"): (BOMB, "max_unpacked"),
    ("40 entries of 60 MiB", "files", "ranged"): (BOMB, "max_unpacked"),
    ("40 entries of 60 MiB", "files", "one pass"): (BOMB, "max_unpacked"),
    ("Fifield's overlap, 250 times 1 MiB", "archive", "ranged"): (DAMAGE, "directory"),
    ("Fifield's overlap, 250 times 1 MiB", "files", "ranged"): (DAMAGE, "overlaps"),
    ("Fifield's overlap, 250 times 1 MiB", "files", "one pass"): (DAMAGE, "directory"),
    ("directory of 69 MB", "archive", "ranged"): None,
    ("directory of 69 MB", "files", "ranged"): None,
    ("gzip of 400,000 members", "archive", "ranged"): None,
    ("gzip of 1 GiB", "archive", "ranged"): None,
    ("1,000,000 empty entries", "archive", "ranged"): None,
    ("1,000,000 empty entries", "files", "ranged"): None,
    ("1,000,000 empty entries", "files", "one pass"): None,
    ("1,000,000 empty entries, directory reversed", "files", "ranged"): None,
    ("1,000,001 empty entries", "files", "ranged"): (BOMB, "max_entries"),
    ("1,000,001 empty entries", "archive", "ranged"): (BOMB, "max_entries"),
    ("22,000,000 folders", "files", "ranged"): (BOMB, "folders"),
    ("22,000,000 folders", "files", "one pass"): (BOMB, "folders"),
    ("100,000 names that are cut alike", "files", "ranged"): None,
    ("the same name 200,000 times", "files", "ranged"): None,
    ("directory that begins at 0 of 60 MiB", "files", "ranged"): (DAMAGE, "damaged"),
}


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with http_origin() as running:
        yield running


@lru_cache(maxsize=1)  # cells of one archive follow each other
def made(name: str) -> bytes:
    return BOMBS[name]()


@dataclass
class Place:
    """A store, and how another process finds it."""

    store: LocalStore | S3Store
    spec: dict[str, object]

    def written(self) -> dict[str, int]:
        return dict(self.store.listing(""))


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "disk":
        return Place(LocalStore(tmp_path), {"root": str(tmp_path)})
    server = request.getfixturevalue("s3_server")
    bucket = f"bombs{secrets.token_hex(4)}"
    server.client().create_bucket(Bucket=bucket)
    spec = {"s3": [server.endpoint, server.access_key, server.secret_key, bucket]}
    return Place(S3Store(server.client(), bucket), spec)


def told(origin: Origin, place: Place, layout: str) -> dict:
    name = next(iter(origin.files))[1:]
    spec = {
        "url": f"{origin.url}/{name}",
        "name": name,
        "layout": layout,
        "limits": {"max_unpacked": MOST},
        **place.spec,
    }
    program = [sys.executable, str(Path(__file__).parent / "land_bomb.py"), json.dumps(spec)]
    answer = subprocess.run(program, capture_output=True, text=True, check=True, timeout=1800)
    return json.loads(answer.stdout)


@pytest.mark.parametrize("place", ["disk", "S3"], indirect=True)
@pytest.mark.parametrize(
    ("name", "layout", "way"), [pytest.param(*cell, id=", ".join(cell)) for cell in FATES]
)
def test_a_bomb_lands_in_little_memory_or_is_refused(
    name, layout, way, origin, place, request, full_form, figure
):
    if name in LONG and not full_form:
        pytest.skip("takes long: FULL=1")
    origin.files = {"/export.gz" if "gzip" in name else "/export.zip": made(name)}
    origin.ranged = way == "ranged"
    found = told(origin, place, layout)
    fate = FATES[name, layout, way]
    assert found["error"] == (fate and fate[0])
    assert fate is None or fate[1] in found["text"]
    written = place.written()
    if fate:
        assert sum(written.values()) <= MOST
        assert not [key for key in written if "manifest" in key]
        assert not leftovers(place.store)
    assert found["peak"] < 300 * MIB
    figure(
        f"{name}, {layout}, {way}, {request.node.callspec.params['place']}: "
        f"{'lands' if fate is None else fate[1]}, peak {found['peak'] / MIB:.0f} MiB, "
        f"{sum(written.values()) / MIB:.0f} MiB written"
    )
