"""Checks of how to export, before any request to the vendor; `listing.inputs` checks what to export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_assets.destinations import check_destination
from airflow_provider_assets.metadata import check_format
from airflow_provider_assets.sansio.arguments import (
    Check,
    check_arguments,
    choice_of,
    is_none,
    or_none,
    require_flag,
    require_text,
    to_seconds,
    to_timedelta,
)
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.verdict import ON_PARTIAL
from airflow_provider_assets.sansio.window import is_unbounded

CHECKS: Mapping[str, Check] = {
    "conn_id": require_text,
    "on_empty": choice_of("skip", "succeed", "fail"),
    "on_partial": choice_of(*ON_PARTIAL),
    **dict.fromkeys(("wait_for_completion", "deferrable", "dry_run"), require_flag),
    "cancel_on_kill": or_none(require_flag),
    **dict.fromkeys(("timeout", "poll_interval", "lookback"), to_seconds),
    **dict.fromkeys(("settle", "pending_timeout"), to_timedelta),
}


# Each of these narrows an export, unless another argument does it instead.
NARROWING: Mapping[str, str | None] = {
    "items": "select",
    "select": "items",
    "window": "items",
    "max_items": None,
}


def check_rendered(given: Mapping[str, Any], rendered: Mapping[str, Any]) -> None:
    """Refuse an argument that is None in this run only: the export would be a larger one.

    :param given: the arguments as the DAG file has them, with templates and results of tasks.
    :param rendered: the arguments as the run has them.
    :raises InvalidRequestError: naming those of :data:`NARROWING`, or the parts of them, that are lost.
    """
    lost = [
        blank
        for name, instead in NARROWING.items()
        if instead is None or rendered[instead] is None
        for blank in _blanks(given.get(name), rendered[name], name)
    ]
    if lost:
        raise InvalidRequestError(
            f"{', '.join(lost)}: None in this run, which would export more than the DAG asks for; give it a "
            "value (items={} exports nothing, window='all' everything there is)"
        )


def _blanks(given: object, rendered: object, name: str) -> Iterator[str]:
    """The names of what is not None in *given* but is None in *rendered*."""
    if given is None:
        return
    if is_none(rendered):
        yield name
    elif isinstance(given, Mapping) and isinstance(rendered, Mapping):
        for key, value in rendered.items():
            yield from _blanks(given.get(key), value, f"{name}.{key}")
    elif isinstance(given, (list, tuple)) and isinstance(rendered, (list, tuple)):
        for at, (one, value) in enumerate(zip(given, rendered, strict=False)):
            yield from _blanks(one, value, f"{name}[{at}]")


def check_choices(given: Mapping[str, Any]) -> None:
    """Check the arguments of an export that say how.

    :param given: all of its arguments.
    :raises InvalidRequestError: naming the first that is wrong.
    """
    check_arguments(given, CHECKS)
    check_format(given["metadata"])
    if given["plans"] is not None:
        check_destination(given["plans"], "plans")
    if given["lookback"] is not None:
        _check_lookback(given)


def _check_lookback(given: Mapping[str, Any]) -> None:
    """Refuse a lookback where it has no place or no meaning."""
    if given["items"] is not None or is_unbounded(given["window"]):
        raise InvalidRequestError(
            "lookback extends a window, and there is none with items or window='all'; leave it out"
        )
    if not given["plans"]:
        raise InvalidRequestError(
            "lookback leaves out what has landed below plans; set plans to the destination of the "
            "landings"
        )
