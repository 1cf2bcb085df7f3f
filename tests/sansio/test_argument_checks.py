"""Each check of an argument names it, says what it has to be, and shows no more of a value than helps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial

import numpy as np
import pytest

from airflow_provider_assets.sansio.arguments import (
    LARGEST,
    LONGEST,
    at_least,
    check_arguments,
    choice_of,
    lasting_text,
    or_none,
    positive_int,
    require_flag,
    require_mapping,
    require_string,
    require_text,
    shown,
    to_plain,
    to_seconds,
    to_timedelta,
)
from airflow_provider_assets.sansio.errors import InvalidRequestError

NAN = float("nan")
RIGHT = [
    (require_flag, True, None),
    (require_text, "a", "a"),
    (require_string, "", ""),
    (choice_of("a", None), None, None),
    (choice_of("a"), "a", None),
    (positive_int, 5, 5),
    (positive_int, " 5 ", 5),
    (positive_int, LARGEST - 1, LARGEST - 1),
    (at_least(0), 0, None),
    (or_none(at_least(1)), None, None),
    (to_seconds, None, None),
    (to_seconds, 0.5, 0.5),
    (to_seconds, timedelta(minutes=1), 60.0),
    (to_timedelta, 0, timedelta(0)),
    (to_timedelta, LONGEST, LONGEST),
    (to_timedelta, LONGEST.total_seconds(), LONGEST),
    (require_mapping, {"a": (1, 2)}, {"a": [1, 2]}),
]
WRONG = [
    *((require_flag, value) for value in ("False", 1, None)),
    *((require_text, value) for value in ("", " ", 5, None, "\ud800")),
    *((require_string, value) for value in (5, None, "\ud800")),
    *((choice_of("a", 1), value) for value in ("b", None, [], True)),
    *((positive_int, value) for value in (0, "0", "a", "", True, 2.5, NAN, "²", "9" * 30, LARGEST)),
    *((at_least(2), value) for value in (1, "2", True, None, NAN, 1 << 64)),
    *((or_none(at_least(1)), value) for value in (0, "1")),
    *((to_seconds, value) for value in (0, -1, "5", True, NAN, 10**400, timedelta.max)),
    *((to_timedelta, value) for value in (-1, None, "5", NAN, timedelta(-1), timedelta.min)),
    *((require_mapping, value) for value in (None, "{}", [], {5: 1})),
]


@pytest.mark.parametrize(("check", "value", "result"), RIGHT)
def test_a_right_value_is_taken(check, value, result) -> None:
    assert check(value, "the_name") == result


@pytest.mark.parametrize(("check", "value"), WRONG)
def test_a_wrong_value_is_refused_by_the_name_of_its_argument(check, value) -> None:
    with pytest.raises(InvalidRequestError, match=r"^the_name"):
        check(value, "the_name")


@pytest.mark.parametrize("check", [require_flag, require_mapping])
def test_a_text_where_none_belongs_names_the_templates_that_make_it(check) -> None:
    with pytest.raises(InvalidRequestError, match="render_template_as_native_obj"):
        check("{{ x }}", "the_name")


def test_the_first_wrong_argument_of_several_is_named() -> None:
    checks = {"a": require_flag, "b": at_least(1), "c": require_text}
    check_arguments({"a": True, "b": 1, "c": "x", "d": None}, checks)
    with pytest.raises(
        InvalidRequestError, match=r"^b must be a whole number of at least 1, not 0$"
    ):
        check_arguments({"a": True, "b": 0, "c": ""}, checks)


def test_a_long_value_is_shown_in_part_and_what_has_no_bytes_as_an_escape() -> None:
    assert shown("é") == "'é'"
    assert shown("\ud800") == r"'\ud800'"
    assert len(shown("x" * 9_000)) == 200
    assert shown("x" * 198) == f"'{'x' * 198}'"
    assert shown(1 << 40_000) == "<int>"


def test_lazy_results_become_plain_lists_at_any_depth() -> None:
    class Lazy(Sequence):
        def __len__(self) -> int:
            return 2

        def __getitem__(self, at):
            return ["a", ("b",)][at]

    assert to_plain({"x": Lazy(), "y": b"z"}) == {"x": ["a", ["b"]], "y": b"z"}


class Mapped(Sequence):
    """As Airflow's lazy result of ``.map()``: it knows no slices."""

    def __getitem__(self, index):
        return {"id": [1, 2][index]}

    def __len__(self):
        return 2


