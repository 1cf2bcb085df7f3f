"""The bytes of one response as they arrive: counted, and broken off when the landing is cancelled."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_provider_assets.landing.cancel import CancelToken
from airflow_provider_assets.landing.source.connections import Connections
from airflow_provider_assets.landing.source.responses import BrokenError


@dataclass(slots=True)
class Body:
    """The body of a response that is being read.

    :param connections: the connections of the thread that sent the request. :param url: URL of the request.
    :param cancel: cancels the read. :param on_bytes: called with the number of bytes as they arrive.
    """

    response: http.client.HTTPResponse = field(repr=False)
    connections: Connections
    url: str = field(repr=False)
    cancel: CancelToken
    on_bytes: Callable[[int], None]

    def read(self, view: memoryview) -> int:
        """Fill the beginning of *view* with the next bytes; return their number, 0 at the end.

        :raises BrokenError: if the network or the server failed, or the landing was cancelled.
        """
        self._check()
        try:
            count = self.connections.read(self.response, view)
        except (OSError, http.client.HTTPException) as error:
            raise BrokenError.of(error) from error
        self._check()  # a cancelled read may look like the end of the response
        self.on_bytes(count)
        return count

    def drop(self) -> None:
        """Close the connection, which cannot be reused unless the response was read to its end."""
        self.connections.drop(self.url)

    def close(self) -> None:
        """Close the response, which has a socket of its own if it has no length."""
        self.response.close()

    def _check(self) -> None:
        if self.cancel.is_set():
            raise BrokenError("the landing was cancelled")
