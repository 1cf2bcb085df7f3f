"""The durable record of a task's batches, so that a retry goes on where the last try ended.

One plan and one entry a batch are kept in Airflow's task state store (3.3+), each with a *fence*: the
attempt lineage ``ti.max_tries``. Ordinary retries keep it, a clear changes it; so a retry re-attaches to
its jobs and a cleared task starts anew. Below 3.3 nothing is kept and every try starts anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from airflow_provider_assets._airflow import AIRFLOW_V_3_3_PLUS
from airflow_provider_assets.sansio.jobs import ArchiveJob, ArchiveRequest, Data, JobState
from airflow_provider_assets.sansio.messages import JSON

if TYPE_CHECKING:
    from airflow.sdk import Context

KEY = "asset_archive"


@dataclass(frozen=True, slots=True)
class Entry:
    """A batch and what became of it.

    :param since: epoch seconds at which a submit was intended; None before.
    :param job: the vendor's job; None with ``since`` set means that a submit was cut short.
    """

    request: ArchiveRequest
    since: float | None = None
    job: ArchiveJob | None = None

    @property
    def has_succeeded(self) -> bool:
        """Whether the vendor has finished it well."""
        return self.job is not None and self.job.state is JobState.SUCCEEDED

    def to_dict(self) -> Data:
        """JSON form."""
        return {
            "request": self.request.to_dict(),
            "since": self.since,
            "job": self.job.to_dict() if self.job else None,
        }

    @classmethod
    def from_dict(cls, data: Data) -> Entry:
        """The entry that :meth:`to_dict` described."""
        job = data["job"]
        return cls(
            request=ArchiveRequest.from_dict(cast("Data", data["request"])),
            since=cast("float | None", data["since"]),
            job=ArchiveJob.from_dict(job) if isinstance(job, dict) else None,
        )


class Ledger:
    """The batches of one task instance.

    :param inputs: the operator's rendered inputs; other inputs start anew.
    """

    def __init__(self, context: Context, inputs: object) -> None:
        ti = context["ti"]
        self._fence = ti.max_tries
        self._fingerprint = hashlib.sha256(repr(inputs).encode()).hexdigest()
        self._lineage = f"{ti.dag_id}|{ti.task_id}|{ti.run_id}|{ti.map_index}|{self._fence}"
        self._store = context.get("task_state_store")
        self.durable = AIRFLOW_V_3_3_PLUS and self._store is not None

    def tagged(self, request: ArchiveRequest) -> ArchiveRequest:
        """*request* with a tag that is the same in every retry and in no other run."""
        text = f"{self._lineage}|{self._fingerprint}|{request.index}"
        return replace(request, tag=hashlib.sha256(text.encode()).hexdigest()[:16])

    def recall(self) -> list[Entry]:
        """The batches of an earlier try of the same lineage and inputs; none if there was no such."""
        plan = self._get(KEY)
        if not self._is_ours(plan):
            return []
        count = cast("int", cast("Data", plan)["batches"])
        found = [self._get(f"{KEY}.{index}") for index in range(count)]
        if not all(self._is_ours(data) for data in found):
            return []
        return [Entry.from_dict(cast("Data", data)) for data in found]

    def plan(self, requests: Sequence[ArchiveRequest]) -> list[Entry]:
        """Record *requests* before the first of them is submitted."""
        entries = [Entry(self.tagged(request)) for request in requests]
        for entry in entries:
            self.record(entry)
        self._set(KEY, {"batches": len(entries)})
        return entries

    def record(self, entry: Entry) -> None:
        """Record what is known of one batch."""
        self._set(f"{KEY}.{entry.request.index}", entry.to_dict())

    def _is_ours(self, data: JSON) -> bool:
        return (
            isinstance(data, dict)
            and data.get("fence") == self._fence
            and data.get("fingerprint") == self._fingerprint
        )

    def _get(self, key: str) -> JSON:
        return self._store.get(key) if self.durable and self._store else None

    def _set(self, key: str, data: Data) -> None:
        if self.durable and self._store:
            mark: Data = {"fence": self._fence, "fingerprint": self._fingerprint}
            self._store.set(key, cast("dict[str, object]", {**mark, **data}))  # type: ignore[arg-type]  # both are JSON
