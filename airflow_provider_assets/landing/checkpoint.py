"""Checkpoints: records from which the next attempt resumes a broken landing.

A checkpoint is small and free of secrets, so that a task's state can keep it. It is not trusted: before
anything is reused, the store lists the parts it holds and the source confirms its validator.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import cast

from airflow_provider_assets.landing.state import State
from airflow_provider_assets.landing.stores.base import StoredPart
from airflow_provider_assets.landing.zips.format import ZipCensus
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.stored import (
    Fits,
    check_fields,
    check_storable,
    is_count,
    is_text,
    is_texts,
)
from airflow_provider_assets.sansio.strict_json import JSON

STATE_PREFIX = "landing:"
_FIELDS: Mapping[str, Fits] = {
    **dict.fromkeys(("label", "validator", "proof", "container"), is_text),
    **dict.fromkeys(("part_size", "total", "parts", "crc32", "offset", "count"), is_count),
    "writer": lambda value: isinstance(value, dict) and is_texts([*value.values()]),
    "digest": lambda value: (
        isinstance(value, str) and re.fullmatch("[0-9a-f]{1,64}", value) is not None
    ),
}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State of a landing of which the parts 1 to ``parts`` are stored and verified.

    :param label: identity of the landing. :param writer: the store's handle of the unfinished object.
    :param part_size: bytes of each part but the last. :param total: bytes of the source.
    :param validator: ETag or Last-Modified of the source.
    :param crc32: CRC-32 of all the parts together. :param proof: digest of their tags, in order.
    :param container: ``zip``, ``unseen`` (not inspected) or "" (a file without a structure of its own).
    :param offset: offset of the next zip entry to be verified; ``count`` and ``digest``: see
        :class:`~.zips.format.ZipCensus`.
    """

    label: str
    writer: Mapping[str, str]
    part_size: int
    total: int
    validator: str
    parts: int = 0
    crc32: int = 0
    proof: str = ""
    container: str = ""
    offset: int = 0
    count: int = 0
    digest: str = "0"

    @property
    def done(self) -> int:
        """Bytes of these parts; the last part of the file may be shorter than the others."""
        return min(self.parts * self.part_size, self.total)

    @property
    def census(self) -> ZipCensus:
        """The entries of a zip that were verified up to this point."""
        return ZipCensus(self.offset, self.count, int(self.digest, 16))

    def is_proven_by(self, held: Sequence[StoredPart]) -> bool:
        """Whether *held*, the parts in the store, include exactly these parts."""
        first = [part for part in held if part.number <= self.parts]
        if len(first) != self.parts:
            return False
        proof = ""
        for part in first:
            proof = chain(proof, part.tag)
        return (
            [part.number for part in first] == list(range(1, self.parts + 1))
            and all(part.size == self._size(part.number) for part in first)
            and proof == self.proof
        )

    def _size(self, number: int) -> int:
        return min(self.part_size, self.total - (number - 1) * self.part_size)


def chain(proof: str, tag: str) -> str:
    """The digest *proof* of some tags, extended by one more tag."""
    return hashlib.sha256(f"{proof}{tag}".encode()).hexdigest()


def load(state: State | None, key: str, *, label: str) -> Checkpoint | None:
    """The checkpoint that an earlier attempt at the same landing left; None if there is no usable one."""
    data = None if state is None else state.get(STATE_PREFIX + key)
    if not isinstance(data, dict):
        return None
    try:
        check_storable(data, "a checkpoint")
        check_fields(data, _FIELDS, "a checkpoint")
        found = Checkpoint(**data)  # type: ignore[arg-type]  # unknown names raise right here
    except (TypeError, InvalidRequestError):
        return None
    return found if found.label == label and found.parts > 0 else None


def save(state: State | None, key: str, found: Checkpoint | None) -> None:
    """Keep the checkpoint *found*; with None, forget the one that is kept."""
    if state is None:
        return
    if found is not None:
        state.set(STATE_PREFIX + key, cast("JSON", asdict(found)))
    else:
        state.delete(STATE_PREFIX + key)
