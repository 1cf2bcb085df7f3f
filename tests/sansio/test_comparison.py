"""The comparison of a listing with landings."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.sansio import reconcile
from airflow_provider_assets.sansio.jobs import Item
from airflow_provider_assets.sansio.reconcile import (
    Comparison,
    Counts,
    Found,
    Landing,
    Problem,
    total,
)
from airflow_provider_assets.sansio.records import Facts


def item(name, kind="asset_ids"):
    return Item(kind, name)


def listed(*names, **options):
    """A comparison of one day with *names*."""
    comparison = Comparison(**options)
    comparison.begin("2026-01-04")
    for name in names:
        comparison.expect(item(name))
    return comparison


def landing(*names, **options):
    """A landing of a zip with one file per item."""
    given = {"items": {"asset_ids": names}, "files": [f"{name}.png" for name in names]}
    return Landing("file:///a.zip.manifest.json", **{**given, **options})


def gaps(comparison):
    found = [one.id for one in comparison.gaps()]
    whole = sum(row.listed for row in comparison.counts().values())
    assert len({*found, *(one.id for one in comparison.landed())}) == whole
    return found


def test_an_empty_destination_lacks_everything():
    comparison = listed("a", "b")
    assert gaps(comparison) == ["a", "b"]
    assert comparison.counts() == {"2026-01-04": Counts(listed=2, missing=2)}
    assert not comparison.counts()["2026-01-04"].is_complete


def test_what_has_landed_anywhere_is_no_gap():
    comparison = listed("a", "b", "c")
    comparison.add(landing("a", "x"))
    comparison.add(landing("c"))
    assert gaps(comparison) == ["b"]
    assert [*comparison.landed()] == [item("a"), item("c")]
    assert comparison.landings == 2


def test_a_landing_of_other_items_is_no_concern():
    comparison = listed("a")
    assert not comparison.concerns(landing("x", "y"))
    assert not comparison.concerns(landing("x", items=None))
    assert comparison.concerns(landing("x", "a"))
    assert comparison.concerns(landing("a", items=None))
    assert comparison.concerns(Landing("u"))
    comparison.add(landing("x"))
    assert comparison.landings == 0


def test_an_item_that_is_recorded_without_a_file_is_missing():
    comparison = listed("a")
    comparison.add(landing("a", "b", files=["b.png"]))
    assert gaps(comparison) == ["a"]


def test_an_archive_without_files_holds_nothing():
    comparison = listed("a")
    comparison.add(landing("a", files=[]))
    assert gaps(comparison) == ["a"]


@pytest.mark.parametrize("files", [None, ["picture.png"]])
def test_where_names_tell_nothing_the_record_counts(files):
    comparison = listed("a")
    comparison.add(landing("a", files=files))
    assert gaps(comparison) == []


def test_names_are_not_asked_where_a_vendor_documents_none():
    comparison = listed("a", "b", names_tell=False)
    comparison.add(landing("a", "b", files=["a.json"]))
    assert gaps(comparison) == []


def test_an_old_manifest_is_read_by_its_names():
    comparison = listed("a", "b")
    comparison.add(landing("a", items=None))
    assert gaps(comparison) == ["b"]


@pytest.mark.parametrize(
    ("names_tell", "files"), [(True, None), (False, ["a.png"])], ids=["one object", "undocumented"]
)
def test_a_manifest_that_does_not_say_what_it_holds_is_a_problem(names_tell, files):
    comparison = listed("a", names_tell=names_tell)
    comparison.add(landing("a", items=None, files=files))
    assert gaps(comparison) == ["a"]
    (problem,) = comparison.problems
    assert problem.uri == "file:///a.zip.manifest.json"
    assert "does not say which items" in problem.why


def test_a_broken_landing_damages_all_that_it_holds_and_an_intact_one_mends_it():
    comparison = listed("a", "b")
    comparison.add(landing("a", "b", broken="the object is gone"))
    assert comparison.ids(Found.DAMAGED) == {"2026-01-04": ["a", "b"]}
    assert comparison.ids(Found.MISSING) == {}
    assert comparison.problems == [Problem("file:///a.zip.manifest.json", "the object is gone")]
    comparison.add(landing("b"))
    comparison.add(landing("b", broken="the object is gone"))
    assert gaps(comparison) == ["a"]


def test_a_damaged_file_damages_its_item():
    comparison = listed("a", "b")
    comparison.add(landing("a", "b", damaged={"a.png": "the object is gone"}))
    assert gaps(comparison) == ["a"]
    assert comparison.problems[0].to_dict() == {
        "uri": "file:///a.zip.manifest.json",
        "problem": "a.png: the object is gone",
    }


def test_a_damaged_file_that_names_no_item_may_belong_to_any():
    comparison = listed("a", "b")
    comparison.add(landing("a", "b", damaged={"index.json": "the object is gone"}))
    assert gaps(comparison) == ["a", "b"]


@pytest.mark.parametrize(
    ("changed_at", "exported_at", "found"),
    [
        (200.0, 100.0, Found.CHANGED),
        (100.0, 200.0, Found.LANDED),
        (None, 100.0, Found.LANDED),
        (200.0, None, Found.LANDED),
    ],
)
def test_an_item_has_changed_if_it_did_so_after_its_export(changed_at, exported_at, found):
    comparison = Comparison()
    comparison.begin("2026")
    comparison.expect(item("a"), changed_at)
    comparison.add(landing("a", exported_at=exported_at))
    assert comparison.ids(found) == {"2026": ["a"]}


def test_an_item_that_moves_while_it_is_listed_belongs_to_its_later_period():
    comparison = listed("a")
    comparison.begin("2026-01-05")
    comparison.expect(item("a"))
    comparison.postpone(3)
    assert comparison.counts() == {
        "2026-01-04": Counts(),
        "2026-01-05": Counts(listed=1, missing=1, pending=3),
    }
    assert total(comparison.counts().values()) == Counts(listed=1, missing=1, pending=3)


PARENT, CHILD = "kite-p1.png", "kite-p1-p2.png"  # the output of p1 was processed again as p2


@pytest.mark.parametrize("items", [None, {"process_ids": ["p1", "p2"]}])
@pytest.mark.parametrize(
    ("files", "damaged", "left"),
    [
        ([CHILD], {}, ["p1"]),
        ([CHILD, PARENT], {}, []),
        ([CHILD, PARENT], {CHILD: "gone"}, ["p2"]),
        ([CHILD, PARENT], {PARENT: "gone"}, ["p1"]),
        ([CHILD, PARENT, "p2-mask.png"], {CHILD: "gone"}, ["p1", "p2"]),
    ],
)
def test_a_name_that_quotes_another_item_does_not_hold_it(items, files, damaged, left):
    comparison = Comparison()
    comparison.begin("all")
    for name in ("p1", "p2"):
        comparison.expect(item(name, "process_ids"))
    comparison.add(Landing("u", items=items, files=files, damaged=damaged))
    assert gaps(comparison) == left


def test_kinds_are_told_apart():
    comparison = Comparison(names_tell=False)
    comparison.begin("all")
    comparison.expect(item("1", "apps"))
    comparison.expect(item("1", "tasks"))
    comparison.add(Landing("u", items={"apps": ["1"], "others": ["1"]}))
    assert list(comparison.gaps()) == [Item("tasks", "1")]


def test_the_list_of_problems_is_bounded(monkeypatch):
    monkeypatch.setattr(reconcile, "MAX_PROBLEMS", 2)
    comparison = listed("a")
    for number in range(5):
        comparison.note(str(number), "unreadable")
    assert [one.uri for one in comparison.problems] == ["0", "1"]
    assert comparison.problem_count == 5


IDS = [f"asset_{letter}" for letter in "abcdef"]
LANDINGS = st.builds(
    lambda ids, bad, broken, at: Landing(
        "uri",
        items={"asset_ids": sorted(ids)},
        files=[f"{one}.png" for one in sorted(ids)],
        exported_at=at,
        damaged={f"{one}.png": "bad" for one in sorted(ids & bad)},
        broken=broken,
    ),
    st.sets(st.sampled_from(IDS)),
    st.sets(st.sampled_from(IDS)),
    st.sampled_from(["", "", "gone"]),
    st.none() | st.floats(0, 10),
)
LISTING = st.dictionaries(
    st.sampled_from(IDS), st.tuples(st.sampled_from("123"), st.none() | st.floats(0, 10))
)


def _state(name, changed_at, landings):
    """What a person would say of one item, from the words of the page."""
    holding = [one for one in landings if name in one.items["asset_ids"]]
    intact = [one for one in holding if not one.broken and f"{name}.png" not in one.damaged]
    if not holding:
        return "missing"
    if not intact:
        return "damaged"
    late = [one.exported_at is not None and changed_at is not None and changed_at > one.exported_at
            for one in intact]  # fmt: skip
    return "changed" if all(late) else "landed"


@given(LISTING, st.lists(LANDINGS), st.randoms())
def test_every_item_is_in_exactly_one_state_and_the_order_of_landings_does_not_matter(
    listing, landings, random
):
    comparison = Comparison()
    for period in "123":
        comparison.begin(period)
        for name, (where, changed_at) in listing.items():
            if where == period:
                comparison.expect(item(name), changed_at)
    random.shuffle(landings)
    for one in landings:
        if comparison.concerns(one):
            comparison.add(one)
    expected = {name: _state(name, at, landings) for name, (_, at) in listing.items()}
    for period, row in comparison.counts().items():
        here = [expected[name] for name, (where, _) in listing.items() if where == period]
        assert row.listed == len(here)
        for state in ("landed", "missing", "changed", "damaged"):
            assert getattr(row, state) == here.count(state), state
    assert sorted(gaps(comparison)) == sorted(n for n, s in expected.items() if s != "landed")


def test_an_item_costs_less_than_two_hundred_bytes_beside_its_id():
    count = 50_000
    items = [item(f"asset_{number:022}") for number in range(count)]
    tracemalloc.start()
    try:
        comparison = Comparison()
        comparison.begin("2026")
        for one in items:
            comparison.expect(one, 1.0)
        comparison.add(landing(*(one.id for one in items[:1000])))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held / count < 200


def test_a_listing_at_once_and_its_comparison_need_what_is_documented():
    page = (Path(__file__).parent.parent.parent / "docs" / "reconcile.md").read_text("utf-8")
    (alone, together) = re.findall(
        r"a million listed items need about (\d+) MB .* up to (\d+) MB", page
    )[0]
    count = 50_000
    tracemalloc.start()
    try:
        names = [f"asset_{number:024}" for number in range(count)]
        comparison = Comparison()
        comparison.begin("all")
        for name in names:
            comparison.expect(item(name), 1.0)
        with_ids, _ = tracemalloc.get_traced_memory()
        items = [item(name) for name in names]
        facts = {item(name): Facts(float(at), 10**6 + at) for at, name in enumerate(names)}
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(items) == len(facts)
    assert with_ids / count == pytest.approx(int(alone), rel=0.2)
    assert held / count == pytest.approx(int(together), rel=0.2)


def test_what_is_not_finished_is_counted_in_the_period_that_is_listed():
    comparison = listed("a")
    comparison.postpone(2)
    comparison.begin("2026-01-05")
    comparison.postpone(3)
    comparison.postpone(1)
    assert [row.pending for row in comparison.counts().values()] == [2, 4]
