"""What was stored or handed on is checked before it is used."""

from __future__ import annotations

import pytest

from airflow_provider_assets.sansio import stored
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.stored import check_fields, check_storable, or_empty, or_none

MOMENT = "2026-01-09T00:00:00Z"
FITTING = {
    "is_text": ["", "a"],
    "is_flag": [True, False],
    "is_number": [0, -1.5, 10**300],
    "is_epoch": [0, 1768032100.5],
    "is_count": [0, 1 << 62],
    "is_mapping": [{}, {"a": 1}],
    "is_texts": [[], ["a"], ("a", "b")],
    "is_lists": [{}, {"a": ["b"]}],
    "is_moment": [MOMENT, "2026-01-09T00:00:00.123+02:00"],
    "is_span": [[MOMENT, MOMENT], (MOMENT, MOMENT)],
}
OTHERS = {
    "is_text": [None, 1, b"a"],
    "is_flag": [None, 0, "true"],
    "is_number": [None, True, "1", float("nan"), float("inf"), 10**400],
    "is_epoch": [-1, stored.END_OF_TIME, "0"],
    "is_count": [None, True, -1, 1.0, 1 << 63],
    "is_mapping": [None, [], "a"],
    "is_texts": [None, "a", [1], {}],
    "is_lists": [None, [], {"a": "b"}, {"a": [1]}],
    "is_moment": [None, 5, "2026-01-09", "0001-01-01T00:00:00+23:59", "abc"],
    "is_span": [None, MOMENT, [MOMENT], [MOMENT, None], [MOMENT] * 3],
}


@pytest.mark.parametrize("name", FITTING)
def test_a_field_holds_what_it_has_to_be_and_nothing_else(name) -> None:
    fits = getattr(stored, name)
    assert [value for value in FITTING[name] if not fits(value)] == []
    assert [value for value in OTHERS[name] if fits(value)] == []


def test_a_field_may_be_optional_and_is_named_where_it_is_wrong() -> None:
    fields = {"a": or_none(stored.is_text), "b": or_empty(stored.is_moment)}
    check_fields({"a": None, "b": "", "c": 1}, fields, "a thing")
    check_fields({"a": "x", "b": MOMENT}, fields, "a thing")
    check_fields({}, fields, "a thing")
    with pytest.raises(InvalidRequestError, match=r"^not a thing: b has the type int$"):
        check_fields({"b": 5}, fields, "a thing")
    with pytest.raises(InvalidRequestError, match=r"^not a thing: expected a mapping, got list$"):
        check_fields([], fields, "a thing")


@pytest.mark.parametrize("data", [float("nan"), "\ud800", {1, 2}, b"a"])
def test_what_json_in_utf8_cannot_hold_is_refused(data) -> None:
    check_storable(["é", 1, None], "a thing")
    with pytest.raises(InvalidRequestError, match=r"^not a thing: \w+Error, it is not JSON$"):
        check_storable([data], "a thing")
