"""Records of broken landings: whose they are, and what proves them."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace

import pytest
from landing_kit import MemoryState

from airflow_provider_assets.landing.checkpoint import (
    Checkpoint,
    chain,
    load,
    save,
)
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
