"""``GET /jobs``: which jobs, in which order.

Source: Scenario's API reference. With ``status``, ``type``, ``types`` or ``workflowId`` jobs are
sorted by update and bounded by ``updatedAfter``; without, by creation and ``createdAfter``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from airflow_provider_assets.sandbox.clock import parse_iso

from .errors import Invalid

if TYPE_CHECKING:
    from .state import ScenarioJob

_BY_UPDATE = ("status", "type", "types", "workflowId")
_MONTH = 30 * 86_400


def select(
    jobs: Iterable[ScenarioJob], query: Mapping[str, str], *, now: float
) -> list[ScenarioJob]:
    """The jobs a query asks for, the latest first; raises Invalid where the vendor says 400."""
    by_update = any(name in query for name in _BY_UPDATE)
    wrong, right = ("createdAfter", "updatedAfter")[:: 1 if by_update else -1]
    if wrong in query:
        raise Invalid(f"{wrong} cannot be used here, use {right}")
    floor = _floor(query, right, now)
    types = set(filter(None, query.get("types", query.get("type", "")).split(",")))

    def moment(job: ScenarioJob) -> float:
        return job.life.updated if by_update else job.life.begun

    found = [
        job
        for job in jobs
        if moment(job) > floor
        and (not types or job.type in types)
        and query.get("status", job.life.status) == job.life.status
        and query.get("authorId", job.author) == job.author
        and "workflowId" not in query
    ]
    return sorted(found, key=moment, reverse=True)


def _floor(query: Mapping[str, str], bound: str, now: float) -> float:
    if bound in query:
        try:
            return parse_iso(query[bound])
        except ValueError as error:
            raise Invalid(f"{bound} must be an ISO 8601 date") from error
    month = "authorId" in query or query.get("hideResults") == "false"
    return now - _MONTH if month else float("-inf")
