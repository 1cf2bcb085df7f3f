"""Names of archive entries, as the API reference describes ``fileNameTemplate``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_assets.sandbox.scenario.assets import Asset
from airflow_provider_assets.sandbox.scenario.naming import entry_name, slug

KITE = Asset(
    id="asset_1",
    created=0,
    updated=0,
    type="txt2img",
    author="user_ada",
    model="model_pixel-art",
    index=2,
    seed=42,
    prompt="A red kite over the hills",
    description="The kite",
)


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("<id>", "asset_1.png"),
        ("<seed>-<num>-<generator>", "42-2-pixel_art.png"),
        ("<prompt>/<id>", "red_kite_hills/asset_1.png"),
        ("<description>-<id>", "kite-asset_1.png"),
        ("<id>-<id>_<id>", "asset_1.png"),
        ("<id>/<id>", "asset_1.png"),
        ("a:b<assetId>", "a_b_assetId_.png"),
        ("../<id>", "asset_1.png"),
    ],
)
def test_tokens_are_filled_in_and_repeated_ones_dropped(template, name):
    assert entry_name(template, KITE, flat=True) == name


def test_grouping_puts_a_directory_in_front():
    assert entry_name("<id>", KITE, flat=False) == "Pixel Art/asset_1.png"


def test_a_slug_has_eight_words_without_function_words():
    assert slug("The a of one TWO three, four five six seven eight nine") == (
        "one_two_three_four_five_six_seven_eight"
    )


def test_long_names_are_capped_and_the_prompt_gives_way_first():
    wordy = replace(KITE, prompt=" ".join(["extraordinarily"] * 8))
    name = entry_name("<prompt>-<prompt>-<id>", wordy, flat=True)
    assert len(name) == 128
    assert name.endswith("-asset_1.png")
    folder, _, _ = entry_name("<prompt>/<id>", wordy, flat=True).partition("/")
    assert len(folder) == 64
