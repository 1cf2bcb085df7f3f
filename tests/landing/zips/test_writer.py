"""The zip writer beyond the numbers of the first format."""

from __future__ import annotations

import io
import zipfile

import pytest

from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.zips.directory import parse_directory
from airflow_provider_assets.landing.zips.scanner import ZipScanner
from airflow_provider_assets.landing.zips.writer import ZipWriter


@pytest.mark.long
def test_an_archive_of_more_than_sixteen_bits_of_entries_is_zip64(tmp_path):
    pieces, scanner = [], ZipScanner()
    writer = ZipWriter(lambda view: (pieces.append(bytes(view)), scanner.feed(view)))
    for number in range(66_000):
        writer.small(f"{number}", b"")
    writer.close()
    scanner.close()
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as opened:
        assert len(opened.namelist()) == 66_000


def test_entries_beyond_four_gibibytes_are_zip64():
    tail = []
    writer = ZipWriter(lambda view: tail.append(bytes(view)))
    record = writer.begin("huge")
    writer.position += 5 << 30  # as if five gibibytes had been fed
    writer.end(record, Checksum(5 << 30, 1))
    writer.small("after", b"x")
    tail.clear()
    start = writer.position
    writer.close()
    members = parse_directory(b"".join(tail), start, 2)
    assert [(m.name, m.size) for m in members] == [("huge", 5 << 30), ("after", 1)]
    assert members[1].offset > 5 << 30
