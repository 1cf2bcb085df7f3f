"""The files of an archive, and the addresses to download them from.

A :class:`Link` may be signed or carry credentials: it lives in memory only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from airflow_provider_assets.sansio.errors import AssetsError

# The error for an answer, from its status, its headers (lower-case names) and the beginning of its body.
Judge = Callable[[int, Mapping[str, str], bytes], AssetsError | None]


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """One downloadable file of an archive.

    :param key: the vendor's key of the file; unique within the archive.
    :param name: a safe file name, unique within the archive; "" lets the landing derive one.
    :param size: bytes, if known before the download.
    """

    key: str
    name: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """An address to download one file from, now. It is resolved as late as possible and never stored.

    :param url: goes over the wire byte for byte; it may be signed.
    :param headers: API credentials where the API itself serves the bytes (ROMA), else empty.
    :param head_url: answers HEAD only, and announces the length (Topaz); None elsewhere.
    :param expires_at: epoch seconds at which new requests are refused, if known.
    :param secret_headers: lower-case names of the headers that hold credentials; None: all of them may.
    :param refused: the error for an answer other than 200 or 206, from its status, its headers (lower-case
        names) and the first few KiB of its body. None, or a None that it returns, leaves that to the
        status alone. The vendor gives it where its own API serves the bytes.
    """

    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    head_url: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    secret_headers: frozenset[str] | None = field(default=None, repr=False)
    refused: Judge | None = field(default=None, repr=False, compare=False)
