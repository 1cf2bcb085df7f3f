"""Reads JSON, and refuses what no other part of the package could hold or store."""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import NoReturn, Union

JSON = Union[None, bool, int, float, str, "list[JSON]", "dict[str, JSON]"]

# Far above all that a vendor documents: a page has at most 200 records. In memory, an object or a list takes
# thirty times its bytes; what is too deep cannot be written again by recursion; no float has more digits.
MAX_BYTES = 16 * 1024 * 1024  # no more of an answer is read either
MAX_HOLDERS = 200_000
MAX_DEPTH = 100
MAX_DIGITS = 300
_HIGH, _LOW = r"u[dD][89abAB][0-9a-fA-F]{2}", r"u[dD][c-fC-F][0-9a-fA-F]{2}"
# An escape in a JSON text; the group is one half of a surrogate pair without the other one.
_ESCAPE = re.compile(rf"\\(?:{_HIGH}\\{_LOW}|({_HIGH}|{_LOW})|.)", re.DOTALL)
_STEP = 25  # of any MAX_DIGITS characters in a row, the check looks at each that is this far from the last
_DIGITS = re.compile(rf"[0-9]{{{MAX_DIGITS // _STEP}}}")
_STRING = re.compile(r'"[^"]*"?')  # in JSON without escaped quotes; the last may have no end


class LimitError(ValueError):
    """JSON that exceeds a limit: another attempt would get the same."""


def parse(document: bytes) -> JSON:
    """*document* as JSON. Half of a surrogate pair, which cannot be encoded, becomes U+FFFD.

    :raises LimitError: if it exceeds the limits above.
    :raises ValueError: if it is not JSON.
    """
    if len(document) > MAX_BYTES:
        raise LimitError(f"{len(document)} bytes are more than {MAX_BYTES}")
    text = document.decode(json.detect_encoding(document))
    holders = _holders(text)
    if holders > MAX_HOLDERS:
        raise LimitError(f"{holders} objects and lists are more than {MAX_HOLDERS}")
    data = parse_text(text)
    if holders > MAX_DEPTH and not is_shallow(data):
        raise LimitError(f"it is nested deeper than {MAX_DEPTH} levels")
    return data


def parse_text(text: str) -> JSON:
    """Like :func:`parse`, for our own documents, which may be large.

    :raises ValueError: if it is not JSON.
    """
    if "\\" in text and ("\\ud" in text or "\\uD" in text):
        text = _ESCAPE.sub(lambda found: r"\ufffd" if found[1] else found[0], text)
    # Python itself reads whole numbers faster, and most documents have nothing but short ones.
    whole = _whole if _DIGITS.search(text[::_STEP]) else int
    try:
        data: JSON = json.loads(text, parse_int=whole, parse_float=_finite, parse_constant=_refuse)
    except RecursionError:
        raise LimitError("it is nested too deep") from None
    return data


def _holders(text: str) -> int:
    """Number of objects and lists in *text*; brackets within strings do not count."""
    number = text.count("[") + text.count("{")
    if number > MAX_HOLDERS:
        text = _STRING.sub("", text.replace("\\\\", "").replace('\\"', ""))
        number = text.count("[") + text.count("{")
    return number


def _refuse(constant: str) -> NoReturn:
    """NaN and Infinity are not JSON, although Python accepts them."""
    raise ValueError(f"{constant[:20]} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    return number if isfinite(number) else _refuse_large(text)


def _whole(text: str) -> int:
    return int(text) if len(text) <= MAX_DIGITS else _refuse_large(text)


def _refuse_large(number: str) -> NoReturn:
    shown = number if len(number) <= 20 else f"{number[:20]}…"
    raise LimitError(f"{shown} is too large a number")


def is_shallow(data: JSON) -> bool:
    """Whether *data* has at most :data:`MAX_DEPTH` levels of objects and lists."""
    level = [data] if isinstance(data, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for one in level
            for inner in (one.values() if type(one) is dict else one)
            if type(inner) is dict or type(inner) is list  # faster than isinstance
        ]
        if not level:
            return True
    return False
