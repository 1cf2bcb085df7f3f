from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_assets.sansio.batching import MAX_BATCH_BYTES, Batches, split_into_batches
from airflow_provider_assets.sansio.jobs import ArchiveRequest, Item

ITEMS = st.lists(
    st.builds(Item, st.sampled_from(["apps", "tasks"]), st.text(min_size=1, max_size=12)),
    max_size=60,
)


@given(ITEMS, st.integers(1, 20))
def test_every_item_is_in_exactly_one_batch_and_in_its_order(items, limit) -> None:
    batches = split_into_batches("v", items, max_batch=limit, options={})
    for kind in ("apps", "tasks"):
        planned = [i for batch in batches for i in batch.items.get(kind, ())]
        assert planned == list(dict.fromkeys(item.id for item in items if item.kind == kind))
    assert all(0 < batch.count <= limit for batch in batches)
    # No batch could have been left out.
    assert len(batches) == -(-len(set(items)) // limit)


@given(ITEMS, st.integers(1, 20))
def test_a_batch_holds_one_item_of_a_single_kind(items, limit) -> None:
    distinct = list(dict.fromkeys(items))
    common = ArchiveRequest("v", {})
    one_app = frozenset({"apps"})
    batches = Batches(distinct, lambda i, j: distinct[i:j], common, limit, one_app)
    planned = [batch.items for batch in batches]
    found = [Item(kind, i) for one in planned for kind, ids in one.items() for i in ids]
    assert sorted(found) == sorted(distinct)
    assert all(len(one.get("apps", ())) <= 1 for one in planned)


@given(ITEMS, st.integers(1, 20))
def test_the_same_items_give_the_same_batches(items, limit) -> None:
    options, window = {"a": 1}, ("2026-01-09T00:00:00.000Z", "2026-01-10T00:00:00.000Z")

    def again(given: list[Item]):
        return split_into_batches(
            "v", given, max_batch=limit, options=options, window=window, query_id="q"
        )

    assert again(items) == again(items) == again([*items, *items])


@given(ITEMS, st.integers(1, 20))
def test_batches_know_their_place_and_have_names_of_their_own(items, limit) -> None:
    batches = split_into_batches("v", items, max_batch=limit, options={}, query_id="0123456789")
    assert [batch.index for batch in batches] == list(range(len(batches)))
    assert {batch.of for batch in batches} <= {len(batches)}
    assert len({batch.stem for batch in batches}) == len(batches)


@settings(max_examples=20)
@given(
    st.lists(st.text('a\x00"\\é中\U0001f600', min_size=200, max_size=900), max_size=60, unique=True)
)
def test_no_batch_outgrows_the_record_that_is_kept_of_it(ids) -> None:
    batches = split_into_batches("v", [Item("apps", i) for i in ids], max_batch=1000, options={})
    for batch in batches:
        assert len(json.dumps(batch.to_dict()["items"])) <= MAX_BATCH_BYTES + 64
    assert [i for batch in batches for i in batch.items["apps"]] == ids


def test_an_item_larger_than_a_record_is_a_batch_of_its_own() -> None:
    ids = ["a", "b" * MAX_BATCH_BYTES, "c"]
    batches = split_into_batches("v", [Item("apps", i) for i in ids], max_batch=1000, options={})
    assert [batch.items["apps"] for batch in batches] == [(i,) for i in ids]


def test_nothing_to_archive_is_no_batch() -> None:
    assert split_into_batches("v", [], max_batch=10, options={}) == []


def test_a_thousand_ids_are_one_batch_and_one_more_are_two() -> None:
    ids = [Item("asset_ids", f"asset_{n:020d}") for n in range(1001)]
    assert [b.count for b in split_into_batches("v", ids[:1000], max_batch=1000, options={})] == [
        1000
    ]
    assert [b.count for b in split_into_batches("v", ids, max_batch=1000, options={})] == [1000, 1]
