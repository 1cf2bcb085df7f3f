"""The outcomes of our errors in Airflow: fail for good or retry, and under which policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_assets.airflow_compat import AIRFLOW_V_3_3_PLUS, AirflowFailException
from airflow_provider_assets.sansio.errors import HOPELESS, AssetsError, Hopeless

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


def raise_for_airflow(error: AssetsError, hopeless: Hopeless = HOPELESS) -> NoReturn:
    """Raise *error* so that Airflow does the right thing with it.

    From 3.3 on the operators' retry policy reads the error itself. Below, only Airflow's own exception
    keeps a task from retrying what cannot succeed.

    :param hopeless: the classes of errors that a retry of this task cannot change.
    """
    if isinstance(error, hopeless) and not AIRFLOW_V_3_3_PLUS:
        raise AirflowFailException(f"{type(error).__name__}: {error.message}") from error
    raise error


def default_retry_policy(
    task: BaseOperator, kwargs: Mapping[str, Any], hopeless: Hopeless = HOPELESS
) -> dict[str, Any]:
    """The *kwargs* of *task* with our retry policy, where Airflow has them and nothing else was asked for.

    None asks for no policy, but in ``partial()``, where Airflow gives a mapped task None for every argument
    that it was not given; there, False does.
    """
    if not AIRFLOW_V_3_3_PLUS or "retry_policy" in (kwargs.get("default_args") or {}):
        return dict(kwargs)
    is_mapped = getattr(task, "_BaseOperator__from_mapped", False)
    if "retry_policy" in kwargs and (kwargs["retry_policy"] is not None or not is_mapped):
        return {**kwargs, "retry_policy": kwargs["retry_policy"] or None}
    from airflow_provider_assets.retry_policy import ArchiveRetryPolicy  # 3.3+

    return {**kwargs, "retry_policy": ArchiveRetryPolicy(hopeless)}
