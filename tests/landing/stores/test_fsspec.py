"""File systems of fsspec that differ from the rest."""

from __future__ import annotations

import zlib

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from landing_kit import FACTS, MemoryState, contents, leftovers, linked
from origin import Fault
from store_contract import StoreContract, archive, three_parts, whole, write

from airflow_provider_assets.landing import FsspecStore, land
from airflow_provider_assets.sansio.errors import InvalidRequestError, TransferInterruptedError


class TestFsspecStore(StoreContract):
    @pytest.fixture
    def store(self, fsspec_memory):
        return fsspec_memory


def test_a_dropped_connection_does_not_end_a_landing(fsspec_memory, origin, quick):
    origin.fault = lambda seen, number: Fault(cut=1000) if number == 4 else None
    how = {"options": quick, "facts": FACTS, "state": MemoryState()}
    land([linked(origin, archive())], fsspec_memory, **how)
    assert contents(fsspec_memory, "export.zip") == archive()
    assert not leftovers(fsspec_memory)


def test_what_has_our_name_is_compared_piece_by_piece(fsspec_memory, monkeypatch):
    put(fsspec_memory, "thing", three_parts(), overwrite=False)
    fs, sizes = fsspec_memory.fs, []
    cat = type(fs).cat_file

    def watched(self, path, start=None, end=None, **how):
        data = cat(self, path, start, end, **how)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(type(fs), "cat_file", watched)
    writer = fsspec_memory.begin("thing", label="label")
    write(writer, three_parts())
    writer.commit(whole(three_parts()), overwrite=False)
    writer.discard()
    assert sum(sizes) >= len(three_parts())
    assert max(sizes) <= 1 << 20


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
    assert set(dict(store.listing(""))) == {"thing"}


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
        lambda: dict(store.listing("")),
        lambda: store.sweep(["thing"]),
        lambda: store.begin("thing", label="label"),
    ):
        with pytest.raises(TransferInterruptedError, match=type(failure).__name__):
            action()
