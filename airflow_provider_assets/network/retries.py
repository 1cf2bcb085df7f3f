"""The retry budget of one request.

An idempotent request is attempted 4 times within 30 s. The time that the vendor asks for (``Retry-After``)
is waited exactly, or the error is raised if it exceeds the budget. A submit is sent again only after a
refusal that proves it was not accepted (429), never when in doubt.
"""

from __future__ import annotations

from typing import Any

import tenacity

from airflow_provider_assets.sansio.errors import AssetsError, RateLimitedError, TransientError
from airflow_provider_assets.sansio.messages import HttpRequest

TRIES = 4
BUDGET_SECONDS = 30.0
_BACKOFF = tenacity.wait_random_exponential(multiplier=0.5, max=8)
_STOP = tenacity.stop_any(
    tenacity.stop_after_attempt(TRIES), tenacity.stop_before_delay(BUDGET_SECONDS)
)


def within_budget(request: HttpRequest) -> dict[str, Any]:
    """The arguments with which tenacity attempts *request*."""
    kind = TransientError if request.idempotent else RateLimitedError
    return {"stop": _STOP, "wait": _wait, "retry": tenacity.retry_if_exception_type(kind)}


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, AssetsError) and error.retry_after is not None:
        return error.retry_after
    return _BACKOFF(state)
