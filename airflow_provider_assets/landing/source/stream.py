"""A download that is read once, from its first byte to its last: nothing of it can be asked for again."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_assets.landing.source.body import Body
from airflow_provider_assets.landing.source.responses import BrokenError
from airflow_provider_assets.sansio.errors import IntegrityError, TransferInterruptedError


@dataclass(slots=True)
class Stream:
    """A whole file in one response.

    :param total: bytes that were announced; None if none were. :ivar done: bytes that were read so far.
    """

    body: Body
    total: int | None
    done: int = 0

    def read(self, view: memoryview) -> int:
        """Fill *view* with the next bytes, fewer only at the end; return their number.

        :raises TransferInterruptedError: if the stream breaks or ends early.
        :raises IntegrityError: if it is longer than announced.
        """
        filled = 0
        try:
            while filled < len(view) and (count := self.body.read(view[filled:])):
                filled += count
            self._check_end(self.done + filled)
        except BrokenError as error:
            self.body.drop()
            raise TransferInterruptedError(
                f"the download broke off after {self.done + filled} bytes: {error}",
                code="mid_body",
            ) from error
        self.done += filled
        if filled < len(view) and self.total is not None and self.done < self.total:
            raise TransferInterruptedError(
                f"the download ended after {self.done} of {self.total} bytes", code="mid_body"
            )
        return filled

    def _check_end(self, reached: int) -> None:
        # A response without a length may be longer than the vendor announced.
        if reached == self.total and self.body.response.length is None:
            reached += self.body.read(memoryview(bytearray(1)))
        if self.total is not None and reached > self.total:
            raise IntegrityError(
                f"the download has more than the {self.total} bytes that were announced"
            )
