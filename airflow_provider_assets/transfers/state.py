"""Where a broken landing is remembered, so that the next try of the task goes on with it."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING

from airflow_provider_assets.sansio.messages import JSON

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor


def landing_state(context: Context) -> MutableMapping[str, JSON] | None:
    """Airflow's task state as a mapping; None below 3.3, where a broken landing starts over."""
    store = context.get("task_state_store")
    return None if store is None else TaskState(store)


class TaskState(MutableMapping[str, JSON]):
    """Keys that this try has met; the store itself cannot list what it holds."""

    def __init__(self, store: TaskStateStoreAccessor) -> None:
        self._store = store
        self._known: set[str] = set()

    def __getitem__(self, key: str) -> JSON:
        value = self._store.get(key)
        if value is None:
            raise KeyError(key)
        self._known.add(key)
        return value

    def __setitem__(self, key: str, value: JSON) -> None:
        self._store.set(key, value)
        self._known.add(key)

    def __delitem__(self, key: str) -> None:
        self._store.delete(key)
        self._known.discard(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
