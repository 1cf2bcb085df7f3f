"""The decision on a retry after an error of this package (Airflow 3.3+).

The operators and the sensor use :class:`ArchiveRetryPolicy` unless they or the DAG's ``default_args``
are given another ``retry_policy``, or None, which leaves the decision to Airflow. In ``partial()``, False
does, because Airflow gives a mapped task None for every argument that was left out. Your own policy can
build on this one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

from airflow_provider_assets.sansio.errors import (
    HOPELESS,
    AssetsError,
    Hopeless,
    QuotaExceededError,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

# A quota that resets later than this needs a person; do not keep retrying. Nothing else is waited for longer:
# a vendor that is unavailable may name any time.
MAX_QUOTA_WAIT = timedelta(hours=6)


class ArchiveRetryPolicy(RetryPolicy):
    """Fail at once what a retry cannot change, and wait as long as the vendor asked, at most six hours.

    :param hopeless: classes of errors that fail at once, a quota that resets soon excepted.
    """

    def __init__(self, hopeless: Hopeless = HOPELESS) -> None:
        self.hopeless = hopeless

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        """The decision; the default one for errors of others."""
        if not isinstance(exception, AssetsError):
            return RetryDecision.default()
        name, seconds = type(exception).__name__, exception.retry_after
        if isinstance(exception, QuotaExceededError) and _resets_soon(seconds):
            return RetryDecision.retry(_delay(seconds), f"{name}: until the quota resets")
        if isinstance(exception, self.hopeless):
            return RetryDecision.fail(reason=f"{name}: a retry cannot change it")
        if seconds is not None:
            return RetryDecision.retry(_delay(seconds), f"{name}: as long as the vendor asked")
        return RetryDecision.default()


def _resets_soon(seconds: float | None) -> bool:
    return seconds is not None and seconds <= MAX_QUOTA_WAIT.total_seconds()


def _delay(seconds: float | None) -> timedelta | None:
    """The delay of a retry; None for the task's own, where the vendor asks for no time at all."""
    return timedelta(seconds=min(seconds, MAX_QUOTA_WAIT.total_seconds())) if seconds else None
