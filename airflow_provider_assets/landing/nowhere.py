"""A part writer for parts that are passed on by their turn, to whoever is fed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_assets.landing.store import Held, Part, Stored, Whole


@dataclass(frozen=True, slots=True)
class Nowhere:
    """Takes everything, keeps nothing."""

    @property
    def state(self) -> Mapping[str, str]:
        """Nothing to go on with."""
        return {}

    def put_part(self, part: Part, data: memoryview) -> str:
        """Nothing: the part is on its way already."""
        return ""

    def done(self) -> Sequence[Held]:
        """Nothing."""
        return ()

    def read(self, offset: int, view: memoryview) -> bool:
        """Not possible."""
        return False

    def commit(self, whole: Whole, *, overwrite: bool) -> Stored:
        """Nothing to publish."""
        return Stored(whole.size)

    def keep(self) -> None:
        """Nothing to keep."""

    def abort(self) -> None:
        """Nothing to remove."""
