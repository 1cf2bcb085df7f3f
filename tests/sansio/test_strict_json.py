"""JSON that no other part could hold or store is none."""

from __future__ import annotations

import json

import pytest

from airflow_provider_assets.sansio import strict_json
from airflow_provider_assets.sansio.strict_json import MAX_DEPTH, is_shallow, parse, parse_text


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"[NaN]",
        b"[-Infinity]",
        b"[1e400]",
        b"[" + b"9" * 400 + b"]",
        b'"\xff"',
        b'"\xed\xa0\x80"',  # half of a surrogate pair in bytes
        b"[" * 10_000 + b"]" * 10_000,
        b"[" + b"[]," * 200_000 + b"[]]",
        b"[" + b"[],{}," * 100_000 + b"[]]",
        b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
    ],
)
def test_what_cannot_be_stored_is_no_json(document) -> None:
    with pytest.raises(ValueError):
        parse(document)


@pytest.mark.parametrize(
    "data",
    [
        *(None, True, 1.5, -(10**298), "é\U0001f600", [{"a": [1, {}]}], "\\ud800"),
        json.loads("[" * 99 + "]" * 99),
    ],
)
def test_all_other_json_is_read_as_python_reads_it(data) -> None:
    for document in (json.dumps(data), json.dumps(data, ensure_ascii=False)):
        assert parse(document.encode()) == data
        assert parse(document.encode("utf-8-sig")) == data
        assert parse_text(document) == data
    assert is_shallow(data)


def test_half_of_a_surrogate_pair_becomes_the_character_for_what_is_none() -> None:
    document = rb'["\ud83d\ude00 \ud83d \uDE00\ud83d \\ud83d", {"\udfff": "\ud800\ud800"}]'
    halves = ["\U0001f600 \ufffd \ufffd\ufffd \\ud83d", {"\ufffd": "\ufffd\ufffd"}]
    assert parse(document) == halves
    json.dumps(halves, ensure_ascii=False).encode()
    assert parse(rb'["\ud800"]') == parse(rb'["\uD800"]') == ["\ufffd"]


def test_a_body_of_more_bytes_than_any_page_has_is_not_read(monkeypatch) -> None:
    monkeypatch.setattr(strict_json, "MAX_BYTES", 10)
    assert parse(b'"12345678"') == "12345678"
    with pytest.raises(ValueError, match="11 bytes"):
        parse(b'"123456789"')


def test_as_many_objects_and_lists_as_are_allowed_are_read(monkeypatch) -> None:
    monkeypatch.setattr(strict_json, "MAX_HOLDERS", 3)
    assert parse(b"[{}, []]") == [{}, []]
    with pytest.raises(ValueError, match="4 objects and lists are more than 3"):
        parse(b"[{}, [], {}]")


def test_brackets_within_strings_are_no_objects() -> None:
    workflow = json.dumps([{"path": "C:\\", "quote": '"'}] * 3_000)
    page = {"assets": [{"workflow": workflow, "more": [{}]} for _ in range(100)]}
    assert parse(json.dumps(page).encode()) == page


@pytest.mark.parametrize("start", [b'["', b'["\\"[', rb'["\\", "', rb'["\\\"'])
def test_no_string_hides_objects_behind_it(start) -> None:
    for document in (start + b'",' + b"[]," * 200_000 + b"[]]", start + b"[" * 200_001 + b'"'):
        with pytest.raises(ValueError):
            parse(document)
    with pytest.raises(ValueError, match="200002 objects and lists"):
        parse(start + b'",' + b"[]," * 200_000 + b"[]]")


@pytest.mark.parametrize("before", range(50))
def test_no_place_hides_a_number_that_is_too_long(before) -> None:
    start = " " * before + "["
    longest = "9" * 300
    assert parse_text(f"{start}{longest}]") == [int(longest)]
    for number in (f"{longest}9", f"-{longest}", f"{longest}9.5e9", "1e400", "-1E+400"):
        with pytest.raises(ValueError, match="too large"):
            parse_text(f"{start}{number}]")


@pytest.mark.parametrize(("inside", "more"), [(b"[]", 1), (b"1", 0), (b'{"b": [2]}', 2)])
def test_levels_are_those_of_objects_and_lists(inside, more) -> None:
    def nested(levels: int) -> bytes:
        return b'[[0], {"a": ' * (levels // 2) + inside + b"}]" * (levels // 2)

    assert parse(nested(MAX_DEPTH - more))
    with pytest.raises(ValueError, match="deeper than 100 levels"):
        parse(nested(MAX_DEPTH - more + 2))
