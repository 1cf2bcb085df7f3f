"""The manifest object and what is read from it."""

from __future__ import annotations

import json

import pytest

from airflow_provider_assets.landing.entries import ArchivedFiles
from airflow_provider_assets.landing.manifest import (
    Contents,
    Entry,
    Manifest,
    parse,
    parse_all,
)
from airflow_provider_assets.landing.zips.format import Member, MemberTable
from airflow_provider_assets.sansio.errors import InvalidRequestError

RECORD = Manifest("file:///a.zip", 3, None, "0a0b0c0d", 1, "file:///a.zip.manifest.json")
FILES = [Entry("a.png", 3, crc32="0a0b0c0d")]


@pytest.mark.parametrize(
    "contents",
    [
        None,
        Contents({"asset_ids": ("a", "b")}, 1.5),
        Contents({"apps": (), "tasks": ("t",)}),
    ],
)
def test_a_manifest_is_read_as_it_was_written(contents):
    document = RECORD.document(FILES, contents)
    assert parse_all(document) == (RECORD, FILES, contents)
    assert parse(document) == (RECORD, FILES)


def test_only_the_object_lists_the_contents():
    assert "contents" not in RECORD.to_dict()


@pytest.mark.parametrize("contents", ["text", [], {}, {"items": 1}, {"items": {"apps": ["a"]}}])
def test_contents_that_cannot_be_read_are_an_error(contents):
    document = json.dumps({**RECORD.to_dict(), "files": [], "contents": contents}).encode()
    with pytest.raises(
        InvalidRequestError, match=r"not a manifest: .*(contents|items|exported_at)"
    ):
        parse_all(document)


def test_the_files_of_an_archive_are_counted_once_and_without_its_folders(monkeypatch):
    table = MemberTable()
    for name in ("a", "b/", "b/c"):
        table.append(Member(name, 0, 0, 0, 0, 0, name.encode(), 0))
    files = ArchivedFiles(table)
    assert len(files) == 2
    monkeypatch.setattr(MemberTable, "__iter__", None)
    assert len(files) == 2
