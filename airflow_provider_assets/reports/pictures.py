"""Thumbnails of images that have landed, read from their archive by range."""

from __future__ import annotations

import base64
import io
import logging
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TypeVar
from urllib.parse import unquote

from airflow_provider_assets.landing import Store
from airflow_provider_assets.reports.page import Picture
from airflow_provider_assets.sansio.errors import AssetsError
from airflow_provider_assets.sansio.stored import is_count, is_text
from airflow_provider_assets.sansio.strict_json import JSON, parse_text

log = logging.getLogger(__name__)
Row = Mapping[str, JSON]
T = TypeVar("T")
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif")
SIDE = 256  # pixels
CAPTION = 160  # characters
# What one page may cost: bytes of one image, and of all images together.
MAX_IMAGE = 16 << 20
MAX_TOTAL = 128 << 20
MAX_PIXELS = 64_000_000
_READ_AHEAD = 256 << 10
# A picture that is missing is no reason to lose the report.
_UNREADABLE = (
    AssetsError,
    OSError,
    ValueError,
    KeyError,
    zipfile.BadZipFile,
    zlib.error,
    SyntaxError,
)


def spread(values: Sequence[T], limit: int) -> list[T]:
    """At most *limit* of *values*, spread evenly over them."""
    step = max(len(values) / limit, 1.0) if limit else 0.0
    return [values[int(i * step)] for i in range(min(limit, len(values)))]


def choose(rows: Iterable[Row], limit: int) -> list[Row]:
    """At most *limit* of the rows that name an image of an acceptable size, spread evenly over them."""
    images = [
        row
        for row in rows
        if str(row.get("file") or "").lower().endswith(ENDINGS)
        and is_text(row.get("uri"))
        and is_count(size := row.get("bytes"))
        and int(str(size)) <= MAX_IMAGE
    ]
    return spread(images, limit)


def rows_of(store: Store, prefix: str, uri: str) -> list[Row]:
    """The rows of the metadata of a batch, lines of JSON; none if they cannot be read."""
    try:
        document = store.get(key_of(store, prefix, uri)) or b""
        rows = [parse_text(line.decode()) for line in document.splitlines() if line]
        return [row for row in rows if isinstance(row, dict)]
    except _UNREADABLE as error:
        log.warning("No thumbnails of %s: %s", uri, type(error).__name__)
        return []


def thumbnails(store: Store, prefix: str, rows: Iterable[Row]) -> Iterator[Picture]:
    """A picture of each of *rows*, as far as its image can be read.

    :param prefix: of the destination's keys.
    :raises ImportError: if Pillow is not installed.
    """
    from PIL import Image

    budget = MAX_TOTAL
    with ExitStack() as opened:
        archives: dict[str, zipfile.ZipFile] = {}
        for row in rows:
            uri, name = str(row["uri"]), str(row["file"])
            budget -= int(str(row["bytes"]))
            if budget < 0:
                return
            try:
                key = key_of(store, prefix, uri)
                if key.lower().endswith(ENDINGS):
                    data = store.get(key) or b""
                else:
                    if uri not in archives:
                        stored = _StoredFile(store, key)
                        reader = io.BufferedReader(stored, _READ_AHEAD)
                        archives[uri] = opened.enter_context(zipfile.ZipFile(reader))
                    data = _entry(archives[uri], name)
                yield Picture(to_jpeg(data), caption_of(row), name)
            except (*_UNREADABLE, Image.DecompressionBombError) as error:
                log.warning("No thumbnail of %s: %s", name, type(error).__name__)


def caption_of(row: Row) -> str:
    """The prompt of an item, else its name."""
    text = str(row.get("prompt") or row.get("name") or "")
    return text if len(text) <= CAPTION else f"{text[:CAPTION]}…"


def _entry(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as entry:
        return entry.read(MAX_IMAGE)


def to_jpeg(data: bytes) -> str:
    """A small JPEG of an image, in base64."""
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"an image of {image.width} x {image.height} pixels")
        image.draft("RGB", (SIDE, SIDE))  # a JPEG is decoded no larger than needed
        image.thumbnail((SIDE, SIDE))
        small = io.BytesIO()
        image.convert("RGB").save(small, "JPEG", quality=75)
    return base64.b64encode(small.getvalue()).decode()


def key_of(store: Store, prefix: str, uri: str) -> str:
    """The key of an object of the destination.

    :raises ValueError: if *uri* is not below the destination.
    """
    base = store.uri(prefix)
    rest = uri.removeprefix(base).lstrip("/")
    for key in (prefix + rest, prefix + unquote(rest)):  # file URIs are percent-encoded
        if store.uri(key) == uri:
            return key
    raise ValueError(f"{uri} is not below {base}")


class _StoredFile(io.RawIOBase):
    """An object of a store as a file that can be read from any position."""

    def __init__(self, store: Store, key: str) -> None:
        super().__init__()
        found = store.head(key)
        if found is None:
            raise FileNotFoundError(key)
        self._store, self._key, self._size, self._at = store, key, found.size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # any writable buffer
        view = memoryview(buffer)[: max(self._size - self._at, 0)]
        if view:
            self._store.read(self._key, self._at, view)
        self._at += len(view)
        return len(view)
