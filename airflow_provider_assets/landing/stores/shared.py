"""Steps that several stores share: answers are checked, statuses judged, small objects written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.stores.base import (
    Part,
    PartWriter,
    Readable,
    StoredObject,
    best_effort,
    name_taken,
)
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    AuthenticationError,
    IntegrityError,
    InvalidRequestError,
    TransferInterruptedError,
)

# The store's codes for a bucket or container that is not there (Amazon S3 and Azure Storage references).
_NO_BUCKET = frozenset({"NoSuchBucket", "ContainerNotFound"})


def error_of(text: str, status: int, code: str = "") -> AssetsError:
    """The error for an HTTP *status*, and the *code* with which the store explains it; 0: no answer came."""
    if status in (401, 403):
        return denied(text, code=code, status=status)
    if code in _NO_BUCKET:
        text = f"{text}; create it, or correct the destination"
    is_passing = status in (0, 408, 429) or status >= 500
    kind = TransferInterruptedError if is_passing else InvalidRequestError
    return kind(text, code=code or None, status=status)


def denied(text: str, *, code: str = "", status: int | None = None) -> AuthenticationError:
    """The error for an operation that the store refuses to whoever asks."""
    return AuthenticationError(
        f"{text}; check the keys and permissions of the connection that the destination names "
        "(not the vendor's)",
        code=code or None,
        status=status,
    )


@contextmanager
def if_there() -> Iterator[None]:
    """End the block without an error if the store has no such object (404)."""
    try:
        yield
    except InvalidRequestError as error:
        if error.status != 404:
            raise


def fill(view: memoryview, data: bytes, what: str) -> None:
    """Fill *view* with *data*, which a store has sent.

    :param what: the operation, as the beginning of an error's text.
    :raises TransferInterruptedError: if there are more or fewer bytes.
    """
    if len(data) != len(view):
        raise TransferInterruptedError(f"{what}: {len(data)} of {len(view)} bytes arrived")
    view[:] = data


def check_size(name: str, held: int, whole: Checksum) -> None:
    """Check that the object *name* has as many bytes as were sent.

    :param held: bytes that the store holds. :raises IntegrityError: if they are more or fewer.
    """
    if held != whole.size:
        raise IntegrityError(f"{name} holds {held} of {whole.size} bytes")


def stored_before(store: Readable, key: str, whole: Checksum) -> StoredObject:
    """The object that took the name before: perhaps by a request of ours, whose answer was lost.

    :raises InvalidRequestError: if it is not *whole*.
    """
    there = store.head(key)
    if there != StoredObject(whole.size, whole.crc32):
        raise name_taken(store.uri(key))
    return there


def put_as_one_part(
    writer: PartWriter, data: memoryview | bytes, crc32: int, *, overwrite: bool
) -> StoredObject:
    """Store a small object where one request cannot store it atomically."""
    try:
        writer.put_part(Part(1, 0, len(data), crc32), memoryview(data))
        return writer.commit(Checksum(len(data), crc32), overwrite=overwrite)
    finally:
        best_effort(writer.discard)


def digest(properties: object) -> str:
    """A short digest of the *properties* that an unfinished object was begun with."""
    text = json.dumps(properties, sort_keys=True, default=dict)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
