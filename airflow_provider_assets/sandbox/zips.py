"""Zip files written to disk one entry at a time; equal members give equal bytes."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import io
import warnings
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from airflow_provider_assets.sandbox.blobs import Blob, FileBlob

_ZIP64_FROM = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file to be archived; ``modified`` is in epoch seconds."""

    name: str
    item_id: str
    blob: Blob
    modified: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file as it was archived."""

    name: str
    item_id: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """An archive on disk and the record of its content."""

    name: str
    blob: FileBlob
    entries: tuple[Entry, ...]

    @property
    def sha256(self) -> str:
        """Hash of the whole archive."""
        return self.blob.etag

    def report(self) -> dict[str, object]:
        """Name, bytes, sha256 and entries, as the admin route shows them."""
        return {
            "name": self.name,
            "bytes": self.blob.size,
            "sha256": self.sha256,
            "entries": [dataclasses.asdict(entry) for entry in self.entries],
        }


class _Unseekable(io.RawIOBase):
    """Makes ``zipfile`` write data descriptors, as servers that pack in flight do."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # bytes are all it gets
        return self._stream.write(data)

    def flush(self) -> None:
        self._stream.flush()


def build_zip(path: Path, *, name: str, members: Iterable[Member], style: str) -> Archive:
    """Write a zip file and return the record of its content.

    :param style: ``stored``, ``deflated`` or ``streamed`` (deflated, with data descriptors).
    """
    method = zipfile.ZIP_STORED if style == "stored" else zipfile.ZIP_DEFLATED
    entries: list[Entry] = []
    part = path.with_suffix(".part")
    with part.open("wb") as stream, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Duplicate name")
        target: BinaryIO = _Unseekable(stream) if style == "streamed" else stream  # type: ignore[assignment]  # writes alone
        with zipfile.ZipFile(target, "w", compression=method) as archive:
            entries.extend(_add(archive, member, method) for member in members)
    part.replace(path)
    return Archive(name=name, blob=FileBlob.of(path), entries=tuple(entries))


def _add(archive: zipfile.ZipFile, member: Member, method: int) -> Entry:
    when = dt.datetime.fromtimestamp(member.modified, tz=dt.timezone.utc)
    info = zipfile.ZipInfo(member.name, date_time=when.timetuple()[:6])
    info.compress_type = method
    info.external_attr = 0o644 << 16
    digest = hashlib.sha256()
    size = member.blob.size
    with archive.open(info, "w", force_zip64=size >= _ZIP64_FROM) as out:
        for piece in member.blob.read(0, size):
            out.write(piece)
            digest.update(piece)
    return Entry(name=member.name, item_id=member.item_id, bytes=size, sha256=digest.hexdigest())
