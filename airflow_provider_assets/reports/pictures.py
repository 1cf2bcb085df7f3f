"""Thumbnails of images that have landed, read from their archive by range."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

from airflow_provider_assets.landing import LandingOptions, Store
from airflow_provider_assets.landing.crc import crc32
from airflow_provider_assets.landing.stores.base import is_address_of, plain
from airflow_provider_assets.landing.zips.format import STORED
from airflow_provider_assets.landing.zips.index import Extent, locate, payload
from airflow_provider_assets.landing.zips.inflate import check_method, check_whole, inflate
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
MAX_DIRECTORY = 64 << 20
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")  # of all others, some start another program (EPS)


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
    except (AssetsError, OSError, ValueError) as error:
        log.warning("No thumbnails of %s: %s", uri, type(error).__name__)
        return []


def thumbnails(store: Store, prefix: str, rows: Iterable[Row]) -> Iterator[Picture]:
    """A picture of each of *rows*, as far as its image can be read.

    :param prefix: of the destination's keys.
    :raises ImportError: if Pillow is not installed.
    """
    import PIL.Image  # noqa: F401  # fails here rather than for each image

    chosen = list(rows)
    budget = MAX_TOTAL
    archives: dict[str, Mapping[str, Extent]] = {}
    for row in chosen:
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
                    archives[uri] = {}  # an archive that cannot be read is tried once
                    wanted = {str(one["file"]) for one in chosen if one["uri"] == uri}
                    archives[uri] = _entries(store, key, wanted)
                data = _unpacked(store, key, archives[uri][name])
            yield Picture(to_jpeg(data), caption_of(row), name)
        except Exception as error:  # noqa: BLE001  # a picture is no reason to lose the report
            log.warning("No thumbnail of %s: %s", name, type(error).__name__)


def caption_of(row: Row) -> str:
    """The prompt of an item, else its name."""
    text = str(row.get("prompt") or row.get("name") or "")
    return text if len(text) <= CAPTION else f"{text[:CAPTION]}…"


def _entries(store: Store, key: str, wanted: Container[str]) -> dict[str, Extent]:
    """The entries of an archive that have one of the *wanted* names."""
    found = store.head(key)
    if found is None:
        raise FileNotFoundError(key)
    read = partial(store.read, key)
    location = locate(read, found.size)
    if location is None or location.size > MAX_DIRECTORY:
        raise ValueError("not a zip, or one with too many entries")
    index = location.read_index(read, max_entries=LandingOptions().max_entries)
    return {one.member.name: one for one in index if one.member.name in wanted}


def _unpacked(store: Store, key: str, entry: Extent) -> bytes:
    member = entry.member
    check_method(member.name, member.method, member.flags)
    if max(member.size, entry.size) > MAX_IMAGE:
        raise ValueError("an image with too many bytes")
    block = memoryview(bytearray(entry.size))
    store.read(key, member.offset, block)
    at = payload(block, entry)
    packed = block[at : at + member.packed]
    data = bytes(packed) if member.method == STORED else inflate(member, packed)
    check_whole(member, len(data), crc32(data, 0))
    return data


def to_jpeg(data: bytes) -> str:
    """A small JPEG of an image, in base64."""
    from PIL import Image

    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
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
    key = prefix + plain(uri).removeprefix(plain(base)).lstrip("/")
    if is_address_of(store, key, uri):
        return key
    raise ValueError(f"{uri} is not below {base}")
