"""Which items are missing, by the names of the files that landed."""

from __future__ import annotations

import pytest

from airflow_provider_assets.sansio.completeness import missing_items


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
    ],
    ids=[
        "whole", "an id within an id", "an id that begins another", "both of them", "an extra file",
        "in a template", "before and behind a name", "names without ids", "an archive without files",
    ],
)  # fmt: skip
def test_missing_items(ids, names, missing):
    assert missing_items(ids, names) == missing
