"""Checkpoints: what the next attempt needs to resume a broken landing.

Small and free of secrets: it may be kept in a task's state. It is a claim, not a proof: the store is
asked for the parts it holds and the source for its validator before anything is taken over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import cast

from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.job import Job
from airflow_provider_assets.landing.options import PARALLEL_REQUESTS
from airflow_provider_assets.landing.state import State
from airflow_provider_assets.landing.stores.base import Store, StoredPart, holds
from airflow_provider_assets.landing.zips.format import ZipCensus
from airflow_provider_assets.sansio.messages import JSON

_PREFIX = "landing:"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Parts 1 to ``parts`` are stored and verified.

    :param label: identity of the landing. :param writer: what the store calls the unfinished object.
    :param part_size: bytes of each part but the last. :param total: bytes of the source.
    :param validator: ETag or Last-Modified of the source.
    :param crc32: of all the parts together. :param proof: digest of their tags, in order.
    :param container: ``zip`` or "" (a file without structure of its own).
    :param offset: where the next entry to be verified begins; ``count`` and ``digest``: see Ledger.
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
        """Bytes of these parts; the last part of all may be shorter than the others."""
        return min(self.parts * self.part_size, self.total)

    @property
    def census(self) -> ZipCensus:
        """The state of the verification of a zip at that point."""
        return ZipCensus(self.offset, self.count, int(self.digest, 16))

    def is_proven_by(self, held: Sequence[StoredPart]) -> bool:
        """Whether the store holds exactly these parts."""
        first = [part for part in held if part.number <= self.parts]
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
    """The digest of the tags so far and one more."""
    return hashlib.sha256(f"{proof}{tag}".encode()).hexdigest()


def load(state: State | None, key: str, *, label: str) -> Checkpoint | None:
    """What an earlier attempt at the same landing left, if anything usable."""
    data = None if state is None else state.get(_PREFIX + key)
    if not isinstance(data, dict):
        return None
    try:
        found = Checkpoint(**data)  # type: ignore[arg-type]  # unknown names raise right here
    except TypeError:
        return None
    return found if found.label == label and found.parts > 0 else None


def save(state: State | None, key: str, found: Checkpoint | None) -> None:
    """Remember, or forget."""
    if state is None:
        return
    if found is not None:
        state.set(_PREFIX + key, cast("JSON", asdict(found)))
    else:
        state.delete(_PREFIX + key)


@dataclass(slots=True)
class LandedFiles:
    """What a landing of many files has landed so far, small enough to be kept in a task's state.

    :param identity: of what is landed; something else starts from scratch.
    :ivar again: an earlier attempt began to land the same.
    :ivar done: number of a file that landed -> bytes, CRC-32, whether its length was announced.
    """

    job: Job
    identity: str
    again: bool = False
    done: dict[str, JSON] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take over what the state knows."""
        state = self.job.state
        data = None if state is None else state.get(_files(self.job))
        if not isinstance(data, dict):
            return
        self.again = (data.get("label"), data.get("identity")) == (self.job.label, self.identity)
        kept = data.get("done") if self.again else None
        if isinstance(kept, dict):
            self.done = dict(kept)

    def save(self) -> None:
        """Remember it."""
        if self.job.state is None:
            return
        known: JSON = {"label": self.job.label, "identity": self.identity, "done": self.done}
        self.job.state.set(_files(self.job), known)


def stored_files(job: Job, identity: str) -> dict[str, int]:
    """Key -> bytes of what is stored already, if an earlier attempt began to land the same thing.

    Any of it may be older, or somebody else's: see :func:`verified_keys`.

    :param identity: of what is landed now, validator and length; another archive starts from scratch.
    """
    if job.state is None:
        return {}
    landed = LandedFiles(job, identity)
    landed.save()
    return job.store.sizes(job.prefix) if landed.again else {}


def verified_keys(store: Store, wanted: Mapping[str, Checksum]) -> set[str]:
    """The keys under which *store* holds exactly what is *wanted*."""
    pool = ThreadPoolExecutor(PARALLEL_REQUESTS, "landing")
    try:
        held = pool.map(partial(holds, store), wanted.keys(), wanted.values())
        return {key for key, is_there in zip(wanted, held, strict=True) if is_there}
    finally:
        pool.shutdown(cancel_futures=True)


def forget_files(job: Job) -> None:
    """The landing is finished."""
    if job.state is not None:
        job.state.delete(_files(job))


def _files(job: Job) -> str:
    return f"{_PREFIX}{job.key}:files"
