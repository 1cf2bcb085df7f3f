"""S3 and its likes: parts side by side, published by Complete, which the store refuses for wrong bytes.

Every part carries its CRC-32, and Complete the CRC-32 of the whole (``FULL_OBJECT``) and its size, so
the store itself compares what it holds with what arrived from the vendor before it shows anything
(Amazon S3 User Guide, "Checking object integrity"). ``If-None-Match: *`` keeps a name that is taken.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from os.path import commonprefix  # of characters, as keys are
from typing import TYPE_CHECKING

from airflow_provider_assets.landing.s3_errors import call
from airflow_provider_assets.landing.store import (
    MIB,
    Held,
    Part,
    Rules,
    Stored,
    Whole,
    put_document,
)
from airflow_provider_assets.landing.store_local import taken
from airflow_provider_assets.landing.store_s3_direct import Direct
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    InvalidRequestError,
    TransferInterruptedError,
)

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
_MARK = ".landing"  # beside an object on its way: the uploads to its key are ours
# Amazon S3 User Guide, "Amazon S3 multipart upload limits".
_RULES = Rules(min_part=5 * MIB, max_parts=10_000, checksum=True)


def _crc(value: int) -> str:
    return base64.b64encode(value.to_bytes(4, "big")).decode()


@dataclass(frozen=True, slots=True)
class S3Store:
    """A bucket.

    :param client: a boto3 S3 client, with its own credentials and endpoint.
    :param bucket: its name. :param scheme: what URIs begin with.
    :param extra: arguments for every new object (``ServerSideEncryption``, ``StorageClass``).
    """

    client: S3Client = field(repr=False)
    bucket: str
    scheme: str = "s3"
    extra: Mapping[str, str] = field(default_factory=dict)
    rules: Rules = field(default=_RULES, repr=False)
    _direct: list[Direct] = field(default_factory=list, repr=False)

    @property
    def direct(self) -> Direct:
        """The short way for bodies; made on first use."""
        if not self._direct:
            self._direct.append(Direct(self.client))
        return self._direct[0]

    def uri(self, key: str) -> str:
        """``s3://bucket/key``."""
        return f"{self.scheme}://{self.bucket}/{key}"

    def head(self, key: str) -> Stored | None:
        """Length, and the CRC-32 of the whole where the store keeps it."""
        try:
            found = call(
                f"cannot look at {self.uri(key)}",
                lambda: self.client.head_object(
                    Bucket=self.bucket, Key=key, ChecksumMode="ENABLED"
                ),
            )
        except InvalidRequestError as error:
            if error.code in _MISSING:
                return None
            raise
        crc = found.get("ChecksumCRC32", "")
        whole = crc and "-" not in crc and found.get("ChecksumType") != "COMPOSITE"
        return Stored(
            found["ContentLength"],
            int.from_bytes(base64.b64decode(crc), "big") if whole else None,
        )

    def sizes(self, prefix: str) -> dict[str, int]:
        """ListObjectsV2, page by page."""
        what = f"cannot list {self.uri(prefix)}"
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        listed = call(what, lambda: [page.get("Contents", ()) for page in pages])
        return {item["Key"]: item["Size"] for page in listed for item in page}

    def get(self, key: str) -> bytes | None:
        """The object's bytes."""
        try:
            found = call(
                f"cannot read {self.uri(key)}",
                lambda: self.client.get_object(Bucket=self.bucket, Key=key),
            )
        except InvalidRequestError as error:
            if error.code in _MISSING:
                return None
            raise
        return bytes(call(f"cannot read {self.uri(key)}", found["Body"].read))

    def read(self, key: str, offset: int, view: memoryview) -> None:
        """GetObject with a Range."""
        what = f"cannot read {self.uri(key)}"
        span = f"bytes={offset}-{offset + len(view) - 1}"
        found = call(what, lambda: self.client.get_object(Bucket=self.bucket, Key=key, Range=span))
        data = call(what, found["Body"].read)
        if len(data) != len(view):
            raise TransferInterruptedError(f"{what}: {len(data)} of {len(view)} bytes came")
        view[:] = data

    def put(self, key: str, data: memoryview | bytes, *, crc32: int, overwrite: bool) -> Stored:
        """One PutObject; the store checks the CRC-32."""
        params = {"Bucket": self.bucket, "Key": key, "ChecksumCRC32": _crc(crc32), **self.extra}
        headers = {"x-amz-checksum-crc32": _crc(crc32)}
        if not overwrite:
            params["IfNoneMatch"] = headers["If-None-Match"] = "*"
        whole = Whole(len(data), crc32)
        if not self.extra and self.direct.put("put_object", params, data, headers=headers):
            return Stored(whole.size, crc32)
        try:
            call(
                f"cannot write {self.uri(key)}",
                lambda: self.client.put_object(Body=bytes(data), **params),  # type: ignore[arg-type]  # the stubs want literals
            )
        except AssetsError as error:
            return self.settle(key, error, whole)
        return Stored(whole.size, crc32)

    def begin(self, key: str, *, label: str) -> S3Writer:
        """CreateMultipartUpload, after a mark beside the object says that its uploads are ours."""
        mark = json.dumps({"landing": label}).encode()
        put_document(self, key + _MARK, mark)
        answer = call(
            f"cannot write to {self.uri(key)}",
            lambda: self.client.create_multipart_upload(
                Bucket=self.bucket,
                Key=key,
                ChecksumAlgorithm="CRC32",
                ChecksumType="FULL_OBJECT",
                **self.extra,  # type: ignore[arg-type]  # the stubs want literals
            ),
        )
        return S3Writer(self, key, answer["UploadId"])

    def resume(self, key: str, state: Mapping[str, str]) -> S3Writer | None:
        """Go on with an upload, if S3 still knows it."""
        writer = S3Writer(self, key, state.get("upload", ""))
        try:
            return writer if writer.upload and writer.done() else None
        except AssetsError as error:
            if error.code in ("NoSuchUpload", "NoSuchKey"):
                return None
            raise

    def delete(self, key: str) -> None:
        """DeleteObject."""
        call(
            f"cannot delete {self.uri(key)}",
            lambda: self.client.delete_object(Bucket=self.bucket, Key=key),
        )

    def sweep(self, keys: Collection[str]) -> int:
        """Abort the uploads that nobody completed and beside whose key our mark stands."""
        prefix = commonprefix(list(keys))  # noqa: RUF071  # keys, not paths
        what = f"cannot list the uploads to {self.uri(prefix)}"
        pages = self.client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        found = call(what, lambda: [up for page in pages for up in page.get("Uploads", ())])
        wanted = {up["Key"] for up in found} & set(keys)
        ours = {key for key in wanted if self.head(key + _MARK)}
        stale = [S3Writer(self, up["Key"], up["UploadId"]) for up in found if up["Key"] in ours]
        for writer in stale:
            writer.abort()
        return len(stale)

    def settle(self, key: str, error: AssetsError, whole: Whole) -> Stored:
        """After a failed publish: it may have happened all the same, its answer lost."""
        if error.code not in ("PreconditionFailed", "NoSuchUpload", "ConditionalRequestConflict"):
            raise error
        there = self.head(key)
        if there and there.size == whole.size and there.crc32 == whole.crc32:
            return there
        if there and error.code == "PreconditionFailed":
            raise taken(self.uri(key)) from error
        raise error