def test_lazy_results_become_plain_whether_they_know_slices_or_not():
    assert to_plain({"ids": Mapped()}) == {"ids": [{"id": 1}, {"id": 2}]}


def test_a_plain_value_is_written_as_python_does():
    value = {"a": [1, "b c", None, timedelta(1)], "d": {}, "e": [], 5: [{"f": True}]}
    assert lasting_text(value) == repr(value)


class Loaded:
    """A stand-in for what a DAG file makes, at another address each time."""

    def __init__(self, value):
        self.value, self.call = value, lambda: value


class Proxied:
    """As the lazy values of Airflow's context, whose repr has addresses."""

    def __init__(self, value):
        self._value = value

    __class__ = property(lambda self: type(self._value))

    def __str__(self):
        return str(self._value)


def test_what_another_process_makes_of_the_same_file_is_written_alike():
    kept = [Loaded(1), Loaded(1)]  # so that they have two addresses
    for one, two in (kept, [each.call for each in kept], [partial(each.call) for each in kept]):
        assert lasting_text([one]) == lasting_text([two])
    words = [f"word {number}" for number in range(99)]
    assert lasting_text(set(words)) == lasting_text(frozenset(reversed(words)))
    moments = [Proxied(timedelta(days)) for days in (1, 1, 2)]
    first, second, other = (lasting_text({"window": [moment]}) for moment in moments)
    assert first == second != other


@pytest.mark.parametrize("value", [Decimal(5), np.int64(5), "5", 5])
def test_whole_numbers_of_other_kinds_are_numbers(value):
    assert positive_int(value, "max_items") == 5
    assert type(positive_int(value, "max_items")) is int


@pytest.mark.parametrize("value", [Decimal("5.5"), 5.5, True, None, "x", Decimal("NaN")])
def test_what_is_no_whole_number_is_named(value):
    with pytest.raises(InvalidRequestError, match="max_items"):
        positive_int(value, "max_items")


def test_the_least_is_allowed_and_none_only_where_it_is_said():
    assert positive_int("1", "max_items") == 1
    check = or_none(at_least(3))
    assert check(None, "part_size") is None
    check(3, "part_size")
    for wrong in (2, LARGEST, "3"):
        with pytest.raises(InvalidRequestError, match="part_size"):
            check(wrong, "part_size")
    at_least(3)(LARGEST - 1, "part_size")


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (require_flag, 1, "must be True or False, not 1"),
        (require_text, 5, "must be a non-empty string, not 5"),
        (require_string, 5, "must be a string, not 5"),
        (positive_int, 0, "must be a positive whole number, not 0"),
        (to_seconds, -1, "must be a positive number of seconds, at most a century, not -1"),
        (to_timedelta, -1, "must be 0 or more seconds, at most a century, not -1"),
        (require_mapping, [], "expected a mapping, got list"),
        (require_mapping, {5: 1}, "the key 5 must be a string"),
    ],
)
def test_a_message_shows_the_value_and_names_templates_only_where_it_is_text(check, value, message):
    with pytest.raises(InvalidRequestError, match=rf"^the_name:? {message}$"):
        check(value, "the_name")


def test_all_results_of_a_mapped_task_are_asked_for_at_once():
    class LazyXComSequence(Mapped):
        """As Airflow's, where each item is a request to the API server."""

        def __getitem__(self, index):
            return ["a", "b"][index] if isinstance(index, slice) else pytest.fail("one by one")

    assert to_plain({"ids": LazyXComSequence()}) == {"ids": ["a", "b"]}


def test_a_text_that_has_to_last_is_that_of_earlier_releases():
    assert lasting_text({"b", "a"}) == "{'a', 'b'}"
    assert lasting_text([partial(len)]) == "[functools.partial(<built-in function len>)]"
    name = f"{Loaded.__module__}.Loaded"
    assert lasting_text([Loaded(1)]) == f"[<{name} object>]"
