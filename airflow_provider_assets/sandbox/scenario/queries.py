"""``GET /assets`` with the meaning of each of its filters.

Source: Scenario's API reference. Bounds are exclusive and have milliseconds; a bound needs the
matching ``sortBy``; ``privacy=public`` looks at every organisation; ``deleted=true`` is a view of
its own. The order without ``sortBy`` is undocumented; here it is the newest first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from airflow_provider_assets.sandbox.clock import parse_iso

from .assets import PROJECT
from .errors import Invalid

if TYPE_CHECKING:
    from .assets import Asset, Catalog

Test = Callable[["Asset"], bool]

_BOUNDS = ("createdAfter", "createdBefore", "updatedAfter", "updatedBefore")
_WITH_DELETED = {
    "deleted", "projectId", "teamId", "pageSize", "paginationToken", "originalAssets",
}  # fmt: skip
_TRASH_MS = 30 * 86_400_000
_EXACT: dict[str, Callable[[Asset, str], bool]] = {
    "modelId": lambda one, value: one.model == value,
    "inferenceId": lambda one, value: one.inference == value,
    "authorId": lambda one, value: one.author == value,
    "collectionId": lambda one, value: value in one.collections,
    "parentAssetId": lambda one, value: one.parent == value,
    "rootAssetId": lambda one, value: one.root == value,
}


def select(catalog: Catalog, query: Mapping[str, str], *, now: float, public: bool) -> list[Asset]:
    """All assets a query asks for, in its order; raises Invalid where the vendor says 400.

    :param public: the caller has no credentials and sees public assets only.
    """
    if query.get("deleted") == "true":
        return _trash(catalog, query, now)
    tests = [_visible(query, public=public), *_bounds(query), *_kinds(query)]
    for name, test in _EXACT.items():
        if value := query.get(name):
            tests.append(_bind(test, value))
    if wanted := _listed(query, "tags"):
        tests.append(lambda one: not wanted.isdisjoint(one.tags))
    found = [one for one in catalog.by_creation if all(test(one) for test in tests)]
    return _ordered(found, query)


def _bind(test: Callable[[Asset, str], bool], value: str) -> Test:
    return lambda one: test(one, value)


def _visible(query: Mapping[str, str], *, public: bool) -> Test:
    privacy = query.get("privacy", "public" if public else "")
    if privacy not in ("", "private", "public", "unlisted"):
        raise Invalid("privacy must be private, public or unlisted")
    if privacy == "public":
        return lambda one: one.privacy == "public" and not one.deleted
    if public:
        raise Invalid("only public assets can be listed without credentials")
    return lambda one: one.owner == PROJECT and not one.deleted and privacy in ("", one.privacy)


def _bounds(query: Mapping[str, str]) -> list[Test]:
    tests: list[Test] = []
    for name in _BOUNDS:
        if (text := query.get(name)) is None:
            continue
        key = "createdAt" if name.startswith("created") else "updatedAt"
        if query.get("sortBy") != key:
            raise Invalid(f'{name} requires sortBy to be "{key}"')
        tests.append(_bound(name, _milliseconds(name, text)))
    return tests


def _bound(name: str, limit: int) -> Test:
    field = "created" if name.startswith("created") else "updated"
    if name.endswith("After"):
        return lambda one: getattr(one, field) > limit
    return lambda one: getattr(one, field) < limit


def _milliseconds(name: str, text: str) -> int:
    try:
        return int(round(parse_iso(text) * 1000, 3))
    except ValueError as error:
        raise Invalid(f"{name} must be an ISO 8601 date") from error


def _kinds(query: Mapping[str, str]) -> list[Test]:
    if "type" in query and "types" in query:
        raise Invalid('"type" and "types" cannot be used together')
    kinds = {query["type"]} if "type" in query else _listed(query, "types")
    return [lambda one: one.type in kinds] if kinds else []


def _listed(query: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(part.strip() for part in query.get(name, "").split(",") if part.strip())


def _ordered(found: list[Asset], query: Mapping[str, str]) -> list[Asset]:
    by, direction = query.get("sortBy", "createdAt"), query.get("sortDirection", "desc")
    if by not in ("createdAt", "updatedAt"):
        raise Invalid("sortBy must be createdAt or updatedAt")
    if direction not in ("asc", "desc"):
        raise Invalid("sortDirection must be asc or desc")
    if by == "updatedAt":
        found.sort(key=lambda one: (one.updated, one.id))
    if direction == "desc":
        found.reverse()
    return found


def _trash(catalog: Catalog, query: Mapping[str, str], now: float) -> list[Asset]:
    if foreign := sorted(set(query) - _WITH_DELETED):
        raise Invalid(f'"deleted" cannot be combined with {", ".join(foreign)}')
    oldest = now * 1000 - _TRASH_MS
    found = [one for one in catalog.by_creation if one.deleted > oldest and one.owner == PROJECT]
    return sorted(found, key=lambda one: one.deleted, reverse=True)
