"""Work ahead of its consumer: bounded, in order, and without leftovers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from airflow_provider_assets.ahead import in_order


def test_results_come_in_order_and_only_a_few_are_made_before_they_are_asked_for():
    taken = []

    def subjects():
        for number in range(1000):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(4) as pool:
        results = in_order(pool, subjects(), lambda number: -number, ahead=5)
        assert not taken
        for number, result in enumerate(results):
            assert result == -number
            assert len(taken) <= number + 6
    assert len(taken) == 1000


def test_a_result_that_nobody_consumes_is_discarded_even_if_it_comes_late():
    late, discarded = threading.Event(), []
    both = threading.Barrier(3)

    def work(number):
        if number:
            both.wait(10)
            late.wait(10)
        return number

    with ThreadPoolExecutor(2) as pool:
        with closing(in_order(pool, range(9), work, ahead=3, discard=discarded.append)) as results:
            assert next(results) == 0
            both.wait(10)
        assert not discarded
        late.set()
    assert sorted(discarded) == [1, 2], "what no thread has begun is cancelled"


def test_an_error_ends_the_sequence_and_discards_what_was_made_after_it():
    made, discarded = threading.Event(), []

    def work(number):
        if not number:
            made.wait(10)
            raise ValueError("damaged")
        made.set()
        return number

    with ThreadPoolExecutor(2) as pool, pytest.raises(ValueError, match="damaged"):
        list(in_order(pool, range(2), work, ahead=1, discard=discarded.append))
    assert discarded == [1]
