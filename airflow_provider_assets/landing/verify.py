"""Verifies a file while it streams: digest of the whole, structure and checksums of its container."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field, replace

from airflow_provider_assets.landing.options import MIB
from airflow_provider_assets.landing.zips.format import ZipCensus
from airflow_provider_assets.landing.zips.scanner import ZipScanner
from airflow_provider_assets.sansio.errors import IntegrityError

ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
GZIP_MAGIC = b"\x1f\x8b"
_GZIP_STEP = 1 << 14


@dataclass(slots=True)
class _GzipScanner:
    """Checks the CRC-32 and length in the trailer of each member (RFC 1952 §2.3.1).

    Zeros may follow a member: writers of whole blocks pad with them, and gzip(1) skips them.
    """

    engine: zlib._Decompress = field(default_factory=lambda: zlib.decompressobj(31))

    def feed(self, view: memoryview) -> None:
        # The end of a member copies what follows, of which there may be twenty bytes each.
        for at in range(0, len(view), _GZIP_STEP):
            self._feed(view[at : at + _GZIP_STEP])

    def _feed(self, view: memoryview) -> None:
        rest: memoryview | bytes = view
        while rest:
            if self.engine.eof:
                rest = bytes(rest).lstrip(b"\0")
                if not rest:
                    return
                self.engine = zlib.decompressobj(31)
            try:
                self.engine.decompress(rest, MIB)
            except zlib.error as error:
                raise IntegrityError(f"the gzip archive is damaged: {error}") from error
            rest = self.engine.unused_data if self.engine.eof else self.engine.unconsumed_tail

    def close(self) -> None:
        if not self.engine.eof:
            raise IntegrityError("the gzip archive ends early")


@dataclass(slots=True)
class StreamVerifier:
    """Feed it the bytes of one file in order, then call :meth:`close`.

    :param name: name of the file; a ``.zip`` that is not a zip (most likely an error page) is refused.
    :param hash_it: whether to compute the SHA-256 of the whole.
    :param look_inside: whether to read a zip or gzip through and verify it.
    :param max_entries: largest number of entries that a zip may have.
    """

    name: str
    hash_it: bool = True
    look_inside: bool = True
    census: ZipCensus = field(default_factory=ZipCensus)
    max_entries: int = 1_000_000
    size: int = 0
    scanner: ZipScanner | _GzipScanner | None = None
    _hash: hashlib._Hash | None = None

    def __post_init__(self) -> None:
        """Prepare the digest. The first bytes will show the kind of container."""
        if self.hash_it:
            self._hash = hashlib.sha256()

    def feed(self, view: memoryview) -> None:
        """Verify the next bytes.

        :raises IntegrityError: as soon as they contradict the container's own checksums.
        """
        if self.look_inside and not self.size:
            self.scanner = self._recognise(bytes(view[:4]))
        self.size += len(view)
        if self._hash:
            self._hash.update(view)
        if self.scanner:
            self.scanner.feed(view)

    def snapshot(self) -> tuple[str, ZipCensus] | None:
        """The kind of container and its census so far; None if such a verification cannot be resumed."""
        if isinstance(self.scanner, ZipScanner):
            return "zip", replace(self.scanner.census)
        return None if self.scanner else ("", ZipCensus())

    def take_over(self, census: ZipCensus, size: int, *, is_zip: bool) -> None:
        """Continue after *size* verified bytes; feed the scanner from ``census.offset`` on."""
        self.size, self._hash = size, None
        if is_zip and self.look_inside:
            self.scanner = ZipScanner(census=census, max_entries=self.max_entries)

    def close(self) -> None:
        """End the file.

        :raises IntegrityError: if the container is incomplete.
        """
        if self.look_inside and not self.size and self.name.endswith(".zip"):
            raise IntegrityError(f"{self.name} is empty, which is not a zip archive")
        if self.scanner:
            self.scanner.close()

    @property
    def sha256(self) -> str | None:
        """Hex digest of all bytes; None if it is not computed."""
        return self._hash.hexdigest() if self._hash else None

    def verdict(self) -> tuple[list[str], dict[str, str]]:
        """The checks that passed, and check -> reason why it was not made. Call after :meth:`close`."""
        if isinstance(self.scanner, ZipScanner):
            if self.scanner.unverified:
                return ["zip_structure"], {"zip_crc32": self.scanner.unverified}
            return ["zip_structure", "zip_crc32"], {}
        if self.scanner:
            return ["gzip_trailer"], {}
        return [], {} if self.look_inside else {"container": "switched off"}

    def _recognise(self, magic: bytes) -> ZipScanner | _GzipScanner | None:
        if magic in ZIP_MAGICS:
            return ZipScanner(census=self.census, max_entries=self.max_entries)
        if self.name.lower().endswith(".zip"):
            raise IntegrityError(f"{self.name} is not a zip archive: it starts with {magic!r}")
        return _GzipScanner() if magic.startswith(GZIP_MAGIC) else None
