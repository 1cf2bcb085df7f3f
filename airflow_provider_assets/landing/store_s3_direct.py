"""Sends the bodies of parts and small objects without botocore's copies and hooks.

botocore still decides where and as whom: it presigns each request, and we send the buffer as it is. Per
request that saves about two milliseconds and a copy of the part (``benchmarks/transfer.py``). It
is an optimisation only: whatever does not go well here is done again by the client itself, whose
retries and error messages are the ones that count.
"""

from __future__ import annotations

import http.client
import os
import queue
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from airflow_provider_assets.landing.wire import Wire

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_SIGNED = "X-Amz-Signature="  # version 4; older signatures do not cover the headers we send
_VALID = 900  # seconds that a signed request may take to arrive


@dataclass(slots=True)
class Direct:
    """The connections to one endpoint.

    :param client: signs. :ivar works: false once the endpoint, its certificate or its signature
        version turned out not to suit.
    """

    client: S3Client = field(repr=False)
    works: bool = True
    _wires: queue.SimpleQueue[Wire] = field(default_factory=queue.SimpleQueue)

    def put(
        self,
        operation: Literal["put_object", "upload_part"],
        params: Mapping[str, object],
        data: memoryview | bytes,
        *,
        headers: Mapping[str, str],
    ) -> str | None:
        """The ETag of what was stored; None if the client has to do it.

        :param headers: what *params* become as headers: they are signed, so they must be sent.
        """
        if not self.works:
            return None
        url = self.client.generate_presigned_url(operation, Params=params, ExpiresIn=_VALID)
        if _SIGNED not in url:
            self.works = False
            return None
        wire = self._wire()
        try:
            sent = {**headers, "Content-Length": str(len(data))}
            response = wire.request("PUT", url, headers=sent, body=data)
            response.read()
        except ssl.SSLError:
            self.works = False
            return None
        except (OSError, http.client.HTTPException):
            wire.drop(url)
            return None
        self._wires.put(wire)
        return response.headers.get("ETag") if response.status == http.client.OK else None

    def _wire(self) -> Wire:
        try:
            return self._wires.get_nowait()
        except queue.Empty:
            return Wire(ca=os.environ.get("AWS_CA_BUNDLE"))