@dataclass(slots=True)
class S3Writer:
    """One multipart upload."""

    store: S3Store
    key: str
    upload: str
    _etags: dict[int, str] = field(default_factory=dict)

    def put_part(self, part: Part, data: memoryview) -> str:
        """UploadPart with the part's CRC-32."""
        store, crc = self.store, _crc(part.crc32)
        store.rules.admit(part.number)
        params = {
            "Bucket": store.bucket, "Key": self.key, "UploadId": self.upload,
            "PartNumber": part.number, "ChecksumCRC32": crc,
        }  # fmt: skip
        etag = store.direct.put("upload_part", params, data, headers={"x-amz-checksum-crc32": crc})
        if etag is None:
            answer = call(
                f"part {part.number} of {store.uri(self.key)}",
                lambda: store.client.upload_part(Body=_body(data), **params),  # type: ignore[arg-type]  # the stubs want literals
            )
            etag = answer["ETag"]
        self._etags[part.number] = etag
        return etag

    @property
    def state(self) -> Mapping[str, str]:
        """The upload id."""
        return {"upload": self.upload}

    def done(self) -> Sequence[Held]:
        """ListParts: what S3 holds."""
        what = f"cannot list the parts of {self.store.uri(self.key)}"
        pages = self.store.client.get_paginator("list_parts").paginate(
            Bucket=self.store.bucket, Key=self.key, UploadId=self.upload
        )
        found = call(what, lambda: [part for page in pages for part in page.get("Parts", ())])
        self._etags = {part["PartNumber"]: part["ETag"] for part in found}
        held = [Held(part["PartNumber"], part["Size"], part["ETag"]) for part in found]
        return sorted(held, key=lambda part: part.number)

    def read(self, offset: int, view: memoryview) -> bool:
        """S3 shows nothing of an upload before it is complete."""
        return False

    def commit(self, whole: Whole, *, overwrite: bool) -> Stored:
        """CompleteMultipartUpload, on condition that size and CRC-32 of the whole are right."""
        only_new = {} if overwrite else {"IfNoneMatch": "*"}
        parts = [{"PartNumber": n, "ETag": etag} for n, etag in sorted(self._etags.items())]
        try:
            call(
                f"cannot publish {self.store.uri(self.key)}",
                lambda: self.store.client.complete_multipart_upload(
                    Bucket=self.store.bucket,
                    Key=self.key,
                    UploadId=self.upload,
                    MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item]  # likewise
                    ChecksumCRC32=_crc(whole.crc32),
                    ChecksumType="FULL_OBJECT",
                    MpuObjectSize=whole.size,
                    **only_new,  # type: ignore[arg-type]  # the stubs want literals
                ),
            )
        except AssetsError as error:
            return self.store.settle(self.key, error, whole)
        self.upload = ""
        return Stored(whole.size, whole.crc32)

    def keep(self) -> None:
        """The upload stays."""

    def abort(self) -> None:
        """AbortMultipartUpload, unless it is complete or gone; and remove the mark."""
        try:
            if self.upload:
                call(
                    f"cannot abort the upload to {self.store.uri(self.key)}",
                    lambda: self.store.client.abort_multipart_upload(
                        Bucket=self.store.bucket, Key=self.key, UploadId=self.upload
                    ),
                )
        except AssetsError as error:
            if error.code != "NoSuchUpload":
                raise
        self.store.delete(self.key + _MARK)


def _body(data: memoryview) -> bytes | bytearray:
    """What botocore accepts: the buffer itself where the part fills it, a copy of the last part."""
    whole = data.obj
    return whole if isinstance(whole, bytearray) and len(whole) == len(data) else bytes(data)
