"""The number of connections: it follows what each of them brings."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_assets.landing.pipeline.autotune import Tuner


def settle(
    tuner: Tuner, rate_limit, *, load: float | Iterator[float] = 0.1, busy=lambda now: 0
) -> int:
    """The number of connections that *tuner* ends with where *rate_limit* them is the rate."""
    now, received, cpu = 0.0, 0.0, 0.0
    for _ in range(200):
        workers = tuner.decide(now, received=int(received), cpu=cpu, busy=busy(now))
        now += 0.05
        received += 0.05 * rate_limit(workers)
        cpu += 0.05 * (load if isinstance(load, float) else next(load, 0.0))
    return workers


def test_connections_grow_while_each_brings_its_share():
    assert settle(Tuner(most=24, workers=4), lambda n: n * 20e6) == 24


def test_connections_stop_growing_where_the_source_shares_one_rate():
    assert settle(Tuner(most=24, workers=4), lambda n: 50e6) == 4


def test_connections_go_back_to_the_last_number_that_paid():
    assert settle(Tuner(most=24, workers=4), lambda n: min(n, 8) * 20e6) == 8


def test_a_few_connections_do_while_the_processor_is_the_limit():
    assert settle(Tuner(most=24), lambda n: n * 20e6, load=0.9) == 3


def test_connections_grow_again_when_only_the_start_was_busy():
    loads = iter([0.9] * 5)
    assert settle(Tuner(most=24), lambda n: n * 20e6, load=loads) == 24


def test_connections_are_halved_when_the_source_is_busy():
    assert (
        settle(Tuner(most=24, workers=4), lambda n: n * 20e6, busy=lambda now: int(now > 2)) == 12
    )


def test_the_first_step_is_a_large_one_while_the_processor_waits():
    tuner = Tuner(most=24)
    before = tuner.decide(0.0, received=0, cpu=0.0, busy=0)
    assert (before, tuner.decide(0.2, received=10_000_000, cpu=0.01, busy=0)) == (3, 12)


def test_a_step_that_paid_off_in_part_leaves_as_many_as_the_rate_has_grown_by():
    assert settle(Tuner(most=24), lambda n: min(n, 5) * 20e6) == 5
