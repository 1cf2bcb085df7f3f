"""Airflow's version differences, its configuration and its log masking, in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow import __version__ as airflow_version
from airflow.sdk.log import mask_secret

# Not from common.compat, which has them only in releases that no older Airflow's constraints allow.
try:
    from airflow.sdk import conf
    from airflow.sdk.exceptions import (
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
        TaskDeferralTimeout,
    )
except ImportError:  # below 3.2, their older homes
    from airflow.configuration import conf  # type: ignore[assignment]  # of the same use
    from airflow.exceptions import (  # type: ignore[no-redef,attr-defined]  # the same ones
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
        TaskDeferralTimeout,
    )

try:
    from airflow.sdk.log import amask_secret
except ImportError:  # below 3.3, which has no form of it for an event loop
    from asgiref.sync import sync_to_async

    amask_secret = sync_to_async(mask_secret)

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.execution_time.context import TaskStateStoreAccessor

__all__ = [
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "TaskDeferralTimeout",
    "amask_secret",
    "mask_secret",
]  # for the other modules

VERSION = tuple(int(part) for part in airflow_version.split(".")[:2])
AIRFLOW_V_3_3_PLUS = VERSION >= (3, 3)


def task_state_store(context: Context) -> TaskStateStoreAccessor | None:
    """The values that Airflow keeps from one attempt of a task to the next; None below 3.3."""
    return context.get("task_state_store") if AIRFLOW_V_3_3_PLUS else None


# The default of every operator's ``deferrable``.
DEFERRABLE: bool = conf.getboolean("operators", "default_deferrable", fallback=False)


def max_map_length() -> int:
    """The largest number of results that a task can be mapped over; Airflow fails a task with more."""
    return conf.getint("core", "max_map_length", fallback=1024)


def active_tracer(name: str) -> Any | None:
    """A tracer of OpenTelemetry, or None where the deployment has Airflow's traces switched off.

    From 3.3 on, Airflow's span of a task is the current one while the task is executed.
    """
    if not conf.getboolean("traces", "otel_on", fallback=False):
        return None
    from opentelemetry import trace

    return trace.get_tracer(name)


def active_stats() -> Any | None:
    """Airflow's ``Stats``, or None where the deployment has none of Airflow's metrics switched on."""
    switches = ("statsd_on", "statsd_datadog_enabled", "otel_on")
    if not any(conf.getboolean("metrics", switch, fallback=False) for switch in switches):
        return None
    try:
        from airflow.sdk.observability.stats import Stats
    except ImportError:  # below 3.2
        from airflow.stats import Stats
    return Stats
