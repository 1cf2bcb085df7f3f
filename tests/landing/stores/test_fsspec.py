"""File systems of fsspec that differ from the rest."""

from __future__ import annotations

import zlib

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_assets.landing import FsspecStore
from airflow_provider_assets.sansio.errors import InvalidRequestError, TransferInterruptedError


class LibraryError(Exception):
    """What the library below a file system raises; no OSError."""


class Cautious(MemoryFileSystem):
    """Moves to no name that is taken, as SMB and HDFS do."""

    cachable = False

    def mv(self, path1, path2, **how):
        if self.exists(path2):
            raise FileExistsError(path2)
        super().mv(path1, path2, **how)


class Broken(MemoryFileSystem):
    """Fails as its library does."""

    cachable = False
    failure: Exception = LibraryError("the session ended")

    def info(self, *args, **how):
        raise self.failure

    cat_file = rm_file = ls = open = find = info


def put(store: FsspecStore, key: str, data: bytes, *, overwrite: bool) -> None:
    store.put(key, data, crc32=zlib.crc32(data), overwrite=overwrite)


def test_a_file_is_replaced_where_a_move_does_not_replace(tmp_path):
    store = FsspecStore(Cautious(), f"{tmp_path}")
    put(store, "thing", b"old", overwrite=True)
    put(store, "thing", b"new", overwrite=True)
    assert store.get("thing") == b"new"
    with pytest.raises(InvalidRequestError, match="overwrite"):
        put(store, "thing", b"other", overwrite=False)
    assert store.get("thing") == b"new"
    assert set(store.sizes("")) == {"thing"}


class Late(Cautious):
    """Another writer takes the name in the moment before the move."""

    def mv(self, path1, path2, **how):
        self.pipe_file(path2, b"precious")
        super().mv(path1, path2, **how)


def test_what_another_writer_stored_in_the_same_moment_is_kept(tmp_path):
    store = FsspecStore(Late(), f"{tmp_path}")
    with pytest.raises(TransferInterruptedError):
        put(store, "thing", b"new", overwrite=False)
    assert store.get("thing") == b"precious"


@pytest.mark.parametrize("failure", [LibraryError("the session ended"), KeyError("size")])
def test_a_failure_of_the_library_does_not_look_like_a_missing_file(tmp_path, failure):
    store = FsspecStore(Broken(), f"{tmp_path}")
    store.fs.failure = failure
    for action in (
        lambda: store.head("thing"),
        lambda: store.get("thing"),
        lambda: store.delete("thing"),
        lambda: store.sizes(""),
        lambda: store.sweep(["thing"]),
        lambda: store.begin("thing", label="label"),
    ):
        with pytest.raises(TransferInterruptedError, match=type(failure).__name__):
            action()
