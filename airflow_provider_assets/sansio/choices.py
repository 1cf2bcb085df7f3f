"""Checks a parameter that is one of several words."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_provider_assets.sansio.errors import InvalidRequestError


def require_choice(value: object, name: str, allowed: Iterable[object]) -> None:
    """Check that *value* is one of *allowed*.

    :param name: of the parameter.
    :raises InvalidRequestError: naming those that are allowed.
    """
    choices = list(allowed)
    if value not in choices:
        raise InvalidRequestError(f"{name}={value!r} is none of {', '.join(map(str, choices))}")
