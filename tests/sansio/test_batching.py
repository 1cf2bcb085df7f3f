from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_assets.sansio.batching import (
    MAX_BATCH_BYTES,
    BatchCount,
    Batches,
    split_into_batches,
)
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


def test_every_batch_says_what_was_exported() -> None:
    common = ArchiveRequest(
        "v",
        {},
        {"a": 1},
        window=("2026-01-09T00:00:00.000Z", "2026-01-10T00:00:00.000Z"),
        query_id="q",
        run_date="2026-01-10T00:00:00.000Z",
    )
    batches = split_into_batches(
        "v",
        [Item("apps", "1"), Item("apps", "2")],
        max_batch=1,
        options=common.options,
        window=common.window,
        query_id=common.query_id,
        run_date=common.run_date,
    )
    assert [replace(one, items={}, index=0, of=1) for one in batches] == [common, common]
    (bare,) = split_into_batches("v", [Item("apps", "1")], max_batch=1, options={})
    assert bare == ArchiveRequest("v", {"apps": ("1",)})


@given(ITEMS, st.integers(1, 20))
def test_batches_can_be_counted_without_being_made(items, limit) -> None:
    count = BatchCount(limit)
    begun = [item for item in dict.fromkeys(items) if count.begins(item)]
    made = split_into_batches("v", items, max_batch=limit, options={})
    assert count.batches == len(begun) == len(made)


def test_only_the_next_one_of_a_single_kind_begins_another_batch() -> None:
    items = [Item(kind, str(n)) for n, kind in enumerate(["apps", "tasks", "apps", "tasks"])]
    items[1:1] = [Item("tasks", "first")]
    asked = []

    def between(start: int, stop: int) -> list[Item]:
        asked.append((start, stop))
        return items[start:stop]

    batches = Batches(items, between, ArchiveRequest("v", {}), 9, frozenset({"apps"}))
    assert [one.count for one in batches] == [3, 2]
    assert asked == [(0, 3), (3, 5)]
    tasks_first = Batches(items[1:4], between, ArchiveRequest("v", {}), 9, frozenset({"apps"}))
    assert len(tasks_first) == 1


def test_many_short_ids_do_not_outgrow_the_record_either() -> None:
    items = [Item("apps", f"{n:05}") for n in range(MAX_BATCH_BYTES // 5)]
    batches = split_into_batches("v", items, max_batch=len(items), options={})
    for batch in batches:
        assert len(json.dumps(batch.to_dict()["items"])) <= MAX_BATCH_BYTES + 64


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
