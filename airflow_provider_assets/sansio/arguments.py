"""Checks of arguments: each names the argument and says what it has to be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from operator import index
from typing import cast

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.strict_json import JSON

Check = Callable[[object, str], object]
# A century: date arithmetic with longer spans could overflow.
LONGEST = timedelta(days=36_525)
LARGEST = 1 << 63
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
_NATIVE = "; a template renders to text unless the DAG has render_template_as_native_obj=True"


def check_arguments(given: Mapping[str, object], checks: Mapping[str, Check]) -> None:
    """Check each of *given* that has a check.

    :raises InvalidRequestError: naming the first that is wrong.
    """
    for name, check in checks.items():
        check(given[name], name)


def or_none(check: Check) -> Check:
    """*check*, but None passes, too."""
    return lambda value, name: None if value is None else check(value, name)


def choice_of(*allowed: object) -> Check:
    """The check that an argument is one of *allowed*."""
    return lambda value, name: require_choice(value, name, allowed)


def require_choice(value: object, name: str, allowed: Iterable[object]) -> None:
    """Check that *value* is one of *allowed*.

    :param name: of the argument.
    :raises InvalidRequestError: naming those that are allowed.
    """
    choices = list(allowed)
    if isinstance(value, bool) or value not in choices:
        raise InvalidRequestError(
            f"{name} must be one of {', '.join(map(str, choices))}, not {shown(value)}"
        )


def require_flag(value: object, name: str) -> None:
    """Check that *value* is a boolean: any string, even "False", would count as true.

    :raises InvalidRequestError: if it is not one.
    """
    if not isinstance(value, bool):
        hint = _NATIVE if isinstance(value, str) else ""
        raise InvalidRequestError(f"{name} must be True or False, not {shown(value)}{hint}")


def require_string(value: object, name: str) -> str:
    """*value*, a string that may be empty.

    :raises InvalidRequestError: if it is not a string, or contains half of a surrogate pair.
    """
    if not isinstance(value, str) or not has_bytes(value):
        raise InvalidRequestError(f"{name} must be a string, not {shown(value)}")
    return value


def require_text(value: object, name: str) -> str:
    """*value*, a string that is not empty.

    :raises InvalidRequestError: if it is anything else, or contains half of a surrogate pair.
    """
    if not isinstance(value, str) or not value.strip() or not has_bytes(value):
        raise InvalidRequestError(f"{name} must be a non-empty string, not {shown(value)}")
    return value


def is_none(value: object) -> bool:
    """Whether *value* is None, or a proxy of it, as Airflow's context has them for earlier runs."""
    return value.__class__ is type(None)


def has_bytes(text: str) -> bool:
    """Whether *text* can be encoded: half of a surrogate pair cannot."""
    return text.isascii() or text.encode(errors="replace").decode() == text


def to_seconds(value: object, name: str) -> float | None:
    """*value*, seconds or a timedelta, in seconds; None for None.

    :raises InvalidRequestError: unless it is positive, and no more than a century.
    """
    if value is None:
        return None
    span = _span(value)
    if span is None or span <= timedelta(0):
        raise InvalidRequestError(
            f"{name} must be a positive number of seconds, at most a century, not {shown(value)}"
        )
    return span.total_seconds()


def to_timedelta(value: object, name: str) -> timedelta:
    """*value*, seconds or a timedelta, as a timedelta.

    :raises InvalidRequestError: if it is neither, negative, or more than a century.
    """
    span = _span(value)
    if span is None or span < timedelta(0):
        raise InvalidRequestError(
            f"{name} must be 0 or more seconds, at most a century, not {shown(value)}"
        )
    return span


def _span(value: object) -> timedelta | None:
    """*value* as a span of at most a century in either direction; None if it is not one."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # NaN fails this comparison, too.
        value = timedelta(seconds=value) if abs(value) <= LONGEST.total_seconds() else None
    return value if isinstance(value, timedelta) and abs(value) <= LONGEST else None


def positive_int(value: object, name: str) -> int:
    """*value*, or the text that a template made of it, as a whole number.

    :raises InvalidRequestError: unless it is one and positive.
    """
    number = _whole(value)
    if number is None or not 1 <= number < LARGEST:
        raise InvalidRequestError(f"{name} must be a positive whole number, not {shown(value)}")
    return number


def at_least(least: int) -> Check:
    """The check that an argument, which cannot be a template, is a whole number of at least *least*."""

    def check(value: object, name: str) -> None:
        number = _index(value)
        if number is None or not least <= number < LARGEST:
            raise InvalidRequestError(
                f"{name} must be a whole number of at least {least}, not {shown(value)}"
            )

    return check


def _whole(value: object) -> int | None:
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 20:
        text = int(text)
    if isinstance(text, Decimal) and text == text.to_integral_value():
        text = int(text)
    return _index(text)


def _index(value: object) -> int | None:
    """*value* as an integer if it is one, such as those of numpy; None if it is not."""
    try:
        return None if isinstance(value, bool) else index(value)  # type: ignore[arg-type]  # tried
    except TypeError:
        return None


def to_plain(value: object) -> object:
    """*value* with plain lists and dicts in it, also where it holds the lazy results of a mapped task."""
    if isinstance(value, Mapping):
        return {name: to_plain(one) for name, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        # One request for a slice of them, not one for each; what is mapped over them knows no slices.
        is_lazy = type(value).__name__ == "LazyXComSequence"
        return [to_plain(one) for one in (value[:] if is_lazy else value)]
    return value


def lasting_text(value: object) -> str:
    """*value*, which is plain, as text that is the same in every process.

    It has no memory addresses, does not depend on the order of sets, and has the value in place of a proxy.
    """
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name!r}: {lasting_text(one)}' for name, one in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(lasting_text, value))}]"
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(map(lasting_text, value)))}}}"
    is_proxy = value.__class__ is not type(value)
    return _ADDRESS.sub("", str(value) if is_proxy else repr(value))


def require_mapping(value: object, name: str) -> dict[str, JSON]:
    """*value* as a mapping of JSON.

    :raises InvalidRequestError: naming the argument, and the usual cause where it is text.
    """
    if not isinstance(value, Mapping):
        hint = _NATIVE if isinstance(value, str) else ""
        raise InvalidRequestError(f"{name}: expected a mapping, got {type(value).__name__}{hint}")
    for key in value:
        if not isinstance(key, str):
            raise InvalidRequestError(f"{name}: the key {shown(key)} must be a string")
    return cast("dict[str, JSON]", to_plain(value))


def shown(value: object) -> str:
    """*value* as an error message shows it, shortened if it is long."""
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return f"<{type(value).__name__}>"
    return cut(text)


def cut(text: str, most: int = 200) -> str:
    """At most *most* characters of *text*, with an ellipsis if there are more."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
