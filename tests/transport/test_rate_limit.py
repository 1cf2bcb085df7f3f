from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_assets.transport import RateLimit


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
