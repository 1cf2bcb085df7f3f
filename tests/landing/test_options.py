"""Options of a landing."""

from __future__ import annotations

import pytest

from airflow_provider_assets.landing import LandingOptions
from airflow_provider_assets.sansio.errors import InvalidRequestError


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"part_size": 1}, {"max_memory": 1}])
def test_budgets_that_hold_nothing_are_refused(wrong):
    with pytest.raises(InvalidRequestError):
        LandingOptions(**wrong)
