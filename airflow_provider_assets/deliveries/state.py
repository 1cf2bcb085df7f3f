"""Keeps the checkpoints of a landing, from which the next attempt resumes: in Airflow's task state (3.3), or
as small objects beside what lands.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from airflow_provider_assets.airflow_compat import task_state_store
from airflow_provider_assets.landing.markers import RESUME_FOLDER
from airflow_provider_assets.sansio.strict_json import JSON

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor

    from airflow_provider_assets.destinations import Destination
    from airflow_provider_assets.landing import Store


def landing_state(context: Context, target: Destination) -> TaskState | ObjectState:
    """The state of the task in *context*, which no other task and no other run shares."""
    store = task_state_store(context)
    if store is not None:
        return TaskState(store)
    ti = context["ti"]
    lineage = f"{ti.dag_id}|{ti.task_id}|{ti.run_id}|{ti.map_index}"
    return ObjectState(target.store, target.prefix + RESUME_FOLDER, lineage)


@dataclass(frozen=True, slots=True)
class TaskState:
    """Airflow's task state store as the :class:`~.landing.State` of a landing.

    Downloads in parallel share it, and one of them uses the store at a time: while ``dag.test()`` answers a
    call, it removes the channel (``SUPERVISOR_COMMS``) that a second call would need.
    """

    store: TaskStateStoreAccessor
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def get(self, key: str) -> JSON:
        """The value; None if there is none."""
        with self._lock:
            return self.store.get(key)

    def set(self, key: str, value: JSON) -> None:
        """Keep *value* for the next attempts of the task."""
        with self._lock:
            self.store.set(key, value)

    def delete(self, key: str) -> None:
        """Forget the value."""
        with self._lock:
            self.store.delete(key)


@dataclass(frozen=True, slots=True)
class ObjectState:
    """Objects below *folder*, one for each key, as the state of a landing before Airflow 3.3.

    :param lineage: identity of the task instance, the same in every attempt.
    """

    store: Store
    folder: str
    lineage: str

    def get(self, key: str) -> JSON:
        """The value; None if there is none."""
        document = self.store.get(self._key(key))
        return None if document is None else cast("JSON", json.loads(document))

    def set(self, key: str, value: JSON) -> None:
        """Keep *value* for the next attempts of the task."""
        from airflow_provider_assets.landing.stores.base import put_document

        put_document(self.store, self._key(key), json.dumps(value).encode())

    def delete(self, key: str) -> None:
        """Forget the value."""
        self.store.delete(self._key(key))

    def _key(self, key: str) -> str:
        digest = hashlib.sha256(f"{self.lineage}|{key}".encode()).hexdigest()
        return f"{self.folder}{digest[:32]}.json"
