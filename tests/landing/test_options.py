"""Options of a landing."""

from __future__ import annotations

import pytest

from airflow_provider_assets.landing import LandingOptions
from airflow_provider_assets.sansio.errors import InvalidRequestError


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"part_size": 1}, {"max_memory": 1}])
def test_budgets_that_hold_nothing_are_refused(wrong):
    with pytest.raises(InvalidRequestError):
        LandingOptions(**wrong)


@pytest.mark.parametrize(
    "name", ["attempts", "max_entries", "max_unpacked", "max_ratio", "part_size"]
)
@pytest.mark.parametrize("wrong", ["1000", 1e6, True, [1]])
def test_a_limit_that_is_no_whole_number_is_named(name, wrong):
    with pytest.raises(InvalidRequestError, match=f"{name} must be a whole number"):
        LandingOptions(**{name: wrong})


@pytest.mark.parametrize("name", ["attempts", "max_entries", "max_unpacked", "max_ratio"])
def test_a_limit_that_admits_nothing_is_named(name):
    with pytest.raises(InvalidRequestError, match=f"{name} must be at least 1, not 0"):
        LandingOptions(**{name: 0})
