"""Ownership of an object between its publication and its manifest, recorded in a marker beside it.

The marker holds the landing's label. If a landing is killed before it writes its manifest, the next
landing of the same contents recognizes the object by the marker and may replace it, even if the vendor
sends other bytes by then; no other landing may.

The manifest of an object that is being replaced is withdrawn first, unless the store forbids deleting, so
that it never vouches for another one. While it is withdrawn, the marker remembers how many files it listed,
so that no smaller landing of the same contents takes its place. If the object turns out not to have been
replaced, the manifest comes back.

Only ``layout="archive"`` needs a marker: for many files, the state remembers which of them have landed
(:class:`~.files_checkpoint.FilesCheckpoint`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto

from airflow_provider_assets.landing.call import LandingCall
from airflow_provider_assets.landing.crc import crc32
from airflow_provider_assets.landing.manifest import Entry, Manifest, parse
from airflow_provider_assets.landing.markers import OWNERSHIP_MARKER
from airflow_provider_assets.landing.previous import holds_recorded, refuse_fewer
from airflow_provider_assets.landing.stores.base import best_effort, name_taken, put_document
from airflow_provider_assets.sansio.errors import (
    IntegrityError,
    InvalidRequestError,
    PermanentError,
)
from airflow_provider_assets.sansio.stored import is_count
from airflow_provider_assets.sansio.strict_json import parse_text

_log = logging.getLogger(__name__)


def ensure_free(call: LandingCall, size: int | None = None) -> None:
    """Check that the object may get its name, before more bytes are fetched for it.

    The store checks again when the object is published, but only after the whole download. An object of
    the same size passes here, because it may be the same one, whose manifest was deleted.

    :param size: bytes that the object will have; None refuses every other object of the name, so that a
        package that can be downloaded only once is not spent on comparing the two.
    :raises InvalidRequestError: if another object has the name.
    """
    if call.replacing.is_allowed or not call.needs_marker:
        return
    there = call.store.head(call.key)
    if there and there.size != size and _least_in_marker(call) is None:
        raise name_taken(call.store.uri(call.key))


class Claim(Enum):
    """Right to a name, as it is before an object is published under it."""

    # No marker: the store refuses a name that has other contents.
    LEFT_TO_STORE = auto()
    # No marker: whatever is there may be replaced, and no manifest records it.
    REPLACES_ANY = auto()
    # The name was free, and our marker is beside it.
    RESERVED = auto()
    # Our marker is beside an object that may be replaced.
    REPLACES_MARKED = auto()

    @property
    def has_marker(self) -> bool:
        """Whether our marker is stored."""
        return self in (Claim.RESERVED, Claim.REPLACES_MARKED)

    @property
    def may_replace(self) -> bool:
        """Whether an object of the name may be replaced."""
        return self in (Claim.REPLACES_ANY, Claim.REPLACES_MARKED)


@contextmanager
def ownership(call: LandingCall, files: int) -> Iterator[bool]:
    """Hold the marker while an object with so many *files* is published in the block.

    Yields whether the object may replace what has its name.

    :raises PartialArchiveError: if it would replace a landing of the same contents that has more files.
    """
    claim = _claim(call, files)
    withdrawn = None
    try:
        is_outdated = claim is Claim.RESERVED and call.has_manifest  # its object is gone
        if claim is Claim.REPLACES_MARKED or is_outdated:
            withdrawn = call.store.get(call.manifest_key)
            if withdrawn is not None:
                _withdraw_manifest(call)
        yield claim.may_replace
    except BaseException as error:
        is_unchanged = isinstance(error, (PermanentError, IntegrityError))
        best_effort(
            lambda: _undo(call, claim, withdrawn, is_unchanged=is_unchanged),
            otherwise="The manifest of the earlier landing, or a marker, cannot be put back; the next "
            "attempt lands again",
        )
        raise


def commit(call: LandingCall, record: Manifest, files: Iterable[Entry]) -> None:
    """Write the manifest and remove the marker, which is no longer needed."""
    put_document(call.store, call.manifest_key, record.document(files, call.contents))
    _remove_marker(call)


def _claim(call: LandingCall, files: int) -> Claim:
    """Claim the name of *call* for an object with so many *files*."""
    refuse_fewer(call, files, call.replacing.at_least)
    if not call.needs_marker or (
        call.replacing.is_allowed and not call.store.head(call.manifest_key)
    ):
        return Claim.REPLACES_ANY if call.replacing.is_allowed else Claim.LEFT_TO_STORE
    if not call.replacing.is_allowed and call.store.head(call.key):
        least = _least_in_marker(call)
        if least is None:
            return Claim.LEFT_TO_STORE
        if call.verify or files > 1:  # else it may be an archive whose files nobody has counted
            refuse_fewer(call, files, least)
        return Claim.REPLACES_MARKED
    put_document(call.store, call.key + OWNERSHIP_MARKER, _marker(call))
    return Claim.REPLACES_MARKED if call.replacing.is_allowed else Claim.RESERVED


def _withdraw_manifest(call: LandingCall) -> None:
    """Remove the manifest of the object that is about to be replaced.

    :raises TransientError: if that may succeed later; nothing has been published yet.
    """
    try:
        call.store.delete(call.manifest_key)
    except PermanentError as error:  # a store may forbid deleting, but replacing is allowed
        _log.warning(
            "The manifest of the object that is replaced cannot be removed first; if the landing is killed "
            "before it writes its own, %s describes an object that is gone: %s",
            call.store.uri(call.manifest_key),
            error,
        )


def _undo(call: LandingCall, claim: Claim, withdrawn: bytes | None, *, is_unchanged: bool) -> None:
    """Leave a name whose object could not be published.

    :param is_unchanged: whether it is certain that nothing was published. Else the manifest comes back only
        if the store shows the object that it records, and the marker stays: an interrupted request may still
        be performed.
    """
    if withdrawn is not None and (is_unchanged or _is_recorded_by(call, withdrawn)):
        with suppress(InvalidRequestError):  # another attempt has landed meanwhile
            crc = crc32(withdrawn, 0)
            call.store.put(call.manifest_key, withdrawn, crc32=crc, overwrite=False)
    has_no_object = claim is Claim.RESERVED or withdrawn is not None
    if is_unchanged and claim.has_marker and has_no_object:
        _remove_marker(call)


def _is_recorded_by(call: LandingCall, document: bytes) -> bool:
    """Whether the stored object is, byte by byte, the one that the manifest *document* records."""
    try:
        record, _ = parse(document)
    except InvalidRequestError:
        return False
    return record.layout == "archive" and holds_recorded(call.store, call.key, record)


def _least_in_marker(call: LandingCall) -> int | None:
    """Least number of files of an object that replaces the marked one; None if the marker is not ours."""
    document = call.store.get(call.key + OWNERSHIP_MARKER)
    try:
        known = parse_text((document or b"").decode())
    except ValueError:
        return None
    if not isinstance(known, dict) or known.get("landing") != call.label:
        return None
    least = known.get("at_least", 0)  # an earlier release wrote none
    return least if isinstance(least, int) and is_count(least) else 0


def _marker(call: LandingCall) -> bytes:
    least = {"at_least": call.replacing.at_least} if call.replacing.at_least else {}
    return json.dumps({"landing": call.label} | least).encode()


def remove_own_marker(call: LandingCall) -> None:
    """Remove the marker that was left by an attempt killed right after its manifest.

    It is looked for first: deleting what is not there leaves a delete marker in a versioned bucket.
    """
    if call.needs_marker and _least_in_marker(call) is not None:
        _remove_marker(call)


def _remove_marker(call: LandingCall) -> None:
    if call.needs_marker:
        best_effort(lambda: call.store.delete(call.key + OWNERSHIP_MARKER))
