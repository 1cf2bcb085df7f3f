"""Bytes that can be served from any offset: in memory, in a file, or made on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_READ = 1 << 20


class Blob(Protocol):
    """Some bytes with a known size."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    @property
    def etag(self) -> str:
        """An opaque validator, without quotes."""

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes [start, stop) in pieces of at most about 1 MiB."""


@dataclass(frozen=True, slots=True)
class BytesBlob:
    """A few bytes in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.data)

    @property
    def etag(self) -> str:
        """The hash of the bytes."""
        return hashlib.sha256(self.data).hexdigest()

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes [start, stop)."""
        yield self.data[start:stop]


@dataclass(frozen=True, slots=True)
class FileBlob:
    """A file on disk with a known hash."""

    path: Path
    size: int
    etag: str

    @classmethod
    def of(cls, path: Path) -> FileBlob:
        """The blob of a finished file; its ``etag`` is the SHA-256."""
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while piece := stream.read(_READ):
                digest.update(piece)
        return cls(path, path.stat().st_size, digest.hexdigest())

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes [start, stop)."""
        with self.path.open("rb") as stream:
            stream.seek(start)
            while start < stop:
                piece = stream.read(min(_READ, stop - start))
                if not piece:
                    return
                yield piece
                start += len(piece)


def sha256_of(blob: Blob) -> str:
    """The SHA-256 of a whole blob."""
    digest = hashlib.sha256()
    for piece in blob.read(0, blob.size):
        digest.update(piece)
    return digest.hexdigest()
