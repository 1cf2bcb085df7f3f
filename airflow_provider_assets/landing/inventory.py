"""Reads the manifests under a destination, and checks the objects that they name.

``manifest`` trusts the manifests; ``sizes`` compares the sizes of objects in one listing of the destination;
``bytes`` also reads every object and compares its checksums.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from airflow_provider_assets.ahead import in_order
from airflow_provider_assets.landing.crc import crc32
from airflow_provider_assets.landing.manifest import (
    Contents,
    Entry,
    Manifest,
    parse_all,
)
from airflow_provider_assets.landing.markers import MANIFEST_SUFFIX, STAGING_FOLDER
from airflow_provider_assets.landing.options import MIB, PARALLEL_REQUESTS
from airflow_provider_assets.landing.stores.base import Store, is_address_of, pieces
from airflow_provider_assets.sansio.arguments import require_choice
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    InvalidRequestError,
    PermanentError,
    TransferInterruptedError,
)
from airflow_provider_assets.sansio.reconcile import Landing, Problem

DEPTHS = ("manifest", "sizes", "bytes")
_PIECE = 4 * MIB  # bytes that one thread reads at a time
_TRIES = 3
_AHEAD = 2 * PARALLEL_REQUESTS
_GONE = "the object is gone"
# Answers to a GET of an object that has to be restored first: of S3 and of Azure Blob Storage.
_ARCHIVED = frozenset({"InvalidObjectState", "BlobArchived"})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecordedLanding:
    """A landing as its manifest records it, and what a comparison needs to know about it."""

    manifest: Manifest
    landing: Landing


Wanted = Callable[[RecordedLanding], bool]


def check_depth(verify: str) -> None:
    """Refuse a depth that does not exist.

    :raises InvalidRequestError: naming those that do.
    """
    require_choice(verify, "verify", DEPTHS)


@dataclass(slots=True)
class Inventory:
    """The manifests and objects stored under *prefix*.

    :param wanted: whether the objects of a landing are to be checked and the landing reported; it is called
        by several threads.
    :param may_hold: whether the manifest of a key may be wanted; any other is not read.
    :ivar objects: key -> bytes of all objects; empty for ``manifest``, which asks for no object.
    """

    store: Store
    prefix: str
    verify: str = "manifest"
    wanted: Wanted = lambda _: True
    may_hold: Callable[[str], bool] = lambda _: True
    objects: dict[str, int] = field(default_factory=dict)
    _refusals: list[AssetsError] = field(default_factory=list, init=False, repr=False)
    _archived: list[str] = field(default_factory=list, init=False, repr=False)

    def read(self) -> Iterator[RecordedLanding | Problem]:
        """Every landing that is wanted, or the reason why its manifest cannot be read.

        A few manifests are read at a time, in parallel, and only as fast as they are consumed. A staged
        package has a manifest too, but none of its files has landed: what is staged is left out.

        :raises AssetsError: if the destination cannot be listed, or not one of its manifests can be read.
        """
        manifests = []
        for key, size in self.store.listing(self.prefix):
            if f"/{STAGING_FOLDER}" in f"/{key.removeprefix(self.prefix)}":
                continue
            if key.endswith(MANIFEST_SUFFIX):
                if self.may_hold(key):
                    manifests.append(key)
            elif self.verify != "manifest":
                self.objects[key] = size
        with ThreadPoolExecutor(PARALLEL_REQUESTS, "inventory") as pool:
            for found in in_order(pool, sorted(manifests), self._one, ahead=_AHEAD):
                if found is not None:
                    yield found
        if self._archived:
            _log.warning(
                "Objects that cannot be read because of their archive storage class: %d; the first is %s. "
                "Their sizes, and the checksums that the store keeps, match",
                len(self._archived),
                self._archived[0],
            )
        if self._refusals and len(self._refusals) == len(manifests):
            # A permission to read is missing: nothing is known of any landing.
            raise self._refusals[0]

    def _one(self, key: str) -> RecordedLanding | Problem | None:
        uri = self.store.uri(key)
        try:
            document = _patiently(lambda: self.store.get(key))
        except PermanentError as error:
            self._refusals.append(error)
            return Problem(uri, f"the manifest cannot be read: {self._reason(key, error)}")
        if document is None:
            return None  # deleted since it was listed
        try:
            record, files, contents = parse_all(document)
        except InvalidRequestError as error:
            return Problem(uri, f"the manifest cannot be read: {error.message}")
        recorded = RecordedLanding(record, _landing(uri, record, files, contents))
        if not self.wanted(recorded):
            return None
        if self.verify == "manifest":
            return recorded
        return replace(recorded, landing=self._checked(recorded, key, files))

    def _checked(self, recorded: RecordedLanding, key: str, files: Iterable[Entry]) -> Landing:
        """The landing with what is wrong with its objects."""
        record, landing = recorded.manifest, recorded.landing
        if record.layout != "files":
            whole = Entry("", record.bytes, record.crc32, record.sha256)
            return replace(landing, broken=self._fault(key.removesuffix(MANIFEST_SUFFIX), whole))
        folder = self._folder(record, key)
        faults = {one.name: self._fault(folder + one.name, one) for one in files}
        return replace(landing, damaged={name: why for name, why in faults.items() if why})

    def _folder(self, record: Manifest, key: str) -> str:
        """The prefix of the files: the manifest's name may contain folders after it."""
        parts = key.split("/")[:-1]
        folders = ["".join(f"{one}/" for one in parts[:end]) for end in range(len(parts), -1, -1)]
        # Where all was copied to another bucket, no URI fits.
        return next(
            (one for one in folders if is_address_of(self.store, one, record.uri)), folders[0]
        )

    def _fault(self, key: str, entry: Entry) -> str:
        """The fault of an object, or ""."""
        size = self.objects.get(key)
        if size is None:
            return _GONE
        if size != entry.bytes:
            return f"the object has {size} bytes instead of {entry.bytes}"
        return self._changed_bytes(key, entry) if self.verify == "bytes" else ""

    def _changed_bytes(self, key: str, entry: Entry) -> str:
        """Differences between the bytes of an object and its manifest, or ""."""
        try:
            crc, sha256 = self._digests(key, entry.bytes, hash_it=entry.sha256 is not None)
        except (PermanentError, TransferInterruptedError) as error:
            is_archived = error.code in _ARCHIVED
            return self._archived_fault(key, entry) if is_archived else self._unreadable(key, error)
        if entry.crc32 is not None and crc != entry.crc32:
            return f"the object has the CRC-32 {crc} instead of {entry.crc32}"
        if sha256 != entry.sha256:
            return f"the object has the SHA-256 {sha256} instead of {entry.sha256}"
        return ""

    def _archived_fault(self, key: str, entry: Entry) -> str:
        """The fault of an object whose bytes only the store knows, or ""."""
        there = self.store.head(key)
        if there is None:
            return _GONE
        if None not in (there.crc32, entry.crc32) and f"{there.crc32:08x}" != entry.crc32:
            return f"the store keeps the CRC-32 {there.crc32:08x} instead of {entry.crc32}"
        self._archived.append(self.store.uri(key))
        return ""

    def _unreadable(self, key: str, error: AssetsError) -> str:
        """The reason why a listed object cannot be read.

        :raises AssetsError: if it may be readable later.
        """
        with suppress(AssetsError):
            if self.store.head(key) is None:
                return _GONE  # since it was listed
        if error.retryable:
            raise error
        return f"the object cannot be read: {self._reason(key, error)}"

    def _reason(self, key: str, error: AssetsError) -> str:
        """The text of *error*, which concerns this object alone.

        :raises AssetsError: if the destination can no longer be listed, for example because a session has
            expired.
        """
        next(self.store.listing(self.prefix), None)
        return error.message.removeprefix(f"cannot read {self.store.uri(key)}: ")

    def _digests(self, key: str, size: int, *, hash_it: bool) -> tuple[str, str | None]:
        """CRC-32 and, if asked for, SHA-256 of an object, in hex."""
        crc, sha256 = 0, hashlib.sha256() if hash_it else None
        for view in pieces(partial(self._fill, key), size, _PIECE):
            crc = crc32(view, crc)
            if sha256:
                sha256.update(view)
        return f"{crc:08x}", sha256.hexdigest() if sha256 else None

    def _fill(self, key: str, at: int, view: memoryview) -> None:
        _patiently(lambda: self.store.read(key, at, view))


def _landing(
    uri: str, record: Manifest, files: Iterable[Entry], contents: Contents | None
) -> Landing:
    return Landing(
        uri,
        items=contents.items if contents else None,
        files=[one.name for one in files] if record.lists_files else None,
        exported_at=contents.exported_at if contents else None,
    )


def _patiently(read: Callable[[], bytes | None]) -> bytes | None:
    """The result of *read*, which is tried again after an interruption."""
    for attempt in range(1, _TRIES):
        try:
            return read()
        except TransferInterruptedError:
            time.sleep(attempt)
    return read()
