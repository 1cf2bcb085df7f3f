"""The durable record of a task's batches, so that a retry resumes where the last attempt stopped.

Airflow's task state store (3.3+) keeps, under keys that begin with :data:`KEY`:

* the *head*: the number of batches, and what the attempts after the first must not ask the DAG file
  again, which may have been edited meanwhile;
* for each batch its *request*, written once, since it may hold up to 1000 ids;
* for each batch its *progress*, a few hundred bytes, written before and after each step.

Each value carries the *fence* of the attempts that may use it: ordinary retries keep it, a clear changes
it. So a retry re-attaches to its jobs and a cleared task starts from scratch. Earlier versions keep nothing:
a retry lists again, and looks for the job of each batch at the vendor, by a tag that attempts share if they
list the same items.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from airflow_provider_assets.airflow_compat import task_state_store
from airflow_provider_assets.sansio.arguments import lasting_text
from airflow_provider_assets.sansio.errors import StaleEventError
from airflow_provider_assets.sansio.jobs import ArchiveJob, ArchiveRequest, Data, JobState
from airflow_provider_assets.sansio.stored import (
    Fits,
    check_fields,
    check_storable,
    is_epoch,
    is_mapping,
    is_text,
    or_none,
)

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Logger

KEY = "asset_archive"
_ENTRY: Mapping[str, Fits] = {
    "request": is_mapping,
    "since": or_none(is_epoch),
    "job": or_none(is_mapping),
}
_HEAD: Mapping[str, Fits] = {
    "conn_id": is_text,
    "watermark": or_none(is_text),
    "entries": lambda value: isinstance(value, list),
}


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """A batch and the progress of its job.

    :param since: epoch seconds since which a submit request may have been sent; None if none was.
    :param job: the vendor's job; None with ``since`` set means that a submit request may have been cut short.
    """

    request: ArchiveRequest
    since: float | None = None
    job: ArchiveJob | None = None

    @property
    def has_succeeded(self) -> bool:
        """Whether its job has succeeded."""
        return self.job is not None and self.job.state is JobState.SUCCEEDED

    def to_dict(self) -> Data:
        """JSON form."""
        return {"request": self.request.to_dict(), **self.progress()}

    def progress(self) -> Data:
        """JSON form of what changes after the batch was recorded, without what is not known of the job."""
        job = self.job.to_dict() if self.job else {}
        known: Data = {name: value for name, value in job.items() if value not in (None, "")}
        return {"since": self.since, "job": known or None}

    @classmethod
    def from_dict(cls, data: Data) -> BatchEntry:
        """The entry that :meth:`to_dict` described.

        :raises InvalidRequestError: if *data* is not one.
        """
        check_fields(data, _ENTRY, "a batch")
        job = data.get("job")
        return cls(
            request=ArchiveRequest.from_dict(cast("Data", data.get("request"))),
            since=cast("float | None", data.get("since")),
            job=ArchiveJob.from_dict(job) if isinstance(job, dict) else None,
        )


@dataclass(frozen=True, slots=True)
class RecordedBatches:
    """The batches of a task, with the inputs that later attempts must not read from the DAG file again.

    :param conn_id: the vendor's connection.
    :param watermark: state key under which the window's end is stored once all batches have succeeded;
        None unless ``window="since_last"``.
    """

    conn_id: str
    watermark: str | None
    entries: list[BatchEntry]

    def to_dict(self) -> Data:
        """JSON form, for a trigger to carry where Airflow keeps no state."""
        return {**self.head(), "entries": [entry.to_dict() for entry in self.entries]}

    def head(self) -> Data:
        """JSON form without the batches."""
        return {"conn_id": self.conn_id, "watermark": self.watermark, "batches": len(self.entries)}

    @classmethod
    def from_dict(cls, data: Data) -> RecordedBatches:
        """The batches that :meth:`to_dict` described.

        :raises InvalidRequestError: if *data* is not a record of batches.
        """
        check_storable(data, "a record of batches")
        check_fields(data, _HEAD, "a record of batches")
        entries = [BatchEntry.from_dict(one) for one in cast("list[Data]", data.get("entries", []))]
        return cls.of(data, entries)

    @classmethod
    def of(cls, head: Data, entries: list[BatchEntry]) -> RecordedBatches:
        """The *entries* of the record that :meth:`head` described."""
        watermark = head.get("watermark")
        return cls(str(head.get("conn_id")), None if watermark is None else str(watermark), entries)

    def updated(self, newer: Sequence[BatchEntry]) -> RecordedBatches:
        """The batches with *newer* in their places."""
        by_index = {entry.request.index: entry for entry in newer}
        return replace(self, entries=[by_index.get(one.request.index, one) for one in self.entries])


class BatchLedger:
    """The record of one task instance.

    :param inputs: the operator's rendered inputs; a retry with other inputs starts from scratch.
    """

    def __init__(self, context: Context, inputs: object) -> None:
        ti = context["ti"]
        self._fence: Data = {
            "max_tries": ti.max_tries,
            "retries": getattr(context.get("task"), "retries", None),
            "clears": getattr(context["dag_run"], "clear_number", None),
        }
        self._fingerprint = hashlib.sha256(lasting_text(inputs).encode()).hexdigest()
        self._lineage = f"{ti.dag_id}|{ti.task_id}|{ti.run_id}|{ti.map_index}|{ti.max_tries}"
        self._store = task_state_store(context)
        self.is_durable = self._store is not None
        self._since = None if self.is_durable else _since(context)
        self.is_complete = self.is_durable

    def tagged(self, request: ArchiveRequest) -> ArchiveRequest:
        """*request* with a tag that is the same in every retry and in no other run."""
        text = f"{self._lineage}|{self._fingerprint}|{request.index}"
        if not self.is_durable:  # another attempt may list other items
            text += f"|{request.fingerprint}"
        return replace(request, tag=hashlib.sha256(text.encode()).hexdigest()[:16])

    def recall(self) -> RecordedBatches | None:
        """The batches of an earlier attempt with the same inputs; None if there are none."""
        head = self._get(KEY)
        if head is None or head.get("fingerprint") != self._fingerprint:
            return None
        return self._read(head)

    def resume(self) -> RecordedBatches | None:
        """The batches of the attempt that was deferred, whatever the inputs have become since.

        Airflow renders templates once more when a deferred task resumes, from a DAG file that may have
        been edited; the jobs that were waited for are still this attempt's.
        """
        head = self._get(KEY)
        return None if head is None else self._read(head)

    def deferred(self, carry: Data | None) -> RecordedBatches:
        """The batches of the attempt that was deferred: those its event carries, else those recorded.

        :raises StaleEventError: if there are none.
        """
        batches = RecordedBatches.from_dict(carry) if carry else self.resume()
        if batches is None:
            raise StaleEventError(
                "the trigger's event belongs to an attempt that this task has no record of; clear the "
                "task to export again"
            )
        return batches

    def begin(
        self, requests: Sequence[ArchiveRequest], *, conn_id: str, watermark: str | None
    ) -> RecordedBatches:
        """Record *requests*, which are :meth:`tagged`, before the first of them is submitted."""
        entries = [BatchEntry(request, since=self._since) for request in requests]
        batches = RecordedBatches(conn_id, watermark, entries)
        for entry in entries:
            self._set(f"{KEY}.{entry.request.index}.request", entry.request.to_dict())
            self.record(entry)
        self._set(KEY, {"fingerprint": self._fingerprint, **batches.head()})
        return batches

    def record(self, entry: BatchEntry) -> None:
        """Record what is known of one batch."""
        self._set(f"{KEY}.{entry.request.index}", entry.progress())

    def try_to_record(self, entry: BatchEntry, log: Logger) -> None:
        """Record a step that has been taken already, which a failing state store must not undo.

        From then on the record is not complete: a deferral has to carry the batches itself.
        """
        try:
            self.record(entry)
        except Exception as error:  # noqa: BLE001  # whatever Airflow's API or a custom backend raises
            self.is_complete = False
            log.warning(
                "Batch %d could not be recorded (%s); the task continues, but a retry would have to "
                "find its job at the vendor",
                entry.request.index + 1,
                type(error).__name__,
            )

    def _read(self, head: Data) -> RecordedBatches | None:
        entries = []
        for index in range(cast("int", head["batches"])):
            request = self._get(f"{KEY}.{index}.request")
            progress = self._get(f"{KEY}.{index}")
            if request is None or progress is None:
                return None
            entries.append(BatchEntry.from_dict({"request": request, **progress}))
        return RecordedBatches.of(head, entries)

    def _get(self, key: str) -> Data | None:
        """The value of *key*, if these attempts wrote it."""
        data = self._store.get(key) if self.is_durable and self._store else None
        if not isinstance(data, dict) or not self._is_ours(data.get("fence")):
            return None
        return data

    def _is_ours(self, fence: object) -> bool:
        """Whether *fence* is of an attempt that this one retries.

        A clear sets ``max_tries`` to the attempts made plus ``retries``: a different number than before,
        unless ``retries`` was edited as well. Only then does the run's number of clears decide, which
        grows with every clear of any task. The fingerprint of the inputs decides the rest:

        ========  ===========  ============================================================
        attempt   inputs       what becomes of the record
        ========  ===========  ============================================================
        a retry   the same     :meth:`recall` returns it: the jobs are resumed
        a retry   others       :meth:`recall` ignores it: the task starts from scratch; only
                               :meth:`resume`, after a deferral, returns it
        a clear   the same     ignored: the task starts from scratch
        a clear   others       ignored: the task starts from scratch
        ========  ===========  ============================================================
        """
        if not isinstance(fence, dict) or fence.get("max_tries") != self._fence["max_tries"]:
            return False
        return any(fence.get(name) == self._fence[name] for name in ("retries", "clears"))

    def _set(self, key: str, data: Data) -> None:
        if self.is_durable and self._store:
            self._store.set(key, cast("dict[str, object]", {"fence": self._fence, **data}))  # type: ignore[arg-type]  # both are JSON


def _since(context: Context) -> float | None:
    """Epoch seconds since which earlier attempts may have submitted; None for the first attempt.

    A clear adds the attempts so far to ``max_tries``: the next one has submitted nothing.
    """
    ti, begun = context["ti"], context["dag_run"].start_date
    first = ti.max_tries - (getattr(context.get("task"), "retries", 0) or 0) + 1
    return begun.timestamp() if begun and ti.try_number > first else None
