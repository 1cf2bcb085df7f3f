"""Checkpoints of landings of many files: records of the files that have landed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from airflow_provider_assets.ahead import in_order
from airflow_provider_assets.landing.call import LandingCall
from airflow_provider_assets.landing.checkpoint import STATE_PREFIX
from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.options import PARALLEL_REQUESTS
from airflow_provider_assets.landing.stores.base import Store, holds
from airflow_provider_assets.sansio.stored import is_count
from airflow_provider_assets.sansio.strict_json import JSON


@dataclass(slots=True)
class FilesCheckpoint:
    """The files that a landing of many files has completed, small enough for a task's state.

    :param source_id: identity of the source; a landing of another source starts from scratch.
    :ivar is_known: whether an earlier attempt began to land the same source.
    :ivar done: number of a landed file -> bytes, CRC-32, whether its length was announced.
    """

    call: LandingCall
    source_id: str
    is_known: bool = False
    done: dict[str, JSON] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Load the record of an earlier attempt."""
        state = self.call.state
        data = None if state is None else state.get(_files(self.call))
        if not isinstance(data, dict):
            return
        self.is_known = (data.get("label"), data.get("identity")) == (
            self.call.label,
            self.source_id,
        )
        kept = data.get("done") if self.is_known else None
        if isinstance(kept, dict):
            self.done = {number: one for number, one in kept.items() if _is_landed(one)}

    def save(self) -> None:
        """Write the record to the state."""
        if self.call.state is None:
            return
        known: JSON = {"label": self.call.label, "identity": self.source_id, "done": self.done}
        self.call.state.set(_files(self.call), known)


def _is_landed(record: JSON) -> bool:
    """Whether *record* is one of :attr:`FilesCheckpoint.done`."""
    if not isinstance(record, list) or [*map(type, record)] != [int, str, bool]:
        return False
    size, crc, _ = record
    return is_count(size) and re.fullmatch("[0-9a-f]{1,8}", str(crc)) is not None


def stored_files(call: LandingCall, source_id: str) -> dict[str, int]:
    """Key -> bytes of the objects below the prefix, if an earlier attempt began to land the same source.

    Any of them may be older than that attempt, or foreign: see :func:`verified_keys`.

    :param source_id: identity of the source: its validator and length.
    """
    if call.state is None:
        return {}
    landed = FilesCheckpoint(call, source_id)
    landed.save()
    return dict(call.store.listing(call.prefix)) if landed.is_known else {}


def verified_keys(store: Store, wanted: Mapping[str, Checksum]) -> set[str]:
    """The keys of *wanted* under which *store* holds exactly these bytes."""

    def held(one: tuple[str, Checksum]) -> bool:
        return holds(store, *one)

    with ThreadPoolExecutor(PARALLEL_REQUESTS, "landing") as pool:
        # There may be a million: a request for each of them takes 2 KB while it waits.
        answers = in_order(pool, wanted.items(), held, ahead=2 * PARALLEL_REQUESTS)
        return {key for key, is_there in zip(wanted, answers, strict=True) if is_there}


def forget_files(call: LandingCall) -> None:
    """Forget the files of a landing that is finished."""
    if call.state is not None:
        call.state.delete(_files(call))


def _files(call: LandingCall) -> str:
    return f"{STATE_PREFIX}{call.key}:files"
