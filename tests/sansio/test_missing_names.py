"""Which items are missing, by the names of the files that landed."""

from __future__ import annotations

import pytest

from airflow_provider_assets.sansio.completeness import (
    ids_in,
    missing_items,
    most_words,
    names_of,
)


@pytest.mark.parametrize(
    ("ids", "names", "missing"),
    [
        (["a1", "a2"], ["a1.png", "a2.png"], []),
        (["a1", "a12"], ["a12.png"], ["a1"]),
        (["a-1", "a-1-2"], ["x/a-1-2.png"], ["a-1"]),
        (["a-1", "a-1-2"], ["a-1.png", "a-1-2.png"], []),
        (["a1", "a2"], ["a1.png", "README.txt"], ["a2"]),
        (["asset_7", "asset_8"], ["folder/a cat-asset_7.png"], ["asset_8"]),
        (["asset_7", "asset_8"], ["asset_7_a cat.png", "2_asset_8.png"], []),
        (["a1", "a2"], ["picture.png"], []),
        (["a1"], [], ["a1"]),
        ([], ["a1.png"], []),
        (["a1", "a2"], ["upscale of a1-a2.png"], ["a1"]),
        (["a1", "a2"], ["a1-a2.png", "a1-a2-2.png"], []),
        (["a1", "a2"], ["a1-a2.png", "a2-a1.png", "a1 and a2.png"], []),
        (["a1", "a2", "a3"], ["a1-like a2.png", "a2-like a3.png", "a3.png"], []),
    ],
    ids=[
        "whole", "an id within an id", "an id that begins another", "both of them", "an extra file",
        "in a template", "before and behind a name", "names without ids", "an archive without files",
        "no ids",
        "a name that quotes another item", "two files with both", "more files than items",
        "ids in front of what they quote",
    ],
)  # fmt: skip
def test_missing_items(ids, names, missing):
    assert missing_items(ids, names) == missing


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["kite-p1-p2.png", "kite-p1.png"], {"p1": "kite-p1.png", "p2": "kite-p1-p2.png"}),
        (["kite-p1-p2.png", "kite-p2.png"], {"p1": "kite-p1-p2.png", "p2": "kite-p2.png"}),
        (["p1-p2-p3.png", "p1-p2.png"], {"p3": "p1-p2-p3.png", "p2": "p1-p2.png"}),
        (["p1-p1.png", "p1.png"], {"p1": "p1-p1.png"}),
        # A name that has one id left comes before the others in their order.
        (
            ["p1-p2.png", "p4-p3.png", "p2-p3.png"],
            {"p2": "p1-p2.png", "p3": "p2-p3.png", "p4": "p4-p3.png"},
        ),
        # A name that has none left ends nobody else's turn.
        (
            ["p1.png", "p2.png", "p1-p2.png", "p3-p4.png"],
            {"p1": "p1.png", "p2": "p2.png", "p4": "p3-p4.png"},
        ),
    ],
)
def test_a_file_accounts_for_one_item(files, expected):
    assert names_of({"p1", "p2", "p3", "p4"}, files, 1) == expected


def test_no_run_of_words_is_tried_that_is_longer_than_an_id():
    tried = set()

    class Wanted:
        def __contains__(self, words):
            tried.add(words)
            return words == "a-b"

    words = most_words(["a-b", "c"])
    assert list(ids_in("a-a-a-b-a", Wanted(), words)) == ["a-b"]
    assert tried == {"a-a", "a", "a-b"}
