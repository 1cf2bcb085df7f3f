"""What a store that speaks S3 can do beyond keeping bytes, learnt from its answers.

Amazon S3 can do all that is named here. Stores that speak its protocol refuse some of it (400, 501) or
take no notice of it. A refused option is left out from then on, and a claim is made only of what an
answer has shown (``docs/stores.md``).
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, TypeVar

from airflow_provider_assets.landing.stores.errors import call, is_refusal
from airflow_provider_assets.sansio.errors import InvalidRequestError

T = TypeVar("T")
Params = Mapping[str, Any]
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Dialect:
    """One store's; shared by all threads, each of which may learn the same at the same time.

    :ivar refused: names of options that the store answered with an error.
    :ivar checksum: whether it keeps the CRC-32 of an object that is put in one request; None: not known.
    :ivar full_object: whether it keeps the CRC-32 of the whole of an object of many parts.
    :ivar only_new: whether it obeys ``If-None-Match: *``.
    """

    refused: set[str] = field(default_factory=set)
    checksum: bool | None = None
    full_object: bool | None = None
    only_new: bool | None = None

    @property
    def keeps_checksums(self) -> bool:
        """Whether the store has shown that it keeps the CRC-32 of whole objects."""
        return bool(self.checksum) and self.full_object is not False

    def ask(self, what: str, send: Callable[..., T], **options: Params) -> T:
        """The answer to a request with as many of *options* as the store takes.

        :param what: what cannot be done if it fails, for people.
        :param send: performs the request; is given the parameters of the options.
        :param options: name -> the parameters it adds. If the store refuses the request, it is
            repeated without one of them, then without two, and so on.
        :raises AssetsError: the first refusal, if leaving options out does not help; any other failure.
        """
        offered = {name: given for name, given in options.items() if name not in self.refused}
        ways = [left_out for n in range(len(offered) + 1) for left_out in combinations(offered, n)]
        first: InvalidRequestError | None = None
        for left_out in ways:
            params: dict[str, Any] = {}
            for name in offered.keys() - set(left_out):
                params |= offered[name]
            try:
                answer = call(what, lambda params=params: send(**params))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
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
        """The option that lets the store compare a body with what was sent.

        The CRC-32 if it is used, else the MD5, which is older than the other checksums of S3.
        """
        if self.checksum is False or "checksum" in self.refused:
            digest = hashlib.md5(data, usedforsecurity=False).digest()
            return {"md5": {"ContentMD5": base64.b64encode(digest).decode()}}
        return {"checksum": {"ChecksumCRC32": encoded(crc32)}}

    def _note(self, left_out: tuple[str, ...], error: InvalidRequestError | None) -> None:
        self.refused.update(left_out)
        if left_out:
            _log.warning(
                "The store refuses %s (%s); it is left out from now on, see docs/stores.md",
                " and ".join(_NAMES[name] for name in left_out),
                error and (error.code or error.status),
            )


_NAMES = {
    "checksum": "x-amz-checksum-crc32",
    "checksum_mode": "x-amz-checksum-mode",
    "full_object": "the checksum type FULL_OBJECT",
    "md5": "Content-MD5",
    "object_size": "x-amz-mp-object-size",
    "only_new": "If-None-Match",
}


def encoded(crc32: int) -> str:
    """As S3 writes it."""
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def crc_of_whole(answer: Params) -> int | None:
    """The CRC-32 of the whole object that an answer names; None if it names none, or one of parts."""
    crc = str(answer.get("ChecksumCRC32") or "")
    if not crc or "-" in crc or answer.get("ChecksumType") == "COMPOSITE":
        return None
    return int.from_bytes(base64.b64decode(crc), "big")
