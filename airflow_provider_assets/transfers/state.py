"""Keeps the checkpoints of a landing in Airflow's task state, from which the next attempt resumes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_assets.sansio.messages import JSON

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor


def landing_state(context: Context) -> TaskState | None:
    """The state of the task in *context*; None before Airflow 3.3, so that nothing resumes there."""
    store = context.get("task_state_store")
    return None if store is None else TaskState(store)


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
