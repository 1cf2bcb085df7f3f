"""The objects of an S3 bucket: read, written in one request each, and published as they were sent.

Every object carries its CRC-32, which the store compares with the bytes it holds before the object becomes
visible (Amazon S3 User Guide, "Checking object integrity"). ``If-None-Match: *`` protects a name that is
taken. Stores that lack some of this are the subject of :mod:`.dialect` and of ``docs/stores.md``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from urllib.parse import quote, urlencode, urlsplit

from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.options import MIB
from airflow_provider_assets.landing.stores.base import (
    Rules,
    StoredObject,
    best_effort,
    holds,
    name_taken,
)
from airflow_provider_assets.landing.stores.object_options import (
    DEFAULTS,
    ObjectOptions,
    check_tags,
    check_value,
)
from airflow_provider_assets.landing.stores.s3.dialect import Dialect, Params, crc_of_whole
from airflow_provider_assets.landing.stores.s3.direct import DirectWrites
from airflow_provider_assets.landing.stores.s3.errors import translated
from airflow_provider_assets.landing.stores.shared import fill
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    IntegrityError,
    InvalidRequestError,
    TransferInterruptedError,
)

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_PUT: Final = "PutObject"
_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
# Amazon S3 User Guide, "Amazon S3 multipart upload limits".
_RULES = Rules(min_part=5 * MIB, max_parts=10_000)
# Parameters of PutObject and CreateMultipartUpload.
_PARAMETERS = {
    "content_type": "ContentType",
    "storage_class": "StorageClass",
    "tags": "Tagging",
    "metadata": "Metadata",
    "acl": "ACL",
    "kms_key": "SSEKMSKeyId",
}
_ENUMS = {"storage_class": "StorageClass", "acl": "ObjectCannedACL"}
# Amazon S3 User Guide, "Categorizing your objects using tags".
_TAG = re.compile(r"[\w +\-=.:/@]*")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class S3Objects:
    """The objects of a bucket.

    :param client: a boto3 S3 client, with its own credentials and endpoint. It should add no checksum
        of its own (``request_checksum_calculation="when_required"``): not every store accepts them.
    :param bucket: name of the bucket. :param scheme: scheme of the URIs.
    :param extra: parameters of every new object, including manifests (``ServerSideEncryption``).
    :param dialect: the options that the store has shown to support or to refuse.
    """

    client: S3Client = field(repr=False)
    bucket: str
    scheme: str = "s3"
    extra: Mapping[str, Any] = field(default_factory=dict)
    dialect: Dialect = field(default_factory=Dialect, repr=False, compare=False)
    direct: DirectWrites = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Write through the client."""
        object.__setattr__(self, "direct", DirectWrites(self.client))

    @property
    def rules(self) -> Rules:
        """The limits of S3; a checksum counts as kept once an answer has shown it."""
        return replace(_RULES, keeps_checksum=self.dialect.keeps_checksums)

    def uri(self, key: str) -> str:
        """``s3://bucket/key``."""
        return f"{self.scheme}://{self.bucket}/{key}"

    def head(self, key: str) -> StoredObject | None:
        """Length, and the CRC-32 of the whole if the store keeps it."""
        found = self._head(key)
        return StoredObject(found["ContentLength"], crc_of_whole(found)) if found else None

    def _head(self, key: str) -> Params | None:
        try:
            found: Params = self.dialect.ask(
                f"cannot inspect {self.uri(key)}",
                partial(cast("Any", self.client.head_object), Bucket=self.bucket, Key=key),
                checksum_mode={"ChecksumMode": "ENABLED"},
            )
        except InvalidRequestError as error:
            if error.code in _MISSING:
                return None
            raise
        return found

    def listing(self, prefix: str) -> Iterator[tuple[str, int]]:
        """ListObjectsV2, page by page."""
        with translated(f"cannot list {self.uri(prefix)}"):
            for page in self.pages("list_objects_v2", prefix):
                yield from ((item["Key"], item["Size"]) for item in page.get("Contents", ()))

    def pages(
        self, operation: Literal["list_objects_v2", "list_multipart_uploads"], prefix: str
    ) -> Iterator[Params]:
        """The pages of a listing. Most have one, for which botocore need not load its paginators (9 ms)."""
        only = getattr(self.client, operation)(Bucket=self.bucket, Prefix=prefix)
        if not only.get("IsTruncated"):
            yield only
            return
        all_pages: Any = cast("Any", self.client).get_paginator(operation)
        yield from all_pages.paginate(Bucket=self.bucket, Prefix=prefix)

    def get(self, key: str) -> bytes | None:
        """The object's bytes."""
        try:
            with translated(f"cannot read {self.uri(key)}"):
                return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except InvalidRequestError as error:
            if error.code in _MISSING:
                return None
            raise

    def read(self, key: str, offset: int, view: memoryview) -> None:
        """GetObject with a Range."""
        what = f"cannot read {self.uri(key)}"
        span = f"bytes={offset}-{offset + len(view) - 1}"
        with translated(what):
            found = self.client.get_object(Bucket=self.bucket, Key=key, Range=span)
            data = found["Body"].read()
        fill(view, data, what)

    def check(self, options: ObjectOptions) -> None:
        """All, on Amazon with the values that botocore knows; compatible stores have their own."""
        check_tags(options, _TAG, "S3")
        host = urlsplit(self.client.meta.endpoint_url).hostname or ""
        if host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
            model = cast("Any", self.client.meta.service_model)
            for name, shape in _ENUMS.items():
                values = model.shape_for(shape).enum
                check_value(name, getattr(options, name), values, "Amazon S3")

    def _parameters(self, key: str, options: ObjectOptions) -> dict[str, Any]:
        """The parameters for a new object; *options* take precedence over those of the connection."""
        given = options.given
        if options.tags:
            given["tags"] = urlencode(options.tags, quote_via=quote)
        found: dict[str, Any] = {"ContentType": options.type_of(key), **self.extra}
        found |= {_PARAMETERS[name]: value for name, value in given.items()}
        if options.kms_key and not str(found.get("ServerSideEncryption")).startswith("aws:kms"):
            found["ServerSideEncryption"] = "aws:kms"
        return found

    def put(
        self,
        key: str,
        data: memoryview | bytes,
        *,
        crc32: int,
        overwrite: bool,
        options: ObjectOptions = DEFAULTS,
    ) -> StoredObject:
        """One PutObject; the store verifies the CRC-32."""
        is_first = not overwrite and _PUT not in self.dialect.only_new
        send = partial(
            self.direct.write,
            _PUT,
            data,
            Bucket=self.bucket,
            Key=key,
            **self._parameters(key, options),
        )
        body = self.dialect.body(data, crc32)
        stored, is_ours = self.publish(
            _PUT, key, Checksum(len(data), crc32), send, overwrite=overwrite, **body
        )
        if is_ours and (stored.crc32 is None or self.dialect.checksum is None):
            self.dialect.checksum = stored.crc32 is not None
        if is_ours and is_first:
            self._learn_condition(key, send, body)
        return stored

    def publish(
        self,
        operation: str,
        key: str,
        whole: Checksum,
        send: Callable[..., Any],
        *,
        overwrite: bool,
        **options: Params,
    ) -> tuple[StoredObject, bool]:
        """Publish an object, and compare the store's answer with *whole*.

        :param operation: the operation that publishes it. Whether the store obeys its condition shows in
            answers to the same operation only.
        :param send: sends the request that publishes it. :param options: options of that request.
        :returns: the stored object, and whether this request stored it; else it was stored before.
        :raises IntegrityError: if the store holds other bytes; nothing is visible then.
        :raises InvalidRequestError: if the name is taken and *overwrite* is false.
        """
        if not overwrite:
            options[f"only_new_{operation}"] = {"IfNoneMatch": "*"}
            # The condition decides. But some stores do not know it, and some ignore it.
            there = None if self.dialect.only_new.get(operation) else self.head(key)
            if there:
                return self._same(key, whole), False
        try:
            answer = self.dialect.ask(f"cannot write {self.uri(key)}", send, **options)
        except AssetsError as error:
            if error.code == "PreconditionFailed":
                self.dialect.only_new[operation] = True
            return self._published_or_raise(key, error, whole), False
        return self._confirmed(key, whole, answer), True

    def _confirmed(self, key: str, whole: Checksum, answer: Params) -> StoredObject:
        """The stored object, from the answer; if that has no checksum, from a HEAD request."""
        crc = crc_of_whole(answer)
        found = None if crc is not None else self._head(key)
        size = found["ContentLength"] if found else whole.size
        crc = crc_of_whole(found) if found else crc
        if found is None and crc is None:
            raise TransferInterruptedError(f"{self.uri(key)} was written, but cannot be found")
        if size == whole.size and crc in (None, whole.crc32):
            return StoredObject(size, crc)
        # An object that another writer has put there since is not ours to remove.
        if found is None or found.get("ETag") == answer.get("ETag"):
            best_effort(lambda: self.delete(key))
        raise IntegrityError(
            f"{self.uri(key)} was stored with contents other than those sent ({size} bytes of "
            f"{whole.size}, CRC-32 {crc} instead of {whole.crc32}); they were removed"
        )

    def _learn_condition(self, key: str, send: Callable[..., Any], options: Params) -> None:
        """Learn whether the store obeys ``If-None-Match``: repeat a put, which must fail with it.

        This happens once per store. Otherwise every small object would need a HEAD request first.
        """
        condition = f"only_new_{_PUT}"
        only_new = {condition: {"IfNoneMatch": "*"}}
        try:
            if condition not in self.dialect.refused:
                self.dialect.ask(f"cannot write {self.uri(key)}", send, **options, **only_new)
        except AssetsError as error:
            self.dialect.only_new[_PUT] = error.code == "PreconditionFailed"
        else:
            self.dialect.only_new[_PUT] = False

    def delete(self, key: str) -> None:
        """DeleteObject."""
        with translated(f"cannot delete {self.uri(key)}"):
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def _published_or_raise(self, key: str, error: AssetsError, whole: Checksum) -> StoredObject:
        """The stored object after a failed publish, which may have succeeded although its answer was lost."""
        if error.code == "PreconditionFailed":
            return self._same(key, whole, error)
        if error.code in ("NoSuchUpload", "ConditionalRequestConflict") and holds(self, key, whole):
            return self.head(key) or StoredObject(whole.size)
        raise error

    def _same(self, key: str, whole: Checksum, error: AssetsError | None = None) -> StoredObject:
        """The object that has the name already.

        :raises InvalidRequestError: if its contents differ.
        """
        if holds(self, key, whole):
            return self.head(key) or StoredObject(whole.size)
        raise name_taken(self.uri(key)) from error
