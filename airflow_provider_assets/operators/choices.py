"""Checks of how to export, before any request to the vendor; `listing.inputs` checks what to export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_assets.destinations import check_destination
from airflow_provider_assets.metadata import check_format
from airflow_provider_assets.sansio.arguments import (
    Check,
    check_arguments,
    choice_of,
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
