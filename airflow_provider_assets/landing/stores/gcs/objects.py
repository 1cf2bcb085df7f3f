"""The objects of a bucket of Google Cloud Storage: read, written in one request each, and deleted.

The service verifies the CRC-32C of what it is sent. The condition ``ifGenerationMatch=0`` protects a name
that is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.options import PARALLEL_REQUESTS
from airflow_provider_assets.landing.stores.base import Rules, StoredObject, crc32_in, name_taken
from airflow_provider_assets.landing.stores.gcs.errors import TAKEN, retry_policy, translated
from airflow_provider_assets.landing.stores.object_options import (
    DEFAULTS,
    ObjectOptions,
    check_own_name,
    check_value,
)
from airflow_provider_assets.landing.stores.shared import check_size, fill, if_there, stored_before
from airflow_provider_assets.sansio.errors import AssetsError

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Bucket

_RULES = Rules(keeps_checksum=True)
_OPTIONS = ("content_type", "storage_class", "metadata", "acl", "kms_key")
_NAME = "Google Cloud Storage"
_CRC = "crc32"  # name of our CRC-32 in the metadata of an object


@dataclass(frozen=True, slots=True)
class GcsObjects:
    """The objects of a bucket.

    :param bucket: a ``google.cloud.storage.Bucket`` of a client with its own credentials.
    """

    bucket: Bucket = field(repr=False)
    rules: Rules = field(default=_RULES, repr=False)

    def uri(self, key: str) -> str:
        """``gs://bucket/key``."""
        return f"gs://{self.bucket.name}/{key}"

    def head(self, key: str) -> StoredObject | None:
        """Length, and the CRC-32 in the metadata of the object."""
        with translated(f"cannot inspect {self.uri(key)}"):
            blob = self.bucket.get_blob(key)
        if blob is None:
            return None
        return StoredObject(int(blob.size), crc32_in((blob.metadata or {}).get(_CRC)))

    def listing(self, prefix: str) -> Iterator[tuple[str, int]]:
        """List the objects, page by page."""
        with translated(f"cannot list {self.uri(prefix)}"):
            for blob in self.bucket.list_blobs(prefix=prefix):
                yield blob.name, int(blob.size)

    def blobs(self, prefix: str) -> list[Blob]:
        """List the objects whose names begin with *prefix*."""
        with translated(f"cannot list {self.uri(prefix)}"):
            return list(self.bucket.list_blobs(prefix=prefix))

    def get(self, key: str) -> bytes | None:
        """Contents of the object."""
        with if_there(), translated(f"cannot read {self.uri(key)}"):
            return bytes(self.bucket.blob(key).download_as_bytes())
        return None

    def read(self, key: str, offset: int, view: memoryview) -> None:
        """Read a range of the object."""
        what, end = f"cannot read {self.uri(key)}", offset + len(view) - 1
        with translated(what):
            data = self.bucket.blob(key).download_as_bytes(start=offset, end=end, checksum=None)
        fill(view, data, what)

    def check(self, options: ObjectOptions) -> None:
        """All but tags, with the values that the SDK knows."""
        from google.cloud.storage import Blob
        from google.cloud.storage.acl import ACL

        options.admit(_NAME, _OPTIONS)
        check_value("storage_class", options.storage_class, Blob.STORAGE_CLASSES, _NAME)
        check_value("acl", options.acl, ACL.PREDEFINED_JSON_ACLS, _NAME)
        check_own_name(options, _CRC)

    def put(
        self,
        key: str,
        data: memoryview | bytes,
        *,
        crc32: int,
        overwrite: bool,
        options: ObjectOptions = DEFAULTS,
    ) -> StoredObject:
        """One upload; the service verifies the CRC-32C."""
        whole = Checksum(len(data), crc32)
        try:
            blob = self.upload(key, bytes(data), crc32=crc32, overwrite=overwrite, options=options)
        except AssetsError as error:
            if error.status != TAKEN:
                raise
            return stored_before(self, key, whole)
        check_size(self.uri(key), int(blob.size), whole)
        return StoredObject(whole.size, crc32)

    def blob(self, key: str, crc32: int, options: ObjectOptions) -> Blob:
        """A new object with all of *options* but the ACL, which requests take."""
        blob = self.bucket.blob(key, kms_key_name=options.kms_key)
        blob.content_type = options.type_of(key)
        blob.metadata = {**options.metadata, _CRC: f"{crc32:08x}"}
        if options.storage_class:
            blob.storage_class = options.storage_class
        return blob

    def upload(
        self, key: str, content: bytes, *, crc32: int, overwrite: bool, options: ObjectOptions
    ) -> Blob:
        """Upload an object, and return it with the properties that the service reports."""
        blob = self.blob(key, crc32, options)
        only_new = None if overwrite else 0
        with translated(f"cannot write {self.uri(key)}"):
            blob.upload_from_string(
                content,
                content_type=blob.content_type,
                predefined_acl=options.acl,
                checksum="crc32c",
                if_generation_match=only_new,
                retry=retry_policy(),
            )
        return blob

    def delete(self, key: str) -> None:
        """Delete the object."""
        with if_there(), translated(f"cannot delete {self.uri(key)}"):
            self.bucket.blob(key).delete(retry=retry_policy())

    def delete_all(self, names: Sequence[str]) -> None:
        """Delete objects in parallel."""
        with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
            list(pool.map(self.delete, names))

    def check_free(self, key: str, whole: Checksum) -> StoredObject | None:
        """The object under *key* if it equals *whole*; an early check, since the condition decides.

        :raises InvalidRequestError: if another object has the name.
        """
        there = self.head(key)
        if there and there != StoredObject(whole.size, whole.crc32):
            raise name_taken(self.uri(key))
        return there
