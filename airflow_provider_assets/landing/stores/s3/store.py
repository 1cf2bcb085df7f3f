"""Amazon S3 and compatible stores: multipart uploads whose checksum the store verifies before publishing.

Every part carries its CRC-32, and Complete the CRC-32 of the whole (``FULL_OBJECT``) and its size. So the
store itself compares the bytes it holds with those that arrived from the vendor before the object becomes
visible; :mod:`.objects` is about objects of one request, and about what is published.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from os.path import commonprefix  # of characters, as keys are
from typing import Any, cast

from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.markers import UPLOAD_MARKER
from airflow_provider_assets.landing.stores.base import (
    Part,
    StoredObject,
    StoredPart,
    best_effort,
    put_document,
)
from airflow_provider_assets.landing.stores.object_options import DEFAULTS, ObjectOptions
from airflow_provider_assets.landing.stores.s3.dialect import Params, encoded
from airflow_provider_assets.landing.stores.s3.errors import is_refusal, translated
from airflow_provider_assets.landing.stores.s3.objects import S3Objects
from airflow_provider_assets.landing.stores.shared import check_size, digest
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    IntegrityError,
    TransferInterruptedError,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class S3Store(S3Objects):
    """A bucket; its parameters are those of :class:`S3Objects`."""

    def begin(self, key: str, *, label: str, options: ObjectOptions = DEFAULTS) -> S3Writer:
        """Create the multipart upload, after the marker that identifies its uploads as ours."""
        marker = json.dumps({"landing": label}).encode()
        put_document(self, key + UPLOAD_MARKER, marker)
        properties = self._parameters(key, options)
        try:
            answer: Params = self.dialect.ask(
                f"cannot write to {self.uri(key)}",
                partial(
                    cast("Any", self.client.create_multipart_upload),
                    Bucket=self.bucket, Key=key, **properties,
                ),
                full_object={"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"},
            )  # fmt: skip
        except BaseException:
            best_effort(lambda: self.delete(key + UPLOAD_MARKER))
            raise
        if answer.get("ChecksumType") != "FULL_OBJECT":
            self.dialect.full_object = False
        return S3Writer(self, key, str(answer["UploadId"]), digest(properties))

    def resume(
        self, key: str, handle: Mapping[str, str], *, options: ObjectOptions = DEFAULTS
    ) -> S3Writer | None:
        """Resume an upload, if the store still lists its parts, and it was begun with the same properties."""
        properties = digest(self._parameters(key, options))
        writer = S3Writer(self, key, handle.get("upload", ""), properties)
        if writer.upload and handle.get("properties") != properties:
            _log.info(
                "The upload starts from scratch: object_options or the connection have changed"
            )
            best_effort(writer.discard)
            return None
        try:
            return writer if writer.upload and writer.done() else None
        except AssetsError as error:
            if error.code in ("NoSuchUpload", "NoSuchKey"):
                return None
            if not _may_do_without(error):
                raise
            _log.warning("The upload starts from scratch: %s", error)
            best_effort(writer.discard)
            return None

    def sweep(self, keys: Collection[str]) -> int:
        """Abort unfinished uploads to keys with our marker, and remove the markers."""
        if not keys:  # their common prefix would be that of the whole bucket
            return 0
        prefix = commonprefix(list(keys))  # noqa: RUF071  # keys, not paths
        markers = {key + UPLOAD_MARKER: key for key in keys}
        try:
            with translated(f"cannot list the uploads to {self.uri(prefix)}"):
                found = [
                    S3Writer(self, up["Key"], up["UploadId"])
                    for page in self.pages("list_multipart_uploads", prefix)
                    for up in page.get("Uploads", ())
                    if up["Key"] + UPLOAD_MARKER in markers
                ]
            # List the markers as well: a lifecycle rule may have removed the upload of one.
            listed = self.listing(commonprefix(list(markers)))  # noqa: RUF071  # likewise
            ours = {markers[name] for name, _ in listed if name in markers}
        except AssetsError as error:
            if not _may_do_without(error):
                raise
            _log.warning("Cannot look for uploads that killed landings left behind: %s", error)
            return 0
        stale = [writer for writer in found if writer.key in ours]
        for writer in stale:
            best_effort(writer.discard)
        for key in ours - {writer.key for writer in stale}:
            best_effort(partial(self.delete, key + UPLOAD_MARKER))
        return len(stale)


@dataclass(slots=True)
class S3Writer:
    """One multipart upload.

    :param properties: digest of the properties that its object has since the upload was begun.
    """

    store: S3Store
    key: str
    upload: str
    properties: str = ""
    _held: dict[int, StoredPart] = field(default_factory=dict)

    def put_part(self, part: Part, data: memoryview) -> str:
        """UploadPart; the store verifies the part's CRC-32."""
        store = self.store
        store.rules.admit(part.number)
        what = f"part {part.number} of {store.uri(self.key)}"
        send = partial(
            store.direct.write, "UploadPart", data,
            Bucket=store.bucket, Key=self.key, UploadId=self.upload, PartNumber=part.number,
        )  # fmt: skip
        try:
            answer = store.dialect.ask(what, send, **store.dialect.body(data, part.crc32))
        except IntegrityError as error:
            # Damaged in transit: the store has refused it, and the other parts are intact.
            raise TransferInterruptedError(str(error), code=error.code) from error
        self._held[part.number] = StoredPart(part.number, part.size, answer["ETag"])
        return str(answer["ETag"])

    @property
    def handle(self) -> Mapping[str, str]:
        """The upload id, and the digest of the object's properties."""
        return {"upload": self.upload, "properties": self.properties}

    def done(self) -> Sequence[StoredPart]:
        """ListParts: the parts that the store holds."""
        pages = self.store.client.get_paginator("list_parts").paginate(
            Bucket=self.store.bucket, Key=self.key, UploadId=self.upload
        )
        with translated(f"cannot list the parts of {self.store.uri(self.key)}"):
            self._held = {
                part["PartNumber"]: StoredPart(part["PartNumber"], part["Size"], part["ETag"])
                for page in pages
                for part in page.get("Parts", ())
            }
        return self._in_order()

    def read(self, offset: int, view: memoryview) -> bool:
        """An upload cannot be read before it is complete."""
        return False

    def commit(self, whole: Checksum, *, overwrite: bool) -> StoredObject:
        """CompleteMultipartUpload, which the store refuses if size or CRC-32 of the whole differ."""
        store, held = self.store, self._in_order()
        check_size(store.uri(self.key), sum(part.size for part in held), whole)

        def complete(**options: object) -> object:
            parts = [{"PartNumber": part.number, "ETag": part.tag} for part in held]
            answer = cast("Any", store.client.complete_multipart_upload)(
                Bucket=store.bucket, Key=self.key, UploadId=self.upload,
                MultipartUpload={"Parts": parts}, **options,
            )  # fmt: skip
            self.upload = ""
            return answer

        stored, is_ours = store.publish(
            "CompleteMultipartUpload",
            self.key,
            whole,
            complete,
            overwrite=overwrite,
            object_size={"MpuObjectSize": whole.size},
            full_object={"ChecksumCRC32": encoded(whole.crc32), "ChecksumType": "FULL_OBJECT"},
        )
        if is_ours:
            store.dialect.full_object = stored.crc32 is not None
        return stored

    def _in_order(self) -> list[StoredPart]:
        return [self._held[number] for number in sorted(self._held)]

    def keep(self) -> None:
        """Leave the upload as it is."""

    def discard(self) -> None:
        """AbortMultipartUpload, unless it is complete or gone; then remove the marker."""
        try:
            if self.upload:
                with translated(f"cannot abort the upload to {self.store.uri(self.key)}"):
                    self.store.client.abort_multipart_upload(
                        Bucket=self.store.bucket, Key=self.key, UploadId=self.upload
                    )
        except AssetsError as error:
            if error.code != "NoSuchUpload":
                raise
        self.store.delete(self.key + UPLOAD_MARKER)


def _may_do_without(error: AssetsError) -> bool:
    """Whether *error* means that the store does not support, or does not permit, an optional operation."""
    return error.code == "AccessDenied" or is_refusal(error)
