"""The listing that is kept on disk until its batches are known."""

from __future__ import annotations

from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.listing.spool import ListingSpool
from airflow_provider_assets.sansio.jobs import ArchiveRequest, Item

ITEMS = st.lists(
    st.builds(Item, st.sampled_from(["apps", "tasks"]), st.text("ab\x00\ud800é", max_size=2)),
    max_size=12,
)


@given(slices=st.lists(ITEMS, max_size=4), landed=ITEMS, order=st.randoms(use_true_random=False))
def test_each_item_is_chosen_once_in_the_order_of_the_slices(slices, landed, order):
    whole = [item for one in slices for item in one]
    expected = [item for item in dict.fromkeys(whole) if item not in landed]
    with closing(ListingSpool()) as spool:
        for left_out in (whole, landed):  # listed again, since items were pending
            spool.clear()
            numbered = list(enumerate(slices))
            order.shuffle(numbered)
            for start, items in numbered:
                spool.add(items, float(start))
            spool.leave_out(left_out)
            spool.choose()
        assert list(spool) == expected
        assert len(spool) == len(expected)
        assert spool.is_left_out == bool(whole and not expected)
        assert list(spool.between(1, 3)) == expected[1:3]


def test_the_last_record_of_an_item_counts_and_some_items_have_none():
    items = [Item("apps", "a"), Item("tasks", "a"), Item("apps", "b\ud800")]
    with closing(ListingSpool(keeps_records=True)) as spool:
        for record in ({"n": 1}, {"n": 2, "text": "\ud800"}):
            spool.describe(items[0], record)
        spool.describe(items[2], {"n": 3})
        request = ArchiveRequest("toy", {"apps": ("a", "b\ud800"), "tasks": ("a",)})
        found = list(spool.of(request))
    assert found == [(items[0], {"n": 2, "text": "\ud800"}), (items[2], {"n": 3})]
