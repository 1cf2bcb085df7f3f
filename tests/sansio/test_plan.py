"""The plan object of a batch, and the reference that takes its place."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.jobs import ArchiveRequest, Item
from airflow_provider_assets.sansio.plan import MAX_INLINE, is_inline, name_of, planned, read

URI = "s3://aws_default@my-bucket/scenario/.plans/a.jsonl.gz"
TEXTS = st.text(max_size=8)
REQUEST = ArchiveRequest("scenario", {"asset_ids": ("a", "b")}, {"flat": True}, tag="tag-1")
RECORDS = [(Item("asset_ids", "a"), {"id": "a", "prompt": "城の庭\u2028\ud800"})]


@given(st.dictionaries(TEXTS, st.lists(TEXTS, min_size=1, max_size=4).map(tuple), max_size=3))
def test_a_plan_is_read_as_it_was_written_and_names_the_same_contents(items):
    request = replace(REQUEST, items=items)
    records = {
        Item(kind, one): {"id": one, "n": [1, None]} for kind, ids in items.items() for one in ids
    }
    short, document = planned(request, records.items(), URI)
    assert short.items == {}
    assert (short.count, short.fingerprint, short.stem) == (
        request.count,
        request.fingerprint,
        request.stem,
    )
    over_the_wire = ArchiveRequest.from_dict(json.loads(json.dumps(short.to_dict())))
    assert read(over_the_wire, document) == (replace(request, plan=short.plan), records)


def test_records_may_hold_any_text():
    short, document = planned(REQUEST, RECORDS, URI)
    assert read(short, document)[1] == dict(RECORDS)


def test_equal_plans_are_equal_objects_of_one_name():
    assert planned(REQUEST, RECORDS, URI) == planned(REQUEST, RECORDS, URI)
    assert planned(REQUEST, RECORDS, URI)[1][3:8] == bytes(5)  # gzip: no name, and no time
    assert name_of(REQUEST) == f"{REQUEST.stem}-tag-1.jsonl.gz"
    assert name_of(replace(REQUEST, tag="")) == f"{REQUEST.stem}.jsonl.gz"


@pytest.mark.parametrize("damage", [lambda document: None, lambda document: document + b"x"])
def test_a_plan_that_is_missing_or_changed_is_named_with_the_remedy(damage):
    short, document = planned(REQUEST, RECORDS, URI)
    with pytest.raises(InvalidRequestError, match="clear the archive task") as caught:
        read(short, damage(document))
    assert URI in caught.value.message


def test_few_items_stay_in_the_reference():
    assert is_inline(REQUEST)
    assert is_inline(replace(REQUEST, items={"asset_ids": ("a" * MAX_INLINE,)}))
    assert not is_inline(replace(REQUEST, items={"asset_ids": ("a" * MAX_INLINE, "b")}))


@pytest.mark.parametrize(
    "document",
    [b"", b"\x1f\x8b\x08", gzip.compress(b"{}\n[5]"), gzip.compress(b"[" * 10_000)],
    ids=["empty", "cut off", "no header", "too deep"],
)
def test_a_plan_that_cannot_be_read_is_named_with_the_remedy(document):
    short, _ = planned(REQUEST, RECORDS, URI)
    digest = hashlib.sha256(document).hexdigest()
    short = replace(short, plan=replace(short.plan, sha256=digest))
    why = rf"^{URI}.* cannot be read \(\w*Error\); clear the archive task"
    with pytest.raises(InvalidRequestError, match=why):
        read(short, document)
