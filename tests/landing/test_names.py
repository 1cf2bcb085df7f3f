"""Names of files: they stay in their folder, differ, and are none that the landing uses itself."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.landing.markers import (
    MANIFEST_SUFFIX,
    OWNERSHIP_MARKER,
    PART_SUFFIX,
    PARTS_FOLDER,
    PLANS_FOLDER,
    STAGING_FOLDER,
    STARTED_MARKER,
    UPLOAD_MARKER,
    is_marker,
)
from airflow_provider_assets.landing.names import Names, safe
from airflow_provider_assets.reports.page import report_name
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.jobs import ArchiveRequest
from airflow_provider_assets.sansio.metadata import key_of


@given(st.text(max_size=400))
def test_a_safe_name_never_leads_out_of_its_folder(name):
    path = safe(name)
    assert path
    assert not path.startswith("/")
    assert not {"", ".", ".."} & set(path.split("/"))
    assert all(len(part.encode()) <= 255 for part in path.split("/"))
    assert "\\" not in path
    assert "\x00" not in path
    assert safe(path) == path


@given(
    st.lists(
        st.sampled_from(
            [
                "a.png",
                "A.png",
                "a-2.png",
                "b/a.png",
                ".hidden",
                "x",
                "X/y",
                "b",
                "a.png/c",
                "n" * 255,
            ]
        ),
        max_size=20,
    )
)
def test_every_entry_gets_a_name_of_its_own(names):
    names_of_one = Names()
    given_out = [names_of_one.give(name) for name in names]
    assert len({name.casefold() for name in given_out}) == len(names)
    folders = {name.casefold().rpartition("/")[0] for name in given_out}
    assert not folders & {name.casefold() for name in given_out}
    assert all(len(part.encode()) <= 255 for name in given_out for part in name.split("/"))


@pytest.mark.parametrize("name", ["a.png", "folder/a.png", "n" * 255, "a.png/b"])
def test_equal_names_cost_no_more_than_different_ones(name):
    names, before = Names(), time.process_time()
    given = [names.give(name.partition("/b")[0]) for _ in range(10_000)]
    given += [names.give(name) for _ in range(10_000)]
    assert time.process_time() - before < 5  # a pass over all earlier ones takes minutes
    assert len(set(given)) == 20_000


def test_files_of_a_folder_that_is_renamed_stay_together():
    names = Names()
    given = [names.give(name) for name in ("x", "x", "x/a", "x/b", "x", "x/a")]
    assert given == ["x", "x-2", "x-3/a", "x-3/b", "x-4", "x-3/a-2"]


@pytest.mark.parametrize(
    "name",
    ["a.landing", "b/A.LANDING/c", "a.landing.json", ".staging/a", "n.started.json", ".a.1-2.part"],
)
def test_no_entry_gets_a_name_that_the_landing_uses_itself(name):
    assert safe(name) != name
    assert safe(safe(name)) == safe(name)


def test_long_names_keep_their_extension():
    assert safe("n" * 400 + ".png").endswith("n.png")


@pytest.mark.parametrize(
    "name",
    [
        f"a.zip{UPLOAD_MARKER}", f"a.zip{PARTS_FOLDER[:-1]}", f"a.zip{OWNERSHIP_MARKER}",
        f"a{STARTED_MARKER}", f"a.zip{MANIFEST_SUFFIX}", STAGING_FOLDER[:-1], PLANS_FOLDER[:-1],
        f".a.zip.0a1b{PART_SUFFIX}",
    ],
)  # fmt: skip
def test_no_file_of_an_archive_gets_the_name_of_a_marker(name):
    assert safe(f"in/{name}/file") == f"in/{name}_/file"
    assert safe(name.upper()) == f"{name.upper()}_"


def test_only_at_the_top_are_the_folders_of_metadata_and_reports_ours():
    names = [
        safe(name) for name in ("metadata/day=1/a", "../Reports/a.html", "reports", "a/metadata/b")
    ]
    assert names == ["metadata_/day=1/a", "Reports_/a.html", "reports_", "a/metadata/b"]
    request = ArchiveRequest(
        "scenario", {"asset_ids": ("a",)}, run_date="2026-01-04T00:00:00+00:00"
    )
    ours = [key_of(request, "name", "jsonl"), report_name(request)]
    assert [name for name in ours if safe(name) == name] == []


def test_twins_that_are_cut_alike_cost_no_more_than_different_names():
    names, before = Names(), time.process_time()
    given = [names.give("n" * 247 + f"{number // 2:08x}") for number in range(20_000)]
    assert time.process_time() - before < 5  # each would try the numbers of all others: minutes
    assert len(set(given)) == 20_000


def test_an_archive_cannot_name_more_folders_than_memory_has_room_for():
    names = Names(max_folders=3)
    names.give("a/b/c/1")
    names.give("a/b/c/2")
    with pytest.raises(InvalidRequestError, match="max_entries"):
        names.give("a/d/3")


@pytest.mark.parametrize("size", [0, 84, 85, 300, 640])
def test_a_long_prefix_leaves_less_room_for_names(size):
    name = "/".join(["n" * 80] * 11) + "/image.png"
    names = Names(prefix="p" * size)
    given = [names.give(name) for _ in range(3)]
    assert len(set(given)) == 3
    assert all(size + len(one.encode()) <= 1024 - 32 for one in given)
    assert all(one.endswith(".png") for one in given)
    assert (given[0] == name) == (size <= 84)


@pytest.mark.parametrize("cut", ["n" * 247 + ".landing" + "y" * 20, "." * 300 + "y" * 20])
def test_what_is_left_of_a_long_name_is_safe(cut):
    assert not is_marker(safe(cut))
    assert safe(safe(cut)) == safe(cut)
