"""Small but valid PNG images, generated from a seed.

Pixels are stored, not compressed, so that the size is known without making the image and the
same seed gives the same bytes with every build of zlib.
"""

from __future__ import annotations

import functools
import hashlib
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DEFLATE_BLOCK = 65_535  # RFC 1951 section 3.2.4: the longest stored block
_PADDING_PIECE = 1 << 20
_CHUNK_FRAME = 12  # length, type and CRC around the data of a PNG chunk


@dataclass(frozen=True, slots=True)
class PngBlob:
    """A PNG of RGB pixels, padded with noise to about ``target`` bytes."""

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
        """A validator computed from the parameters that determine the bytes."""
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
