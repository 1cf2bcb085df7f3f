"""The one place for Airflow's version differences, and for our errors as Airflow outcomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone, tzinfo
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from airflow import __version__ as airflow_version
from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

# Not from common.compat, which has them only in releases that no older Airflow's constraints allow.
try:
    from airflow.sdk import conf
    from airflow.sdk.exceptions import (
        AirflowFailException,
        AirflowSensorTimeout,
        AirflowSkipException,
        TaskDeferralTimeout,
    )
except ImportError:  # below 3.2, their older homes
    from airflow.configuration import conf  # type: ignore[assignment]  # of the same use
    from airflow.exceptions import (  # type: ignore[no-redef]  # the same ones
        AirflowFailException,
        AirflowSensorTimeout,
        AirflowSkipException,
        TaskDeferralTimeout,
    )

from airflow_provider_assets.sansio.errors import (
    AssetsError,
    JobCancelledError,
    PartialArchiveError,
    PermanentError,
)
from airflow_provider_assets.sansio.jobs import Link
from airflow_provider_assets.sansio.messages import JSON
from airflow_provider_assets.sansio.window import RunFacts, Window, WindowSpec, iso_ms, resolve
from airflow_provider_assets.vendors.connection import Connection

if TYPE_CHECKING:
    from airflow.sdk import Connection as AirflowConnection
    from airflow.sdk import Context

try:
    from airflow.sdk.log import amask_secret
except ImportError:  # below 3.3, which has no form of it for an event loop
    from asgiref.sync import sync_to_async

    amask_secret = sync_to_async(mask_secret)

__all__ = [
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "TaskDeferralTimeout",
    "amask_secret",
    "mask_secret",
]  # for other rooms

VERSION = tuple(int(part) for part in airflow_version.split(".")[:2])
AIRFLOW_V_3_3_PLUS = VERSION >= (3, 3)

# What an operator's ``deferrable`` is unless it is given.
DEFERRABLE: bool = conf.getboolean("operators", "default_deferrable", fallback=False)

Hopeless = tuple[type[AssetsError], ...]
# What a retry cannot change: a person cancelled the job, or its archive lacks items for good.
HOPELESS: Hopeless = (PermanentError, PartialArchiveError, JobCancelledError)


def connection_of(conn: AirflowConnection, extra: Mapping[str, JSON] | None = None) -> Connection:
    """The plain form of an Airflow connection; what it holds of secrets is masked in logs.

    :param extra: the connection's extra where it has been read already (on an event loop).
    """
    host = conn.host or ""
    if host and "://" not in host:
        scheme = conn.schema if conn.schema in {"http", "https"} else "https"
        host = f"{scheme}://{host}"
    if host and conn.port:
        host = f"{host.rstrip('/')}:{conn.port}"
    return Connection(
        conn_id=conn.conn_id,
        conn_type=conn.conn_type or "",
        host=host,
        login=conn.login or "",
        password=conn.password or "",
        extra=conn.extra_dejson if extra is None else extra,
    )


async def aconnection(conn_id: str) -> Connection:
    """The plain form of connection *conn_id*, read without blocking or deadlocking a triggerer's loop."""
    from airflow.providers.common.compat import connection as compat

    if hasattr(compat, "get_async_extra_dejson"):
        conn = await compat.get_async_connection(conn_id)
        return connection_of(conn, await compat.get_async_extra_dejson(conn))
    # Older ones, the newest for Python 3.10 among them, mask secrets by a synchronous call on the loop.
    from asgiref.sync import sync_to_async

    return await sync_to_async(lambda: connection_of(BaseHook.get_connection(conn_id)))()


def mask_link(link: Link) -> Link:
    """*link*, with its signature and credentials masked in whatever this process logs from now on."""
    for url in filter(None, (link.url, link.head_url)):
        if query := urlsplit(url).query:
            mask_secret(query)
    for name, value in link.headers:
        if link.secret_headers is None or name.lower() in link.secret_headers:
            mask_secret(value)
    return link


