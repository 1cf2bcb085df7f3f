"""Keeps what a broken landing left in Airflow's task state, so that the next attempt resumes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_assets.sansio.messages import JSON

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor


def landing_state(context: Context) -> TaskState | None:
    """The state of the task of *context*; None below Airflow 3.3, where a broken landing starts over."""
    store = context.get("task_state_store")
    return None if store is None else TaskState(store)


@dataclass(frozen=True, slots=True)
class TaskState:
    """Airflow's task state store as the :class:`~.landing.State` of a landing."""

    store: TaskStateStoreAccessor

    def get(self, key: str) -> JSON:
        """The value; None if there is none."""
        return self.store.get(key)

    def set(self, key: str, value: JSON) -> None:
        """Keep *value* for the next attempts of the task."""
        self.store.set(key, value)

    def delete(self, key: str) -> None:
        """Forget the value."""
        self.store.delete(key)
