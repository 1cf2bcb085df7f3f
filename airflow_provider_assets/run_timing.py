"""The time of a run: from its context and timetable to the window that it exports."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone, tzinfo
from typing import TYPE_CHECKING, Any

from airflow_provider_assets.airflow_compat import AIRFLOW_V_3_3_PLUS
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.moments import iso_ms
from airflow_provider_assets.sansio.partitions import KeyFormat
from airflow_provider_assets.sansio.run_window import RunTiming, resolve
from airflow_provider_assets.sansio.stored import is_span
from airflow_provider_assets.sansio.window import Window, WindowSpec

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_assets.cron import Ticks


# The mappers of Airflow whose keys are times, and the periods that these name.
_PERIODS = {
    "StartOfHourMapper": "hour",
    "StartOfDayMapper": "day",
    "StartOfWeekMapper": "week",
    "StartOfMonthMapper": "month",
    "StartOfQuarterMapper": "quarter",
    "StartOfYearMapper": "year",
}
# Those that leave a key as it is.
_KEEPING = ("IdentityMapper", "AllowedKeyMapper")


def resolve_window(
    spec: WindowSpec, context: Context, conn_id: str, watermark: datetime | None = None
) -> Window:
    """The span that this run exports.

    :param conn_id: the export's connection.
    :raises InvalidRequestError: if none can be known; the message says what to pass.
    """
    return resolve(spec, run_timing(context, conn_id, watermark))


def run_date(context: Context) -> str:
    """The run's date (ISO, UTC), which a retry and a clear keep; "" where it has none."""
    date = _date(context)
    return iso_ms(date) if date else ""


def _date(context: Context) -> datetime | None:
    run = context["dag_run"]
    return getattr(run, "logical_date", None) or getattr(run, "run_after", None)


def run_timing(context: Context, conn_id: str, watermark: datetime | None = None) -> RunTiming:
    """The times of a run. Runs without a logical date have the date they were due.

    :param conn_id: whose events count, if there are any.
    """
    run = context["dag_run"]
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    dag = context.get("dag")
    timetable = _timetable(dag, run)
    zone = _zone(timetable)
    cron = _cron(timetable, zone)
    return RunTiming(
        run_date=_date(context),
        data_interval=(start, end) if start and end else None,
        partition_key=getattr(run, "partition_key", None),
        event_window=_event_window(context, conn_id),
        # Until 3.2, Airflow writes the keys of a schedule in any zone in UTC.
        zone=zone if AIRFLOW_V_3_3_PLUS else timezone.utc,
        key_formats=_key_formats(timetable),
        partition_date=getattr(run, "partition_date", None),
        periods=_periods(timetable, cron),
        next_tick=cron.after if cron else None,
        watermark=watermark,
        start_date=getattr(dag, "start_date", None),
        now=datetime.now(timezone.utc),
    )


def _timetable(dag: object, run: object) -> object:
    """The timetable of *run*: of assets or times, that of the times unless assets started it."""
    timetable = getattr(dag, "timetable", None)
    if getattr(run, "run_type", None) == "asset_triggered":
        return timetable
    return getattr(timetable, "timetable", None) or timetable


def _event_window(context: Context, conn_id: str) -> tuple[str, str] | None:
    """The span of the events of ``AssetArchiveEventTrigger`` that started the run.

    If there are some of *conn_id*, only these count: the run may have been started by those of others, too.
    """
    extras = [
        event.extra
        for events in (context.get("triggering_asset_events") or {}).values()
        for event in events
    ]
    payloads = [extra.get("payload") for extra in extras if isinstance(extra, dict)]
    told: list[dict[str, Any]] = [
        one for one in payloads if isinstance(one, dict) and is_span(one.get("window"))
    ]  # others belong to somebody else's events
    ours = [one for one in told if one.get("conn_id") == conn_id]
    spans = [one["window"] for one in ours or told]
    if not spans:
        return None
    return min(str(start) for start, _ in spans), max(str(end) for _, end in spans)


def _zone(timetable: object) -> tzinfo:
    """:raises InvalidRequestError: if it is named by what Airflow does not know."""
    zone = getattr(timetable, "timezone", None) or getattr(timetable, "_timezone", None)
    if isinstance(zone, str):
        import pendulum  # as Airflow's parse_timezone, which has no public place

        try:
            return pendulum.timezone(zone)
        except ValueError:
            raise InvalidRequestError(
                f"the schedule's timezone {zone!r} is unknown; pass a name of the IANA time zone database, "
                "such as Europe/Berlin"
            ) from None
    return zone or timezone.utc


def _key_formats(timetable: object) -> list[KeyFormat]:
    """How the mappers of a ``PartitionedAssetTimetable`` write keys; nothing of those that keep them."""
    mappers = [
        *(getattr(timetable, "partition_mapper_config", None) or {}).values(),
        getattr(timetable, "default_partition_mapper", None),
    ]
    return [one for one in map(_key_format, mappers) if one is not None]


def _key_format(mapper: Any) -> KeyFormat | None:
    """The format of *mapper*, or of the one in it that writes the keys, as in its ``to_partition_date``."""
    kind = type(mapper).__name__
    if kind == "ChainMapper":
        writers = [one for one in mapper.mappers if type(one).__name__ not in _KEEPING]
        return _key_format(writers[-1]) if writers else None
    if kind == "FanOutMapper":
        return _key_format(mapper.downstream_mapper)
    if kind == "RollupMapper":
        return _key_format(mapper.upstream_mapper)
    if kind not in _PERIODS:  # of the user's own, too: its keys may name anything
        return None
    return KeyFormat(_PERIODS[kind], mapper.output_format, _zone(mapper))


def _periods(
    timetable: object, cron: Ticks | None
) -> Callable[[datetime], tuple[datetime, datetime]] | None:
    """From a moment to the bounds of the schedule's period that ended at or before it."""
    if cron is not None:
        return cron.period
    delta = getattr(timetable, "delta", None) or getattr(timetable, "_delta", None)
    return None if delta is None else lambda moment: (moment - delta, moment)


def _cron(timetable: object, zone: tzinfo) -> Ticks | None:
    several = getattr(timetable, "timetables", None) or getattr(timetable, "_timetables", None)
    if isinstance(several, list):  # MultipleCronTriggerTimetable
        from airflow_provider_assets.cron import Crons

        parts = [_cron(one, _zone(one)) for one in several]
        known = [one for one in parts if one is not None]
        return Crons(known) if len(known) == len(parts) else None
    expression = getattr(timetable, "expression", None) or getattr(timetable, "_expression", None)
    if not isinstance(expression, str) or not expression:
        return None
    from airflow_provider_assets.cron import Cron, CroniterError  # imports Airflow's cron library

    try:
        return Cron(expression, zone)
    except CroniterError:  # a timetable of the user's own may have expressions of another kind
        return None
