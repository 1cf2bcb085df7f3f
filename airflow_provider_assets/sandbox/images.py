"""Real little PNG images from a number, and blobs that can be read from any offset.

Pixels are stored, not compressed, so that a size is known without making the image and the
same seed gives the same bytes with every build of zlib.
"""

from __future__ import annotations

import functools
import hashlib
import random
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DEFLATE_BLOCK = 65_535  # RFC 1951 section 3.2.4: the longest stored block
_PADDING_PIECE = 1 << 20
_CHUNK_FRAME = 12  # length, type and CRC around the data of a PNG chunk
_READ = 1 << 20


class Blob(Protocol):
    """Something that is served: `size` bytes that can be read from anywhere."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    @property
    def etag(self) -> str:
        """An opaque validator, without quotes."""

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes [start, stop) in pieces of at most about 1 MiB."""


@dataclass(frozen=True, slots=True)
class PngBlob:
    """A PNG of `width` x `height` RGB pixels, padded to about `target` bytes with noise."""

    seed: int
    width: int
    height: int
    target: int = 0

    @property
    def size(self) -> int:
        """Length in bytes, known without making the image."""
        raw = (1 + 3 * self.width) * self.height
        blocks = -(-raw // _DEFLATE_BLOCK)
        stored = 2 + 5 * blocks + raw + 4
        base = len(_SIGNATURE) + 13 + stored + 3 * _CHUNK_FRAME
        return base + sum(_CHUNK_FRAME + piece for piece in self._pieces(base))

    @property
    def etag(self) -> str:
        """A validator made from what decides the bytes."""
        text = f"{self.seed}/{self.width}/{self.height}/{self.target}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def chunks(self) -> Iterator[bytes]:
        """The whole file, one PNG chunk at a time."""
        pixels = self._pixels()
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0)
        head = _SIGNATURE + _chunk(b"IHDR", header)
        image, end = _chunk(b"IDAT", pixels), _chunk(b"IEND", b"")
        yield head
        noise = _noise()
        for number, piece in enumerate(self._pieces(len(head) + len(image) + len(end))):
            start = (self.seed * 7919 + number * 104_729) % (len(noise) - _PADDING_PIECE)
            yield _chunk(b"saNd", noise[start : start + piece])
        yield image + end

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes [start, stop)."""
        position = 0
        for chunk in self.chunks():
            low, high = max(start - position, 0), min(stop - position, len(chunk))
            if low < high:
                yield chunk[low:high]
            position += len(chunk)
            if position >= stop:
                return

    def _pieces(self, base: int) -> Iterator[int]:
        missing = self.target - base
        while missing > _CHUNK_FRAME:
            piece = min(missing - _CHUNK_FRAME, _PADDING_PIECE)
            yield piece
            missing -= piece + _CHUNK_FRAME

    def _pixels(self) -> bytes:
        """A diagonal gradient between two colours, as a stored zlib stream."""
        rng = random.Random(self.seed)
        first, last = rng.randbytes(3), rng.randbytes(3)
        span = self.width + self.height
        ramp = bytes(
            (first[band] * (span - step) + last[band] * step) // span
            for step in range(span)
            for band in range(3)
        )
        rows = (b"\x00" + ramp[3 * y : 3 * (y + self.width)] for y in range(self.height))
        return _stored(b"".join(rows))


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
    """A file on disk whose hash is known."""

    path: Path
    size: int
    etag: str

    @classmethod
    def of(cls, path: Path) -> FileBlob:
        """The blob of a finished file; its `etag` is the sha256."""
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


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _stored(raw: bytes) -> bytes:
    out = [b"\x78\x01"]
    for start in range(0, len(raw), _DEFLATE_BLOCK):
        block = raw[start : start + _DEFLATE_BLOCK]
        final = start + _DEFLATE_BLOCK >= len(raw)
        out.append(struct.pack("<BHH", final, len(block), len(block) ^ 0xFFFF) + block)
    return b"".join(out) + struct.pack(">I", zlib.adler32(raw))


@functools.cache
def _noise() -> bytes:
    return random.Random(20).randbytes(3 * _PADDING_PIECE)


def sha256_of(blob: Blob) -> str:
    """The hash of everything a blob serves."""
    digest = hashlib.sha256()
    for piece in blob.read(0, blob.size):
        digest.update(piece)
    return digest.hexdigest()
