"""Records of the files that have landed."""

from __future__ import annotations

import zlib
from types import SimpleNamespace

import pytest
from landing_kit import MemoryState

from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.files_checkpoint import (
    FilesCheckpoint,
    forget_files,
    stored_files,
    verified_keys,
)


class _Objects:
    """A store that says what it holds, and is asked for one prefix only."""

    def __init__(self, **held: bytes) -> None:
        self.held = held

    def listing(self, prefix: str) -> list[tuple[str, int]]:
        return [(key, len(data)) for key, data in self.held.items() if key.startswith(prefix)]

    def head(self, key: str) -> Checksum | None:
        data = self.held.get(key)
        return None if data is None else Checksum(len(data), zlib.crc32(data))


def call_of(state, *, label="night", key="out/k", store=None):
    return SimpleNamespace(state=state, label=label, key=key, prefix="out/", store=store)


DONE = {"0": [3, "ff", True], "2": [0, "0", False]}


def test_files_that_have_landed_are_remembered_for_the_same_source():
    state = MemoryState()
    first = FilesCheckpoint(call_of(state), "source")
    assert (first.is_known, first.done) == (False, {})
    first.done |= DONE
    first.save()
    second = FilesCheckpoint(call_of(state), "source")
    assert (second.is_known, second.done) == (True, DONE)
    for call, source in (
        (call_of(state), "other"),
        (call_of(state, label="other"), "source"),
        (call_of(state, key="out/other"), "source"),
        (call_of(None), "source"),
    ):
        other = FilesCheckpoint(call, source)
        assert (other.is_known, other.done) == (False, {})
    forget_files(call_of(state))
    assert not FilesCheckpoint(call_of(state), "source").is_known
    assert not state.kept


def test_without_a_state_no_files_are_remembered():
    FilesCheckpoint(call_of(None), "source").save()
    forget_files(call_of(None))
    assert stored_files(call_of(None), "source") == {}


@pytest.mark.parametrize(
    "record",
    [
        "ff", [], [3, "ff"], [3, "ff", True, 0], [True, "ff", True], [3, 5, True], [3, "ff", 1],
        [-1, "ff", True], [3, "", True], [3, "FF", True], [3, "123456789", True],
    ],
)  # fmt: skip
def test_a_wrong_record_of_a_file_is_left_out(record):
    state = MemoryState()
    known = {"label": "night", "identity": "source", "done": DONE | {"1": record}}
    state.set("landing:out/k:files", known)
    assert FilesCheckpoint(call_of(state), "source").done == DONE
    state.set("landing:out/k:files", known | {"done": record})
    assert FilesCheckpoint(call_of(state), "source").done == {}


def test_stored_files_are_asked_for_from_the_second_attempt_on():
    call = call_of(MemoryState(), store=_Objects(**{"out/a": b"abc", "in/b": b"b"}))
    assert stored_files(call, "source") == {}
    assert stored_files(call, "source") == {"out/a": 3}
    assert stored_files(call, "other") == {}
    assert stored_files(call, "other") == {"out/a": 3}


def test_only_keys_with_exactly_these_bytes_are_verified():
    store = _Objects(same=b"abc", longer=b"abcd", other=b"abd")
    wanted = dict.fromkeys(("other", "same", "longer", "missing"), Checksum(3, zlib.crc32(b"abc")))
    assert verified_keys(store, wanted) == {"same"}
    assert verified_keys(store, {}) == set()


def test_of_many_files_only_a_few_are_asked_for_ahead():
    """A request that waits takes 2 KB, and there may be a million."""
    asked, most = [], []

    def counted(each):
        for number, one in enumerate(each, 1):
            most.append(number - len(asked))
            yield one

    class Files(dict):
        def items(self):
            return counted(super().items())

        def values(self):
            return counted(super().values())

    def head(key):
        asked.append(key)

    wanted = Files({f"{number}": Checksum(1, 1) for number in range(1000)})
    assert verified_keys(SimpleNamespace(head=head), wanted) == set()
    assert len(asked) == 1000
    assert max(most) < 40
