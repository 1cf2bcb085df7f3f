"""Checks what was stored or handed on before it is used: XComs, events, task state, manifests, plans."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import isfinite
from typing import cast

from airflow_provider_assets.sansio.arguments import LARGEST
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.moments import parse_moment

Fits = Callable[[object], bool]
END_OF_TIME = 253402300800.0  # the year 10000, in epoch seconds


def is_text(value: object) -> bool:
    """Whether it is a string."""
    return isinstance(value, str)


def is_flag(value: object) -> bool:
    """Whether it is true or false."""
    return isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether it is a number that a float can hold, and neither NaN nor infinity."""
    try:
        is_one = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_one and isfinite(cast("float", value))
    except OverflowError:
        return False


def is_epoch(value: object) -> bool:
    """Whether it is a time in epoch seconds, of the years 1970 to 9999."""
    return is_number(value) and 0 <= cast("float", value) < END_OF_TIME


def is_count(value: object) -> bool:
    """Whether it is a whole number of at least 0."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST


def is_mapping(value: object) -> bool:
    """Whether it is a JSON object."""
    return isinstance(value, dict)


def is_texts(value: object) -> bool:
    """Whether it is a list of strings."""
    return isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)


def is_lists(value: object) -> bool:
    """Whether it is an object whose values are lists of strings."""
    return isinstance(value, dict) and all(map(is_texts, value.values()))


def is_moment(value: object) -> bool:
    """Whether it is an ISO string of a zoned time."""
    try:
        return isinstance(value, str) and bool(parse_moment(value, ""))
    except InvalidRequestError:
        return False


def is_span(value: object) -> bool:
    """Whether it is a pair of such strings."""
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(map(is_moment, value))


def or_none(fits: Fits) -> Fits:
    """Whether it is None, or *fits*."""
    return lambda value: value is None or fits(value)


def or_empty(fits: Fits) -> Fits:
    """Whether it is an empty string, or *fits*."""
    return lambda value: value == "" or fits(value)


def check_fields(data: object, fields: Mapping[str, Fits], what: str) -> None:
    """Check the fields that *data* has; those that it lacks are for the caller to miss.

    :param what: with its article, for the error.
    :raises InvalidRequestError: if *data* is not a JSON object, or a field is not what it has to be.
    """
    if not isinstance(data, Mapping):
        raise InvalidRequestError(f"not {what}: expected a mapping, got {type(data).__name__}")
    for name, fits in fields.items():
        if name in data and not fits(data[name]):
            raise InvalidRequestError(
                f"not {what}: {name} has the type {type(data[name]).__name__}"
            )


def check_storable(data: object, what: str) -> None:
    """Check that *data* can be written as JSON in UTF-8.

    :raises InvalidRequestError: if it holds NaN, half of a surrogate pair, or a value that JSON lacks.
    """
    try:
        json.dumps(data, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(f"not {what}: {type(error).__name__}, it is not JSON") from error
