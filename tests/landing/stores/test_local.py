"""The local disk: keys stay below the root, and failures say what to do."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from landing_kit import FACTS, MemoryState, leftovers, linked
from store_contract import ResumingStoreContract, StoreContract, archive

from airflow_provider_assets.landing import LocalStore, land
from airflow_provider_assets.landing.stores.base import Part
from airflow_provider_assets.landing.stores.local import store as local_store
from airflow_provider_assets.landing.stores.local.store import LocalWriter, open_store
from airflow_provider_assets.sansio.errors import (
    AuthenticationError,
    InvalidRequestError,
    TransferInterruptedError,
)

DATA = b"contents"


class TestLocalStore(ResumingStoreContract):
    @pytest.fixture
    def store(self, local):
        return local


class TestLocalStoreWithoutHardLinks(StoreContract):
    """exFAT, SMB and file systems that show a bucket have none."""

    @pytest.fixture
    def store(self, local, monkeypatch):
        def refuse(*_):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", refuse)
        return local


def put(store: LocalStore, key: str) -> None:
    store.put(key, DATA, crc32=zlib.crc32(DATA), overwrite=False)


@pytest.mark.parametrize("key", ["/etc/passwd", "../outside", "a/../../outside", "a\0b"])
def test_a_key_stays_below_the_root(local, key):
    for action in (lambda: put(local, key), lambda: local.get(key), lambda: local.delete(key)):
        with pytest.raises(InvalidRequestError, match="below the destination"):
            action()


def test_a_sweep_leaves_the_part_file_of_a_landing_that_is_under_way(local):
    live, dead = (local.begin("thing", label="label") for _ in range(2))
    dead.keep()
    assert local.resume("thing", {**live.handle, "part_size": "1"}) is None
    assert local.sweep(["thing"]) == 1
    assert [path.name for path in local.root.iterdir()] == [live.path.name]
    live.discard()


def test_a_file_system_without_locks_has_its_part_files_swept(local, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", fail)
    left = local.begin("thing", label="label")
    assert local.sweep(["thing"]) == 1
    left.discard()


@pytest.mark.parametrize(
    ("number", "kind", "remedy"),
    [
        (errno.ENOSPC, TransferInterruptedError, "free some space"),
        (errno.EDQUOT, TransferInterruptedError, "quota"),
        (errno.EACCES, AuthenticationError, "access"),
        (errno.EROFS, InvalidRequestError, "read-only"),
        (errno.EIO, TransferInterruptedError, "Input/output error"),
    ],
)
def test_a_failure_of_the_disk_says_what_to_do(local, monkeypatch, number, kind, remedy):
    writer = local.begin("thing", label="label")

    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pwrite", fail)
    with pytest.raises(kind, match=remedy):
        writer.put_part(Part(1, 0, len(DATA), 0), memoryview(DATA))
    monkeypatch.undo()
    writer.discard()


def test_a_full_disk_is_a_passing_failure():
    # The kernel's own full device: no error is invented here.
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    writer = LocalWriter(Path("thing"), Path("part"), os.open("/dev/full", os.O_RDWR))
    with pytest.raises(TransferInterruptedError, match="free some space"):
        writer.put_part(Part(1, 0, len(DATA), 0), memoryview(DATA))
    writer.keep()


@pytest.mark.parametrize("action", ["get", "head", "delete", "put"])
def test_every_failure_is_in_our_words(local, action):
    (local.root / "folder").mkdir()
    (local.root / "folder" / "thing").write_bytes(DATA)
    name = "x" * 300 if action == "head" else "folder"
    calls = {
        "get": lambda: local.get(name),
        "head": lambda: local.head(name),
        "delete": lambda: local.delete(name),
        "put": lambda: put(local, "folder/thing/below"),
    }
    with pytest.raises(InvalidRequestError, match="choose"):
        calls[action]()


def test_new_folders_survive_a_loss_of_power(local, monkeypatch):
    synced, real = [], os.fsync

    def fsync(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").resolve())
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    put(local, "2026/11/night/export.zip")
    folders = [local.root, *(local.root / name for name in ("2026", "2026/11", "2026/11/night"))]
    assert [path for path in synced if path.is_dir()] == folders


def test_a_file_system_that_cannot_sync_folders_is_good_enough(local, monkeypatch):
    real = os.fsync

    def fsync(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").resolve().is_dir():
            raise OSError(errno.EINVAL, "Invalid argument")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    put(local, "thing")
    assert local.get("thing") == DATA


def test_marks_of_urls_are_part_of_a_folder_name(tmp_path):
    put(open_store(f"file://{tmp_path}/run #1?/a%20b"), "thing")
    assert (tmp_path / "run #1?" / "a b" / "thing").read_bytes() == DATA


def test_a_part_file_that_is_swept_before_it_is_locked_is_begun_again(local, monkeypatch):
    real, swept = local_store.claim, []

    def claim(handle: int) -> bool:
        if not swept:
            swept.append("thing")
            assert local.sweep(swept) == 1
        return real(handle)

    monkeypatch.setattr(local_store, "claim", claim)
    put(local, "thing")
    assert local.get("thing") == DATA


def test_a_part_file_that_cannot_be_opened_is_left_to_its_owner(local, monkeypatch):
    writer = local.begin("thing", label="other")
    real = os.open

    def refuse(path, *arguments, **named):
        if str(path).endswith(".part"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        assert local.sweep(["thing"]) == 0
    writer.discard()


def test_a_part_file_that_could_not_be_synced_is_not_published_by_the_next_attempt(
    local, origin, quick, monkeypatch
):
    real, state = os.fsync, MemoryState()

    def fsync(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").resolve().name.startswith(".export.zip.night"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(handle)

    how = {"options": quick, "facts": FACTS, "state": state}
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(TransferInterruptedError, match="cannot publish"):
        land([linked(origin, archive())], local, **how)
    monkeypatch.undo()
    assert not leftovers(local)
    sent = origin.sent
    land([linked(origin, archive())], local, **how)
    assert local.get("export.zip") == archive()
    assert origin.sent - sent >= len(archive())


def test_a_folder_that_was_moved_and_linked_back_is_listed(local):
    put(local, "images/deep/one.png")
    place = local.root / "elsewhere"
    (local.root / "images").rename(place)
    (local.root / "images").symlink_to(place)
    (place / "deep" / "back").symlink_to(local.root)
    (place / "to itself").symlink_to(place / "to itself")
    (place / "to nothing").symlink_to(local.root / "nothing")
    assert dict(local.listing("images/deep/o")) == {"images/deep/one.png": len(DATA)}
    below = {"images/deep/one.png", "elsewhere/deep/one.png"}
    assert below <= set(dict(local.listing("")))
    assert not any("back/" in key for key, _ in local.listing(""))
    assert all(local.get(key) == DATA for key, _ in local.listing(""))


def test_what_another_task_removes_during_a_listing_is_left_out(local):
    for number in range(5):
        put(local, f"{number}.png")
    listing = local.listing("")
    first, _ = next(listing)
    for path in local.root.iterdir():
        path.unlink()
    assert [first, *(key for key, _ in listing)] == [first]


def test_a_name_that_the_encoding_of_the_worker_lacks_is_told_with_a_remedy(local):
    script = """if True:
        import sys
        from pathlib import Path
        from airflow_provider_assets.landing import LocalStore
        from airflow_provider_assets.sansio.errors import InvalidRequestError
        store = LocalStore(Path(sys.argv[1]))
        put = lambda name: store.put(name, b"", crc32=0, overwrite=False)
        put("plain.png")
        for act in (put, store.get, store.head, store.delete):
            try:
                act("caf\\u00e9.png")
            except InvalidRequestError as error:
                print(error)
    """
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    told = subprocess.run(
        [sys.executable, "-c", script, str(local.root)],
        env={**os.environ, **plain}, check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    assert len(told) == 4
    assert all("as ascii" in line and "PYTHONUTF8=1" in line for line in told)
    assert set(dict(local.listing(""))) == {"plain.png"}


def test_an_address_encodes_no_more_than_it_must(tmp_path):
    uri = LocalStore(tmp_path).uri("day=2026-01-04/a+b, c%.zip")
    assert uri == f"file://{tmp_path}/day=2026-01-04/a+b,%20c%25.zip"
