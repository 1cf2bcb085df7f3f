"""The query parameters of ``GET /assets`` and ``GET /jobs``.

Source: Scenario's API reference. Assets: bounds are exclusive and have milliseconds; a bound needs
the matching ``sortBy``; ``privacy=public`` covers every organisation; ``deleted=true`` is a view of
its own. The order without ``sortBy`` is undocumented; here it is the newest first. Jobs: with
``status``, ``type``, ``types`` or ``workflowId`` they are sorted by update and bounded by
``updatedAfter``; without, by creation and ``createdAfter``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter

from airflow_provider_assets.sandbox.clock import parse_iso
from airflow_provider_assets.sandbox.scenario.assets import PROJECT, Asset
from airflow_provider_assets.sandbox.scenario.history import History, merge
from airflow_provider_assets.sandbox.scenario.state import Catalog, ScenarioJob
from airflow_provider_assets.sandbox.scenario.views import error
from airflow_provider_assets.sandbox.vendor import Refused

Test = Callable[[Asset], bool]

_BOUNDS = ("createdAfter", "createdBefore", "updatedAfter", "updatedBefore")
_WITH_DELETED = {
    "deleted", "projectId", "teamId", "pageSize", "paginationToken", "originalAssets",
}  # fmt: skip
_TRASH_MS = 30 * 86_400_000
_JOBS_BY_UPDATE = ("status", "type", "types", "workflowId")
_MONTH = 30 * 86_400
_EXACT: dict[str, Callable[[Asset, str], bool]] = {
    "modelId": lambda one, value: one.model == value,
    "inferenceId": lambda one, value: one.inference == value,
    "authorId": lambda one, value: one.author == value,
    "collectionId": lambda one, value: value in one.collections,
    "parentAssetId": lambda one, value: one.parent == value,
    "rootAssetId": lambda one, value: one.root == value,
}


def select_assets(
    catalog: Catalog, query: Mapping[str, str], *, now: float, public: bool
) -> Sequence[Asset]:
    """All assets that a query selects, in its order.

    :param public: the caller has no credentials and sees public assets only.
    :raises Refused: for parameters that are invalid or cannot be combined.
    """
    if query.get("deleted") == "true":
        return _trash(catalog, query, now)
    visible, tests, bounds = _visible(query, public=public), _kinds(query), _bounds(query)
    for name, test in _EXACT.items():
        if value := query.get(name):
            tests.append(_bind(test, value))
    if wanted := _listed(query, "tags"):
        tests.append(lambda one: not wanted.isdisjoint(one.tags))
    key, is_reversed = _order(query)
    inside = [visible, *tests, *(_bound(name, limit) for name, limit in bounds.items())]
    found = [one for one in catalog.by_creation if all(test(one) for test in inside)]
    found.sort(key=lambda one: (key(one), one.id))
    numbers = _of_history(catalog.history, bounds, visible, tests)
    return merge(catalog.history, numbers, found, [key(one) for one in found], desc=is_reversed)


def select_jobs(
    jobs: Iterable[ScenarioJob], query: Mapping[str, str], *, now: float
) -> list[ScenarioJob]:
    """The jobs that a query selects, the latest first.

    :raises Refused: for parameters that are invalid or cannot be combined.
    """
    by_update = any(name in query for name in _JOBS_BY_UPDATE)
    wrong, right = ("createdAfter", "updatedAfter")[:: 1 if by_update else -1]
    if wrong in query:
        raise Refused(error(400, f"{wrong} cannot be used here, use {right}"))
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


def _bind(test: Callable[[Asset, str], bool], value: str) -> Test:
    return lambda one: test(one, value)


def _visible(query: Mapping[str, str], *, public: bool) -> Test:
    privacy = query.get("privacy", "public" if public else "")
    if privacy not in ("", "private", "public", "unlisted"):
        raise Refused(error(400, "privacy must be private, public or unlisted"))
    if privacy == "public":
        return lambda one: one.privacy == "public" and not one.deleted
    if public:
        raise Refused(error(400, "only public assets can be listed without credentials"))
    return lambda one: one.owner == PROJECT and not one.deleted and privacy in ("", one.privacy)


def _bounds(query: Mapping[str, str]) -> dict[str, int]:
    """Each bound that is given, in epoch milliseconds."""
    given: dict[str, int] = {}
    for name in _BOUNDS:
        if (text := query.get(name)) is None:
            continue
        key = "createdAt" if name.startswith("created") else "updatedAt"
        if query.get("sortBy") != key:
            raise Refused(error(400, f'{name} requires sortBy to be "{key}"'))
        given[name] = _milliseconds(name, text)
    return given


def _of_history(
    history: History, bounds: Mapping[str, int], visible: Test, tests: list[Test]
) -> Sequence[int]:
    """The numbers of the history's assets that a query selects; they are all as visible as the first."""
    if not history.count or not visible(history.asset(0)):
        return ()
    lows = [history.before(limit + 1) for name, limit in bounds.items() if name.endswith("After")]
    highs = [history.before(limit) for name, limit in bounds.items() if name.endswith("Before")]
    numbers = range(max(lows, default=0), min(highs, default=history.count))
    if not tests:
        return numbers
    return [one for one in numbers if all(test(history.asset(one)) for test in tests)]


def _bound(name: str, limit: int) -> Test:
    field = "created" if name.startswith("created") else "updated"
    if name.endswith("After"):
        return lambda one: getattr(one, field) > limit
    return lambda one: getattr(one, field) < limit


def _milliseconds(name: str, text: str) -> int:
    try:
        return int(round(parse_iso(text) * 1000, 3))
    except ValueError as problem:
        raise Refused(error(400, f"{name} must be an ISO 8601 date")) from problem


def _kinds(query: Mapping[str, str]) -> list[Test]:
    if "type" in query and "types" in query:
        raise Refused(error(400, '"type" and "types" cannot be used together'))
    kinds = {query["type"]} if "type" in query else _listed(query, "types")
    return [lambda one: one.type in kinds] if kinds else []


def _listed(query: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(part.strip() for part in query.get(name, "").split(",") if part.strip())


def _order(query: Mapping[str, str]) -> tuple[Callable[[Asset], int], bool]:
    """The time that assets are sorted by, and whether the latest is the first."""
    by, direction = query.get("sortBy", "createdAt"), query.get("sortDirection", "desc")
    if by not in ("createdAt", "updatedAt"):
        raise Refused(error(400, "sortBy must be createdAt or updatedAt"))
    if direction not in ("asc", "desc"):
        raise Refused(error(400, "sortDirection must be asc or desc"))
    return attrgetter("created" if by == "createdAt" else "updated"), direction == "desc"


def _trash(catalog: Catalog, query: Mapping[str, str], now: float) -> list[Asset]:
    if foreign := sorted(set(query) - _WITH_DELETED):
        raise Refused(error(400, f'"deleted" cannot be combined with {", ".join(foreign)}'))
    oldest = now * 1000 - _TRASH_MS
    found = [one for one in catalog.by_creation if one.deleted > oldest and one.owner == PROJECT]
    return sorted(found, key=lambda one: one.deleted, reverse=True)


def _floor(query: Mapping[str, str], bound: str, now: float) -> float:
    if bound in query:
        try:
            return parse_iso(query[bound])
        except ValueError as problem:
            raise Refused(error(400, f"{bound} must be an ISO 8601 date")) from problem
    month = "authorId" in query or query.get("hideResults") == "false"
    return now - _MONTH if month else float("-inf")
