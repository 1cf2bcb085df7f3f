"""Rows of metadata: the same columns in every file, whatever the vendor says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.sansio.jobs import ArchiveRequest, Item
from airflow_provider_assets.sansio.metadata import (
    COLUMNS,
    DESCRIBED,
    NO_DAY,
    Batch,
    File,
    Type,
    jsonl,
    key_of,
    rows,
)
from airflow_provider_assets.vendors import BUILT_IN, vendor_class

WINDOW = ("2026-01-04T00:00:00.000Z", "2026-01-05T00:00:00.000Z")
REQUEST = ArchiveRequest(
    "scenario", {"asset_ids": ("a", "b", "c")}, window=WINDOW, index=1, of=2, run_date=WINDOW[1]
)
BATCH = Batch(
    conn_id="scenario_default",
    request=REQUEST,
    job_id="job_1",
    uri="s3://bucket/a.zip",
    files={"a": File("s3://bucket/a.png", "a.png", 5, "0a0b0c0d", "5a6b")},
    missing={"b": "no file"},
)
PLACES = {
    "created_at": "at",
    "model": "metadata.model",
    "seed": "seed",
    "tags": "tags",
    "width": "w",
}
A = Item("asset_ids", "a")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


def row(record):
    return next(iter(rows(BATCH, {A: record}, PLACES)))


def test_a_row_says_where_an_item_is_and_what_the_vendor_says_of_it():
    record = {"at": 1768032000, "metadata": {"model": "m"}, "seed": 7, "tags": ["x"], "w": 64.0}
    table = list(rows(BATCH, {A: record}, PLACES))
    assert [tuple(one) for one in table] == [tuple(COLUMNS)] * 3
    landed, missing, unknown = ({k: v for k, v in one.items() if v is not None} for one in table)
    known = {
        "vendor": "scenario", "kind": "asset_ids", "conn_id": "scenario_default",
        "job_id": "job_1", "batch": 2, "window_start": WINDOW[0], "window_end": WINDOW[1],
        "run_date": WINDOW[1],
    }  # fmt: skip
    assert landed == {
        **known,
        "item_id": "a", "uri": "s3://bucket/a.png", "file": "a.png", "bytes": 5, "crc32": "0a0b0c0d",
        "sha256": "5a6b",
        "created_at": "2026-01-10T08:00:00.000Z", "model": "m", "seed": "7", "tags": ["x"],
        "width": 64, "record": json.dumps(record),
    }  # fmt: skip
    assert missing == {**known, "item_id": "b", "missing": "no file"}
    assert unknown == {**known, "item_id": "c", "uri": "s3://bucket/a.zip"}


@pytest.mark.parametrize(
    ("name", "value", "left"),
    [
        ("created_at", "2026-01-10T09:00:00+01:00", "2026-01-10T08:00:00.000Z"),
        ("created_at", "yesterday", None),
        ("created_at", 1e300, None),
        ("created_at", ["x"], None),
        ("seed", {"a": "é"}, '{"a": "é"}'),
        ("seed", "half \ud800", "half ?"),
        ("tags", "x", None),
        ("tags", ["x", 1], ["x", "1"]),
        ("width", "64", None),
        ("width", 1 << 63, None),
        ("width", (1 << 63) - 1, (1 << 63) - 1),
    ],
)
def test_a_value_has_the_type_of_its_column_or_is_left_out(name, value, left):
    record = {PLACES[name]: value}
    assert row(record)[name] == left


@given(st.dictionaries(st.sampled_from(["at", "metadata", "seed", "tags", "w"]), VALUES))
def test_no_record_changes_the_types_of_a_row(record):
    types = {Type.TEXT: str, Type.MOMENT: str, Type.INTEGER: int, Type.TEXTS: list}
    (line, *_) = jsonl(rows(BATCH, {A: record}, PLACES)).decode().split("\n")
    for name, value in json.loads(line).items():
        assert value is None or type(value) is types[COLUMNS[name]]
    json.loads(json.loads(line)["record"])


@pytest.mark.parametrize(
    ("window", "run_date", "day"),
    [
        (WINDOW, WINDOW[1], "2026-01-04"),
        (None, WINDOW[1], "2026-01-05"),
        (None, "", NO_DAY),
    ],
)
def test_rows_are_filed_under_the_day_that_they_describe(window, run_date, day):
    request = ArchiveRequest("v", {}, window=window, run_date=run_date)
    assert key_of(request, "name-001", "jsonl") == f"metadata/day={day}/name-001.jsonl"


@pytest.mark.parametrize("name", BUILT_IN)
def test_vendors_fill_only_columns_that_there_are(name):
    assert set(vendor_class(name).spec.columns) <= set(DESCRIBED)


def test_each_row_is_a_line_whose_letters_can_be_read():
    lines = jsonl(rows(BATCH, {A: {"seed": "é"}}, PLACES)).decode().splitlines()
    assert [json.loads(line)["item_id"] for line in lines] == ["a", "b", "c"]
    assert '"seed": "é"' in lines[0]
    assert json.loads(lines[0])["record"] == '{"seed": "é"}'
