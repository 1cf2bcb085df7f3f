"""The query parameters of the listings of applications and tasks.

Source: ROMA Connect's API reference and the models of its Python SDK. There is no filter by time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from airflow_provider_assets.sandbox.roma.items import Item

_Filter = Callable[[Item, str, str], bool]  # of an item, the parameter's value, and the caller

_APP_FILTERS: dict[str, _Filter] = {
    "name": lambda one, value, _: value.lower() in one.name.lower(),
    "owner": lambda one, value, user: (one.owner == user) == (value.lower() == "true"),
    "favorite": lambda one, value, _: one.favourite == (value.lower() == "true"),
    "user_name": lambda one, value, _: one.owner == value,
    "auth_role": lambda _, value, __: value in ("read", "FULL"),
}
_TASK_FILTERS: dict[str, _Filter] = {
    "name": lambda one, value, _: value.lower() in one.name.lower(),
    "task_id": lambda one, value, _: one.id == value,
    "status": lambda one, value, _: str(one.running) == value,
    "task_type": lambda one, value, _: one.task_type.lower() == value.lower(),
    "execute_status": lambda one, value, _: one.execution == value,
    "source_app_id": lambda one, value, _: one.app == value,
    "target_app_id": lambda one, value, _: one.app == value,
}
_TASK_ORDERS: dict[str, Callable[[Item], tuple[str | float, str]]] = {
    "task_name": lambda one: (one.name, one.id),
    "created_date": lambda one: (one.created, one.id),
    "last_modified_time": lambda one: (one.updated, one.id),
}


def select_apps(items: Iterable[Item], query: Mapping[str, str], *, user: str) -> list[Item]:
    """All applications that a query selects."""
    return _filtered(items, query, user, _APP_FILTERS)


def select_tasks(items: Iterable[Item], query: Mapping[str, str], *, user: str) -> list[Item]:
    """All tasks that a query selects, in its order."""
    found = _filtered(items, query, user, _TASK_FILTERS)
    if (order := _TASK_ORDERS.get(query.get("sort_field", ""))) is not None:
        found.sort(key=order, reverse=query.get("sort_type", "ASC").upper() == "DESC")
    return found


def _filtered(
    items: Iterable[Item], query: Mapping[str, str], user: str, filters: Mapping[str, _Filter]
) -> list[Item]:
    given = [(test, query[name]) for name, test in filters.items() if name in query]
    return [one for one in items if all(test(one, value, user) for test, value in given)]
