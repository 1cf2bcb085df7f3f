"""Packages that come once and are unpacked: kept whole until their files have landed."""

from __future__ import annotations

import pytest
from landing_kit import MemoryState, contents, landed, linked, noise, unzipped, zipped
from unpacked_kit import files, kind

from airflow_provider_assets.landing import LocalStore, land
from airflow_provider_assets.landing.inventory import Inventory
from airflow_provider_assets.landing.manifest import Contents
from airflow_provider_assets.landing.markers import MANIFEST_SUFFIX, STAGING_FOLDER
from airflow_provider_assets.sansio.errors import (
    IntegrityError,
    InvalidRequestError,
    TransferInterruptedError,
)

HOW = {"prefix": "out/", "layout": "files", "facts": {"fingerprint": "f"}}


def test_a_staged_package_is_not_asked_for_again(local, origin, quick, monkeypatch):
    source = linked(origin, kind("stored"), single_use=True)
    put, calls = LocalStore.put, []

    def failing(self, key, data, **how):
        calls.append(key)
        if len(calls) == 20:
            raise TransferInterruptedError("the disk is on fire")
        return put(self, key, data, **how)

    monkeypatch.setattr(LocalStore, "put", failing)
    with pytest.raises(TransferInterruptedError):
        land([source], local, options=quick, **HOW)
    monkeypatch.undo()
    land([source], local, options=quick, **HOW)
    assert landed(local, "out/") == unzipped(kind("stored"))
    assert len(origin.seen) == 1


@pytest.mark.parametrize("verify", ["manifest", "sizes"])
def test_a_staged_package_counts_as_landed_only_when_its_files_have(
    local, origin, quick, monkeypatch, verify
):
    source = linked(origin, kind("stored"), single_use=True)
    given = Contents({"apps": ("a", "b")}, 5.0)

    def failing(self, key, data, **how):
        if key.endswith(".png"):
            raise TransferInterruptedError("the disk is on fire")
        return put(self, key, data, **how)

    put = LocalStore.put
    monkeypatch.setattr(LocalStore, "put", failing)
    with pytest.raises(TransferInterruptedError):
        land([source], local, options=quick, contents=given, **HOW)
    monkeypatch.undo()
    (staged,) = [key for key, _ in local.listing("out/") if key.endswith(MANIFEST_SUFFIX)]
    assert staged.startswith(f"out/{STAGING_FOLDER}")
    for prefix in ("", "out/"):
        assert not list(Inventory(local, prefix, verify).read())
    land([source], local, options=quick, contents=given, **HOW)
    (found,) = Inventory(local, "", verify).read()
    assert (found.landing.items, found.landing.damaged) == (given.items, {})


def test_a_package_that_cannot_be_unpacked_is_not_found_again(local, origin, quick):
    damaged = bytearray(kind("stored"))
    damaged[damaged.index(files()["images/030.png"]) + 1000] ^= 255
    for data in (bytes(damaged), bytes(damaged)[:-30]):
        source = linked(origin, data, single_use=True)
        with pytest.raises(IntegrityError):
            land([source], local, options=quick, verify=False, **HOW)
        assert ".staging" not in " ".join(dict(local.listing("")))
    land([linked(origin, kind("stored"), single_use=True)], local, options=quick, **HOW)
    assert landed(local, "out/") == unzipped(kind("stored"))


def test_nothing_is_left_of_a_package_that_lands_as_an_archive_since_it_cannot_be_unpacked(
    local, origin, quick
):
    how = {**HOW, "name": "package", "options": quick, "state": MemoryState()}
    sealed = bytearray(zipped({"a": b"x"}))
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        sealed[sealed.index(header) + flags] |= 1  # encrypted
    sealed = bytes(sealed)
    with pytest.raises(InvalidRequestError, match="encrypted; use layout='archive'"):
        land([linked(origin, sealed, single_use=True)], local, **how)
    assert how["state"].kept
    for is_skipped in (False, True):
        source = linked(origin, sealed, single_use=True)
        assert land([source], local, **{**how, "layout": "archive"}).skipped == is_skipped
        assert set(dict(local.listing(""))) == {"out/package", "out/package.manifest.json"}
        assert not how["state"].kept


@pytest.mark.parametrize("size", [0, 3_000_000])
def test_a_package_that_is_no_archive_lands_as_it_is(local, origin, quick, size):
    picture = noise(size)
    source = linked(origin, picture, "a.png", single_use=True)
    manifest = land([source], local, options=quick, **HOW)
    assert landed(local, "out/") == {"a.png": picture}
    assert "zip_structure" not in manifest.verified


def test_a_stage_that_could_not_be_cleared_is_cleared_by_the_next_attempt(
    local, origin, quick, monkeypatch
):
    def fail(self, key):
        raise TransferInterruptedError("the disk is away")

    source = linked(origin, kind("stored"), single_use=True)
    with monkeypatch.context() as away:
        away.setattr(LocalStore, "delete", fail)
        land([source], local, options=quick, **HOW)
    assert contents(local, f"out/{STAGING_FOLDER}export.zip") is not None
    assert land([source], local, options=quick, **HOW).skipped
    assert landed(local, "out/") == unzipped(kind("stored"))
