"""State that outlives an attempt, such as the state of an Airflow task.

It only saves time: without it the next attempt starts from scratch. So a state that fails never fails a
landing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from airflow_provider_assets.sansio.strict_json import JSON

T = TypeVar("T")
_log = logging.getLogger(__name__)


class State(Protocol):
    """Keeps small JSON values by key from one attempt to the next. Used by many threads at the same time."""

    def get(self, key: str) -> JSON:
        """The value; None if there is none."""

    def set(self, key: str, value: JSON) -> None:
        """Keep *value*, which must not be None."""

    def delete(self, key: str) -> None:
        """Forget the value, if there is one."""


@dataclass(frozen=True, slots=True)
class BestEffortState:
    """A state that logs its failures instead of raising them; at worst, they cost a resume."""

    state: State

    def get(self, key: str) -> JSON:
        """The value; None if there is none or it cannot be read."""
        return self._attempt("read", lambda: self.state.get(key))

    def set(self, key: str, value: JSON) -> None:
        """Keep *value*, if that is possible."""
        self._attempt("saved", lambda: self.state.set(key, value))

    def delete(self, key: str) -> None:
        """Forget the value, if that is possible."""
        self._attempt("cleared", lambda: self.state.delete(key))

    def _attempt(self, done: str, act: Callable[[], T]) -> T | None:
        try:
            return act()
        except Exception as error:  # noqa: BLE001  # each implementation raises errors of its own
            _log.warning(
                "The state of the landing cannot be %s; the landing continues, but a later attempt may "
                "have to start from scratch: %s",
                done,
                error,
            )
            return None