def window_of(spec: WindowSpec, context: Context, watermark: datetime | None = None) -> Window:
    """The span that this run exports.

    :raises InvalidRequestError: if none can be known; the message says what to pass.
    """
    return resolve(spec, run_facts(context, watermark))


def run_date(context: Context) -> str:
    """The run's date (ISO, UTC), which a retry and a clear keep; "" where it has none."""
    date = _date(context)
    return iso_ms(date) if date else ""


def _date(context: Context) -> datetime | None:
    run = context["dag_run"]
    return getattr(run, "logical_date", None) or getattr(run, "run_after", None)


def run_facts(context: Context, watermark: datetime | None = None) -> RunFacts:
    """What the run says about its time. Runs without a logical date have the date they were due."""
    run = context["dag_run"]
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    timetable = getattr(context.get("dag"), "timetable", None)
    zone = _zone(timetable)
    return RunFacts(
        run_date=_date(context),
        data_interval=(start, end) if start and end else None,
        partition_key=getattr(run, "partition_key", None),
        event_window=_event_window(context),
        zone=zone,
        periods=_periods(timetable, zone),
        next_tick=_next_tick(timetable, zone),
        watermark=watermark,
        now=datetime.now(timezone.utc),
    )


def _event_window(context: Context) -> tuple[str, str] | None:
    """The span of the events of ``AssetArchiveEventTrigger`` that started the run."""
    windows = [
        payload["window"]
        for events in (context.get("triggering_asset_events") or {}).values()
        for event in events
        if isinstance(payload := (event.extra or {}).get("payload"), dict) and "window" in payload
    ]
    if not windows:
        return None
    return min(str(start) for start, _ in windows), max(str(end) for _, end in windows)


def _zone(timetable: object) -> tzinfo:
    zone = getattr(timetable, "timezone", None) or getattr(timetable, "_timezone", None)
    if isinstance(zone, str):
        from zoneinfo import ZoneInfo

        return ZoneInfo(zone)
    return zone or timezone.utc


def _periods(
    timetable: object, zone: tzinfo
) -> Callable[[datetime], tuple[datetime, datetime]] | None:
    """From a moment to the bounds of the schedule's period that ended at or before it."""
    cron = _cron(timetable)
    delta = getattr(timetable, "delta", None) or getattr(timetable, "_delta", None)
    if cron:
        return lambda moment: _cron_period(cron, moment.astimezone(zone))
    if delta is not None:
        return lambda moment: (moment - delta, moment)
    return None


def _cron(timetable: object) -> str | None:
    cron = getattr(timetable, "expression", None) or getattr(timetable, "_expression", None)
    return cron if isinstance(cron, str) and cron else None


def _next_tick(timetable: object, zone: tzinfo) -> Callable[[datetime], datetime] | None:
    """From a moment to the cron schedule's first one after it."""
    cron = _cron(timetable)
    if cron is None:
        return None

    def next_tick(moment: datetime) -> datetime:
        from croniter import croniter  # Airflow's own cron library, only here

        tick: datetime = croniter(cron, moment.astimezone(zone)).get_next(datetime)
        return tick

    return next_tick


def _cron_period(cron: str, moment: datetime) -> tuple[datetime, datetime]:
    from croniter import croniter  # Airflow's own cron library, only here

    before: datetime = croniter(cron, moment).get_prev(datetime)
    at_or_before: datetime = croniter(cron, before).get_next(datetime)
    end = at_or_before if at_or_before <= moment else before
    return croniter(cron, end).get_prev(datetime), end


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
    kwargs: Mapping[str, Any], hopeless: Hopeless = HOPELESS
) -> dict[str, Any]:
    """An operator's *kwargs* with our retry policy, where Airflow has them and none is given."""
    # A mapped operator is built with every argument it was not given as None.
    given = kwargs.get("retry_policy") or (kwargs.get("default_args") or {}).get("retry_policy")
    if AIRFLOW_V_3_3_PLUS and given is None:
        from airflow_provider_assets.retry_policy import ArchiveRetryPolicy  # 3.3+

        return {**kwargs, "retry_policy": ArchiveRetryPolicy(hopeless)}
    return dict(kwargs)
