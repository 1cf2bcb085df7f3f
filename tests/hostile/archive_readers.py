"""The entries of an archive in memory, as both of our readers and as ``zipfile`` see them."""

from __future__ import annotations

import io
import random
import warnings
import zipfile
from dataclasses import dataclass, field

from airflow_provider_assets.landing.crc import crc32
from airflow_provider_assets.landing.zips.format import STORED
from airflow_provider_assets.landing.zips.index import locate, payload
from airflow_provider_assets.landing.zips.inflate import Limits, check_whole, inflate
from airflow_provider_assets.landing.zips.scanner import ZipScanner
from airflow_provider_assets.sansio.errors import AssetsError

LIMITS = Limits(max_unpacked=1 << 20, max_ratio=200)
MOST = 1000  # entries


@dataclass
class Seen:
    """What a reader sees: facts of every entry, and the contents of files."""

    facts: list[tuple[object, ...]]
    files: list[tuple[str, bytes]] | None


@dataclass
class _Collector:
    files: list[tuple[str, bytes]] = field(default_factory=list)
    total: int = 0

    def start(self, name: str) -> None:
        self.name, self.now = name, bytearray()

    def data(self, piece: memoryview | bytes) -> None:
        self.total += len(piece)
        LIMITS.check_total(self.total)
        self.now += piece

    def end(self) -> None:
        if not self.name.endswith("/"):
            self.files.append((self.name, bytes(self.now)))


def _facts(members) -> list[tuple[object, ...]]:
    return sorted((m.offset, m.name, m.size, m.packed, m.crc, m.method) for m in members)


def by_scanner(data: bytes, draw: random.Random) -> Seen | None:
    """One pass, in pieces of random size; in one of four cases it only verifies."""
    collector = None if draw.random() < 0.25 else _Collector()
    scanner = ZipScanner(collector, max_entries=MOST, limits=LIMITS if collector else None)
    view, step = memoryview(data), draw.choice((1, 5, 64, 5000, 5000, 5000))
    try:
        for at in range(0, len(view), step):
            scanner.feed(view[at : at + step])
        scanner.close()
    except AssetsError:
        return None
    return Seen(_facts(scanner.members), collector.files if collector else None)


def by_index(data: bytes) -> Seen | None:
    """Random access: the directory first."""
    view = memoryview(data)

    def read(offset: int, target: memoryview) -> None:
        assert 0 <= offset <= offset + len(target) <= len(data)
        target[:] = view[offset : offset + len(target)]

    try:
        location = locate(read, len(data))
        if location is None:
            return None
        index = location.read_index(read, max_entries=MOST)
        LIMITS.check(extent.member for extent in index)
        files = []
        for extent in index:
            member = extent.member
            if member.is_folder:
                continue
            block = view[member.offset : extent.end]
            at = payload(block, extent)
            packed = block[at : at + member.packed]
            content = packed if member.method == STORED else inflate(member, packed)
            check_whole(member, len(content), crc32(content, 0))
            files.append((member.name, bytes(content)))
    except AssetsError:
        return None
    return Seen(_facts(index.members), files)


def by_zipfile(data: bytes) -> Seen | None:
    """The standard library; whatever it raises is its refusal."""
    try:
        with warnings.catch_warnings(), zipfile.ZipFile(io.BytesIO(data)) as opened:
            listed = sorted(opened.infolist(), key=lambda one: one.header_offset)
            if sum(one.file_size for one in listed) > LIMITS.max_unpacked:
                return None
            facts = [
                (
                    i.header_offset,
                    i.orig_filename,
                    i.file_size,
                    i.compress_size,
                    i.CRC,
                    i.compress_type,
                )
                for i in listed
            ]
            files = [
                (i.orig_filename, opened.read(i))
                for i in listed
                if not i.orig_filename.endswith("/")
            ]
    except Exception:  # noqa: BLE001  # it raises a dozen classes for damage
        return None
    return Seen(sorted(facts), files)
