from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.network.rate_limit import RateLimit
from airflow_provider_assets.network.retries import BUDGET_SECONDS


@given(
    st.floats(0.01, 1000),
    st.lists(st.floats(0, 10), min_size=1, max_size=30),
)
def test_no_two_turns_are_closer_than_the_rate_allows(per_second, gaps) -> None:
    limit, now, turns = RateLimit(per_second), 1000.0, []
    for gap in gaps:
        now += gap
        wait = limit.reserve(now)
        assert wait >= 0
        turns.append(now + wait)
    for one, two in pairwise(turns):
        assert two - one >= 1 / per_second - 1e-6
    # Nobody waits longer than for those before him.
    assert turns[-1] <= now + len(gaps) / per_second


def test_without_a_rate_nobody_waits() -> None:
    limit = RateLimit()
    assert [limit.reserve(float(now)) for now in (0, 0, 0)] == [0, 0, 0]


def test_a_refusal_holds_up_every_request_for_as_long_as_the_vendor_asks() -> None:
    limit = RateLimit(10)
    limit.refused(7.0, 1000.0)
    assert [limit.reserve(1000.0) for _ in range(2)] == [7.0, pytest.approx(7.1)]
    unlimited = RateLimit()
    unlimited.refused(7.0, 1000.0)
    assert [unlimited.reserve(now) for now in (1000.0, 1002.0, 1008.0)] == [7.0, 5.0, 0.0]


def test_a_refusal_that_is_not_waited_for_holds_up_nobody() -> None:
    limit = RateLimit()
    for wait in (None, BUDGET_SECONDS + 1):
        limit.refused(wait, 1000.0)
    assert limit.reserve(1000.0) == 0.0
    assert limit.refusals == 2
