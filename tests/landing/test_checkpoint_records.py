"""Records of broken landings: whose they are, and what proves them."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import asdict, replace
from types import SimpleNamespace

import pytest
from landing_kit import MemoryState

from airflow_provider_assets.landing.checkpoint import (
    Checkpoint,
    LandedFiles,
    chain,
    forget_files,
    load,
    save,
    stored_files,
    verified_keys,
)
from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.stores.base import StoredPart
from airflow_provider_assets.landing.zips.format import ZipCensus

PARTS = [StoredPart(1, 10, "a"), StoredPart(2, 10, "b"), StoredPart(3, 5, "c")]
KEPT = Checkpoint(
    "night", {"upload": "u"}, part_size=10, total=25, validator='"one"', parts=2,
    crc32=7, proof=chain(chain("", "a"), "b"), container="zip", offset=12, count=3, digest="ff",
)  # fmt: skip


def test_a_checkpoint_is_that_of_its_landing_and_key():
    state = MemoryState()
    save(state, "k", KEPT)
    assert load(state, "k", label="night") == KEPT
    assert load(state, "k", label="another") is None
    assert load(state, "l", label="night") is None
    save(state, "l", replace(KEPT, parts=1))
    save(state, "k", None)
    assert load(state, "k", label="night") is None
    assert load(state, "l", label="night") is not None


def test_without_a_state_there_is_no_checkpoint():
    save(None, "k", KEPT)
    save(None, "k", None)
    assert load(None, "k", label="night") is None


def test_a_checkpoint_of_no_part_is_none():
    state = MemoryState()
    save(state, "k", replace(KEPT, parts=0))
    assert load(state, "k", label="night") is None


def test_a_checkpoint_needs_no_more_than_its_first_fields():
    state = MemoryState()
    least = {"label": "night", "writer": {}, "part_size": 10, "total": 25, "validator": "v"}
    state.set("landing:k", least | {"parts": 1})
    found = load(state, "k", label="night")
    assert found == Checkpoint("night", {}, 10, 25, "v", 1, 0, "", "", 0, 0, "0")
    assert found.census == ZipCensus()


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: 5} for name in ("label", "validator", "proof", "container", "digest", "writer")),
        *({name: "5"} for name in ("part_size", "total", "parts", "crc32", "offset", "count")),
        {"writer": {"upload": 5}},
        {"digest": ""},
        {"digest": "F"},
        {"digest": "0" * 65},
        {"digest": "0\n"},
        {"unknown": 1},
        {"proof": "\ud800"},
    ],
)
def test_a_checkpoint_with_a_wrong_field_is_not_used(wrong):
    state = MemoryState()
    state.set("landing:k", asdict(KEPT) | {"digest": "0" * 64})
    assert load(state, "k", label="night") is not None
    state.set("landing:k", asdict(KEPT) | wrong)
    assert load(state, "k", label="night") is None


def test_a_checkpoint_counts_the_bytes_of_its_parts():
    assert KEPT.done == 20
    assert replace(KEPT, parts=3).done == 25
    assert KEPT.census == ZipCensus(12, 3, 255)


def test_only_exactly_its_own_parts_prove_a_checkpoint():
    whole = replace(KEPT, parts=3, proof=chain(KEPT.proof, "c"))
    assert KEPT.is_proven_by(PARTS)
    assert KEPT.is_proven_by(PARTS[:2])
    assert whole.is_proven_by(PARTS)
    wrong = [
        PARTS[:1],
        PARTS[1:],
        [PARTS[1], PARTS[0]],
        [PARTS[0], StoredPart(2, 9, "b")],
        [PARTS[0], StoredPart(2, 10, "c")],
        [StoredPart(1, 10, "a"), StoredPart(1, 10, "b")],
        [StoredPart(0, 10, "a"), StoredPart(2, 10, "b")],
    ]
    assert not [parts for parts in wrong if KEPT.is_proven_by(parts)]
    assert not whole.is_proven_by([*PARTS[:2], StoredPart(3, 10, "c")])


def test_the_proof_is_that_of_earlier_releases():
    # Another digest would throw away every checkpoint that is kept during an upgrade.
    first = hashlib.sha256(b"tag").hexdigest()
    assert chain("", "tag") == first
    assert chain(first, "b") == hashlib.sha256(first.encode() + b"b").hexdigest()


class _Objects:
    """A store that says what it holds, and is asked for one prefix only."""

    def __init__(self, **held: bytes) -> None:
        self.held = held

    def sizes(self, prefix: str) -> dict[str, int]:
        return {key: len(data) for key, data in self.held.items() if key.startswith(prefix)}

    def head(self, key: str) -> Checksum | None:
        data = self.held.get(key)
        return None if data is None else Checksum(len(data), zlib.crc32(data))


def call_of(state, *, label="night", key="out/k", store=None):
    return SimpleNamespace(state=state, label=label, key=key, prefix="out/", store=store)


DONE = {"0": [3, "ff", True], "2": [0, "0", False]}


def test_files_that_have_landed_are_remembered_for_the_same_source():
    state = MemoryState()
    first = LandedFiles(call_of(state), "source")
    assert (first.again, first.done) == (False, {})
    first.done |= DONE
    first.save()
    second = LandedFiles(call_of(state), "source")
    assert (second.again, second.done) == (True, DONE)
    for call, source in (
        (call_of(state), "other"),
        (call_of(state, label="other"), "source"),
        (call_of(state, key="out/other"), "source"),
        (call_of(None), "source"),
    ):
        other = LandedFiles(call, source)
        assert (other.again, other.done) == (False, {})
    forget_files(call_of(state))
    assert not LandedFiles(call_of(state), "source").again
    assert not state.kept


def test_without_a_state_no_files_are_remembered():
    LandedFiles(call_of(None), "source").save()
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
    assert LandedFiles(call_of(state), "source").done == DONE
    state.set("landing:out/k:files", known | {"done": record})
    assert LandedFiles(call_of(state), "source").done == {}


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
