"""The optional features of an S3-compatible store, learnt from its answers.

Amazon S3 supports all options that are named here. Compatible stores refuse some of them (400, 501) or
ignore them. A refused option is left out from then on, and a feature is only relied on after an answer has
shown it (``docs/stores.md``).
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, TypeVar

from airflow_provider_assets.landing.stores.s3.errors import is_refusal, translated
from airflow_provider_assets.sansio.errors import InvalidRequestError

T = TypeVar("T")
Params = Mapping[str, Any]
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Dialect:
    """The features of one store. All threads share it; several may learn the same at the same time.

    :ivar refused: names of options that the store has refused.
    :ivar checksum: whether it keeps the CRC-32 of an object that is put in one request; None: unknown.
    :ivar full_object: whether it keeps the CRC-32 of the whole of a multipart object; None: unknown.
    :ivar only_new: name of an operation -> whether it obeys ``If-None-Match: *`` of that operation.
    """

    refused: set[str] = field(default_factory=set)
    checksum: bool | None = None
    full_object: bool | None = None
    only_new: dict[str, bool] = field(default_factory=dict)

    @property
    def keeps_checksums(self) -> bool:
        """Whether the store has shown that it keeps the CRC-32 of whole objects."""
        return bool(self.checksum) and self.full_object is not False

    def ask(self, what: str, send: Callable[..., T], **options: Params) -> T:
        """The answer to a request with as many of *options* as the store supports.

        :param what: the operation that failed, as the beginning of an error's text.
        :param send: sends the request with the parameters of the options.
        :param options: name of an option -> parameters that it adds. If the store refuses the request, it
            is repeated without one of them, then without two, and so on.
        :raises AssetsError: the first refusal if no combination is accepted, or any other failure.
        """
        offered = {name: given for name, given in options.items() if name not in self.refused}
        ways = [left_out for n in range(len(offered) + 1) for left_out in combinations(offered, n)]
        first: InvalidRequestError | None = None
        for left_out in ways:
            params: dict[str, Any] = {}
            for name in offered.keys() - set(left_out):
                params |= offered[name]
            try:
                with translated(what):
                    answer = send(**params)
            except InvalidRequestError as error:
                if not is_refusal(error):
                    raise
                first = first or error
            else:
                self._note(left_out, first)
                return answer
        assert first is not None  # noqa: S101  # for the type checker: the loop ran at least once
        raise first

    def body(self, data: memoryview | bytes, crc32: int) -> dict[str, Params]:
        """The option with which the store verifies a body.

        It is the CRC-32, or the MD5 if the store lacks the newer checksums of S3.
        """
        if self.checksum is False or "checksum" in self.refused:
            digest = hashlib.md5(data, usedforsecurity=False).digest()
            return {"md5": {"ContentMD5": base64.b64encode(digest).decode()}}
        return {"checksum": {"ChecksumCRC32": encoded(crc32)}}

    def _note(self, left_out: tuple[str, ...], error: InvalidRequestError | None) -> None:
        self.refused.update(left_out)
        if left_out:
            _log.warning(
                "The store refuses %s (%s), which is left out from now on; see docs/stores.md",
                " and ".join(_NAMES[name] for name in left_out),
                error and (error.code or error.status),
            )


_NAMES = {
    "checksum": "x-amz-checksum-crc32",
    "checksum_mode": "x-amz-checksum-mode",
    "full_object": "the checksum type FULL_OBJECT",
    "md5": "Content-MD5",
    "object_size": "x-amz-mp-object-size",
    "only_new_CompleteMultipartUpload": "If-None-Match of objects of many parts",
    "only_new_PutObject": "If-None-Match of small objects",
}


def encoded(crc32: int) -> str:
    """A CRC-32 in the encoding of S3."""
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def crc_of_whole(answer: Params) -> int | None:
    """The CRC-32 of the whole object in an answer; None if it has none, or only a composite one."""
    crc = str(answer.get("ChecksumCRC32") or "")
    if not crc or "-" in crc or answer.get("ChecksumType") == "COMPOSITE":
        return None
    return int.from_bytes(base64.b64decode(crc), "big")
