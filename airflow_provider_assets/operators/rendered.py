"""Arguments that narrow an export and are lost on the way: None in the run, but not in the DAG file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_assets.sansio.arguments import is_none
from airflow_provider_assets.sansio.errors import InvalidRequestError

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

# The arguments that narrow an export.
NARROWING = ("items", "select", "window", "max_items")
# Each of these may be None if another one is given, which narrows the export as well.
INSTEAD: Mapping[str, str] = {"items": "select", "select": "items", "window": "items"}


def as_written(task: BaseOperator, given: Mapping[str, Any]) -> dict[str, Any]:
    """*given* to a task, with the name of each argument whose value its mapping took from another task.

    Airflow builds a mapped task from those values, as if the DAG file held them.
    """
    from airflow.sdk import XComArg

    dag = task.get_dag()
    defined = dag.task_dict.get(task.task_id) if dag else None
    over = getattr(getattr(defined, "expand_input", None), "value", None)
    if isinstance(over, Mapping):  # expand
        found = [name for name in given if isinstance(over.get(name), XComArg)]
    else:  # expand_kwargs, whose mappings may lack an argument, or no mapping
        found = [name for name in given if isinstance(over, XComArg) and given[name] is not None]
    return {**given, **{name: name for name in found}}


def check_rendered(given: Mapping[str, Any], rendered: Mapping[str, Any]) -> None:
    """Refuse an argument that is None in this run only: the export would be a larger one.

    :param given: the arguments as the DAG file has them: templates and results of tasks are not None,
        whatever they yield.
    :param rendered: the arguments as the run has them.
    :raises InvalidRequestError: naming those of :data:`NARROWING`, or the parts of them, that are lost.
    """
    lost = [
        blank
        for name in NARROWING
        if not _is_replaced(name, rendered)
        for blank in _blanks(given.get(name), rendered.get(name), name)
    ]
    if lost:
        raise InvalidRequestError(
            f"{', '.join(lost)}: None in this run, which would export more than the DAG asks for; give it a "
            "value (items={} exports nothing, window='all' everything there is, a window from "
            "'1970-01-01T00:00:00Z' has no beginning)"
        )


def _is_replaced(name: str, rendered: Mapping[str, Any]) -> bool:
    instead = INSTEAD.get(name)
    return instead is not None and rendered.get(instead) is not None


def _blanks(given: object, rendered: object, name: str) -> Iterator[str]:
    """The names of what is not None in *given* but is None in *rendered*."""
    if given is None:
        return
    if is_none(rendered):
        yield name
    elif isinstance(rendered, Mapping):
        for key, value in rendered.items():
            yield from _blanks(_part(given, key), value, f"{name}.{key}")
    elif isinstance(rendered, (list, tuple)):
        for at, value in enumerate(rendered):
            if not isinstance(value, str):  # there may be a million ids
                yield from _blanks(_part(given, at), value, f"{name}[{at}]")


def _part(given: object, key: Any) -> object:
    """The part of *given* that has become the part *key* of its value in the run.

    A template or the result of a task has no parts before it runs: all of it has become each of them.
    """
    if isinstance(given, Mapping):
        return given.get(key)
    if isinstance(given, (list, tuple)):
        return given[key] if key < len(given) else None
    return given
