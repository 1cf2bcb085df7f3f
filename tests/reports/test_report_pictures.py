"""Thumbnails from archives and files that have landed."""

from __future__ import annotations

import base64
import io
import json
import tracemalloc
import zipfile

import pytest
from PIL import EpsImagePlugin, Image

from airflow_provider_assets.landing import LocalStore, open_store
from airflow_provider_assets.reports import pictures
from airflow_provider_assets.reports.pictures import choose, rows_of, thumbnails


def image(color="teal", format_="PNG", side=500) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), color).save(file, format_)
    return file.getvalue()


def row(uri: str, file: str, **known):
    return {"uri": uri, "file": file, "bytes": 1000, "prompt": None, "name": None, **known}


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path.as_uri())


@pytest.fixture
def archive(store, tmp_path):
    """A zip in a folder whose name is percent-encoded in its URI."""
    folder = tmp_path / "exports of today"
    folder.mkdir()
    with zipfile.ZipFile(folder / "one.zip", "w") as made:
        made.writestr("a/one.png", image())
        made.writestr("two.jpeg", image(format_="JPEG"), zipfile.ZIP_DEFLATED)
        made.writestr("broken.png", b"\x89PNG\r\n\x1a\n and no more")
        made.writestr("program.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n")
        # Neither zipfile nor we can read what these two say of themselves.
        made.getinfo(made.writestr("encrypted.png", image()) or "encrypted.png").flag_bits |= 1
        made.getinfo(made.writestr("method.png", image()) or "method.png").compress_type = 9
    return store.uri("exports of today/one.zip")


def test_images_are_read_from_their_archive(store, archive):
    rows = [row(archive, "a/one.png", prompt="a kite"), row(archive, "two.jpeg", name="sea")]
    found = list(thumbnails(store, "exports of today/", rows))
    assert [one.caption for one in found] == ["a kite", "sea"]
    for one in found:
        with Image.open(io.BytesIO(base64.b64decode(one.jpeg))) as small:
            assert small.format == "JPEG"
            assert max(small.size) == pictures.SIDE


def test_single_files_are_read_too(store):
    (key, data) = ("day/one.png", image())
    store.put(key, data, crc32=0, overwrite=False)
    (found,) = thumbnails(store, "day/", [row(store.uri(key), "one.png")])
    assert found.name == "one.png"


@pytest.mark.parametrize("file", ["broken.png", "gone.png", "encrypted.png", "method.png"])
def test_a_picture_that_cannot_be_read_costs_itself_only(store, archive, file):
    rows = [row(archive, file), row(archive, "two.jpeg")]
    assert [one.name for one in thumbnails(store, "exports of today/", rows)] == ["two.jpeg"]


def test_no_image_starts_another_program(store, archive, monkeypatch):
    opened = []

    def note(image):
        opened.append(image)

    monkeypatch.setattr(EpsImagePlugin.EpsImageFile, "_open", note)
    assert list(thumbnails(store, "exports of today/", [row(archive, "program.png")])) == []
    assert not opened


def test_an_archive_of_a_million_entries_takes_little_memory(store, archive, monkeypatch, tmp_path):
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as made:
        for number in range(20_000):
            made.writestr(f"{number:0100}.png", b"")
        made.writestr("one.png", image())
    rows = [row(store.uri("many.zip"), "one.png")] * 3
    tracemalloc.start()
    try:
        assert len(list(thumbnails(store, "", rows))) == 3
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10_000_000  # zipfile takes 15
    monkeypatch.setattr(pictures, "MAX_DIRECTORY", 1 << 20)
    assert list(thumbnails(store, "", rows)) == []


def test_nothing_outside_of_the_destination_is_read(store, archive):
    assert (
        list(thumbnails(store, "exports of today/", [row("file:///etc/one.png", "one.png")])) == []
    )


def test_a_page_has_a_bound_on_what_it_reads(store, archive, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_TOTAL", 1500)
    rows = [row(archive, "a/one.png"), row(archive, "two.jpeg")]
    assert len(list(thumbnails(store, "exports of today/", rows))) == 1


def test_an_image_of_too_many_pixels_is_left_out(store, archive, monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PIXELS", 1000)
    assert list(thumbnails(store, "exports of today/", [row(archive, "a/one.png")])) == []


def test_the_rows_are_chosen_evenly_and_only_images_of_an_acceptable_size():
    rows = [row("u", f"{i}.png") for i in range(100)]
    others = [row("u", "film.mp4"), row("u", "huge.png", bytes=1 << 30), row("u", None)]
    assert [one["file"] for one in choose([*others, *rows], 4)] == [
        "0.png",
        "25.png",
        "50.png",
        "75.png",
    ]
    assert choose(rows[:2], 24) == rows[:2]
    assert choose(rows, 0) == []


def test_the_rows_of_a_batch_are_lines_of_json(store):
    lines = [row("u", "a.png"), row("u", "b.png")]
    document = b"\n".join(json.dumps(one).encode() for one in lines) + b"\n"
    store.put("day/one.jsonl", document, crc32=0, overwrite=False)
    assert rows_of(store, "day/", store.uri("day/one.jsonl")) == lines


@pytest.mark.parametrize("document", [b"no JSON", None], ids=["broken", "gone"])
def test_metadata_that_cannot_be_read_cost_their_pictures_only(store, document):
    if document:
        store.put("day/one.jsonl", document, crc32=0, overwrite=False)
    assert rows_of(store, "day/", store.uri("day/one.jsonl")) == []
    assert rows_of(store, "day/", "file:///elsewhere/one.jsonl") == []


def test_a_long_prompt_is_cut():
    caption = pictures.caption_of(row("u", "a.png", prompt="kite " * 100))
    assert len(caption) == pictures.CAPTION + 1


@pytest.mark.parametrize("folder", ["day=1", "day%3D1"], ids=["now", "by an earlier release"])
def test_an_address_leads_to_its_key_however_much_of_it_is_encoded(tmp_path, folder):
    store = LocalStore(tmp_path)
    base = tmp_path.as_uri()
    assert pictures.key_of(store, "day=1/", f"{base}/{folder}/a%20b.zip") == "day=1/a b.zip"
    with pytest.raises(ValueError, match="is not below"):
        pictures.key_of(store, "day=1/", f"{base}/other/a.zip")
