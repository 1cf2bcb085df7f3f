"""Every archive of the zoo, in every layout, from every kind of source, into a disk and into S3."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from archive_kit import Fate, Hostile, Refusal
from hostile_archives import zoo
from landing_kit import landed, leftovers, linked
from leaks import nothing_leaks
from memory import peak_of, young_garbage
from origin import Origin, http_origin
from servers import S3Server

from airflow_provider_assets.landing import LandingOptions, LocalStore, S3Store, land
from airflow_provider_assets.sansio.errors import AssetsError

MIB = 1 << 20
Store = LocalStore | S3Store


@pytest.fixture(scope="module")
def bucket(s3_server: S3Server) -> S3Store:
    client = s3_server.client()
    client.create_bucket(Bucket="archives")
    return S3Store(client, "archives")


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "s3":
        return request.getfixturevalue("bucket")
    return LocalStore(tmp_path / "deep" / "store")


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[Origin]:
    with http_origin() as running, nothing_leaks(tmp_path, {urlsplit(running.url).port}):
        yield running


def expected(archive: Hostile, layout: str, way: str) -> Fate:
    if layout == "archive":
        return archive.archive or {archive.called: archive.data}
    return archive.files if way == "ranged" or archive.streamed is None else archive.streamed


def came_of(
    archive: Hostile, origin: Origin, store: Store, prefix: str, layout: str
) -> dict[str, bytes] | AssetsError:
    """What landed of *archive*, or the error."""
    source = linked(origin, archive.data, archive.called)
    options = LandingOptions(stall_seconds=5, jitter=lambda: 0.0)
    try:
        land([source], store, prefix=prefix, layout=layout, options=options)
    except AssetsError as error:
        return error
    return landed(store, prefix)


def differences(fate: Fate, came: object, left: dict[str, int], layout: str) -> Iterator[str]:
    """Everything that is not as it has to be. *left*: sizes of the objects that are there."""
    manifests = [name for name in left if name.endswith("export.zip.manifest.json")]
    if not isinstance(fate, Refusal):
        if came != fate:
            yield f"{came!r:.200} instead of {fate!r:.200}"
        return
    if type(came) is not fate.error or fate.text not in str(came) or len(str(came)) > 400:
        yield f"{came!r:.200} instead of {fate}"
    if manifests or (left and layout == "archive"):
        yield f"left {left}"
    if sum(left.values()) > MIB:
        yield f"wrote {sum(left.values())} bytes"


@pytest.mark.parametrize("way", ["ranged", "one pass"])
@pytest.mark.parametrize("layout", ["archive", "files"])
@pytest.mark.parametrize("store", ["disk", "s3"], indirect=True)
def test_every_archive_lands_rightly_or_is_refused(store, origin, layout, way, tmp_path, figure):
    origin.ranged = way == "ranged"
    wrong: dict[str, list[str]] = {}
    with peak_of() as peak, young_garbage():
        for number, (name, archive) in enumerate(zoo().items()):
            prefix = f"{layout} {way}/{number}/"
            came = came_of(archive, origin, store, prefix, layout)
            found = differences(
                expected(archive, layout, way), came, dict(store.listing(prefix)), layout
            )
            gc.collect()  # a failed landing is freed, so that the next one is measured alone
            if problems := list(found):
                wrong[name] = problems
    outside = [path for path in tmp_path.rglob("*") if path.is_file()]
    if isinstance(store, LocalStore):
        outside = [
            path for path in outside if not path.is_relative_to(store.root / f"{layout} {way}")
        ]
    assert not wrong
    assert not outside
    assert not leftovers(store)
    assert peak.bytes < 300 * MIB
    place = "S3" if isinstance(store, S3Store) else "disk"
    figure(
        f"{len(zoo())} archives, {layout}, {way}, to {place}: "
        f"at most {peak.bytes / MIB:.0f} MiB more memory than before"
    )
