"""The half-open span ``[start, end)`` that a run exports, for every kind of run.

In Airflow 3 ``@daily`` has a data interval of zero width, partitioned runs have no logical date, and
runs that an asset started have neither; an empty span must never be read as "nothing to do".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.moments import in_utc, is_to_come, parse_moment, whole_ms
from airflow_provider_assets.sansio.partitions import KeyFormat, UncertainKeyError, span_of_key
from airflow_provider_assets.sansio.window import BEGINNING, Window, WindowSpec

REMEDY = (
    "pass window=timedelta(days=1) for the span that ends at the run's date, an explicit "
    "(start, end) pair, or schedule the DAG with CronDataIntervalTimetable"
)


@dataclass(frozen=True, slots=True)
class RunTiming:
    """The times that are known of a run.

    :param run_date: logical date, or the moment it was due to start if it has none.
    :param partition_key: start of a time partition; :param zone: the clocks that it goes by.
    :param key_formats: ways to write the key, where the schedule's mappers say which.
    :param partition_date: start of the partition, where Airflow knows it.
    :param event_window: ISO bounds from the event, where an event started the run.
    :param periods: maps a moment to the bounds of the cron period that ended at or before it; None
        where the schedule is not a cron expression.
    :param next_tick: maps a moment to the schedule's first one after it; None likewise.
    :param watermark: end of the last span that was exported, for ``since_last``.
    :param start_date: of the DAG, with which ``since_last`` begins if a run has no span of its own.
    :param now: a partition, or a span of ``since_last``, that ends after it is refused.
    """

    run_date: datetime | None = None
    data_interval: tuple[datetime, datetime] | None = None
    partition_key: str | None = None
    event_window: tuple[str, str] | None = None
    zone: tzinfo = timezone.utc
    key_formats: Sequence[KeyFormat] = ()
    partition_date: datetime | None = None
    periods: Callable[[datetime], tuple[datetime, datetime]] | None = None
    next_tick: Callable[[datetime], datetime] | None = None
    watermark: datetime | None = None
    start_date: datetime | None = None
    now: datetime | None = None


def resolve(spec: WindowSpec, timing: RunTiming) -> Window:
    """The span that a run exports.

    :param spec: ``"auto"``, ``"since_last"``, a timedelta that ends at the run's date, or a pair of
        zoned datetimes or ISO strings, of which one may be None: ``(None, end)`` has no beginning, and
        ``(start, None)`` ends at the run's date, or with its data interval if that is later. Retries and
        clears keep both. See :func:`~.window.is_unbounded` for what has no span.
    :raises InvalidRequestError: if no span can be known, or the given one is empty or naive.
    """
    if isinstance(spec, timedelta):
        return _span(spec, timing)
    if isinstance(spec, (tuple, list)):
        return _pair(spec, timing)
    if spec == "auto":
        return _auto(timing)
    if spec == "since_last":
        return _since(timing)
    raise InvalidRequestError(
        f"window must be 'auto', 'since_last', 'all', a timedelta, or a pair of datetimes, not {spec!r}"
    )


def _span(length: timedelta, timing: RunTiming) -> Window:
    if length <= timedelta(0):
        raise InvalidRequestError(f"window={length!r} must be positive")
    if timing.run_date is None:
        raise InvalidRequestError(f"window={length!r}: this run has no date; {REMEDY}")
    try:
        return Window(timing.run_date - length, timing.run_date)
    except OverflowError:
        raise InvalidRequestError(f"window={length!r} begins before the year 1") from None


def _pair(pair: Sequence[object], timing: RunTiming) -> Window:
    if len(pair) != 2:  # a pair
        raise InvalidRequestError(f"window must be a pair (start, end), got {len(pair)} values")
    start, end = pair
    if start is None and end is None:
        raise InvalidRequestError('window=(None, None) has no bounds; pass window="all"')
    return Window(
        BEGINNING if start is None else parse_moment(start, "window start"),
        _moment_of(timing) if end is None else parse_moment(end, "window end"),
    )


def _moment_of(timing: RunTiming) -> datetime:
    """The moment of a run: its date, or the end of its data interval, which some timetables start with it."""
    interval = timing.data_interval
    known = [
        parse_moment(one, "run date") for one in (timing.run_date, interval and interval[1]) if one
    ]
    if not known:
        raise InvalidRequestError("window=(start, None): this run has no date; pass an end")
    return max(map(in_utc, known))


def _auto(timing: RunTiming) -> Window:
    window = _own(timing, "auto")
    if window is None:
        raise InvalidRequestError(
            f"window='auto': this run has no partition key and no data interval of its own; {REMEDY}"
        )
    return window


def _own(timing: RunTiming, spec: str) -> Window | None:
    """The run's own span; None if it has none. Errors name *spec*, the window that was given."""
    if timing.partition_key is not None:
        return _partition(timing, spec)
    if timing.event_window is not None:
        return _pair(timing.event_window, timing)
    if timing.data_interval and timing.data_interval[0] < timing.data_interval[1]:
        return Window(*timing.data_interval)
    if timing.run_date is not None and timing.periods is not None:
        return Window(*timing.periods(timing.run_date))
    return None


def _since(timing: RunTiming) -> Window:
    """From the watermark, if there is one, to the end of the run's own span, which has passed.

    A run without a span of its own (an asset started it) ends at its date, and the first of them begins with
    the DAG. If the watermark were moved past the present, no run would export what is created until then.
    """
    try:
        window = _own(timing, "since_last")
    except InvalidRequestError:
        if timing.run_date is None or (timing.watermark or timing.start_date) is None:
            raise
        window = None
    if window is None and timing.run_date is None:
        raise InvalidRequestError(
            "window='since_last': this run has neither a window of its own nor a date; pass an explicit "
            "(start, end) pair"
        )
    end = window.end if window else whole_ms(parse_moment(timing.run_date, "run date"))
    if timing.now is not None and is_to_come(end, timing.now):
        raise InvalidRequestError(
            f"window='since_last': the run's span ends at {end.isoformat()}, which is in the future; clear "
            "the task after that, or run the DAG for an earlier date"
        )
    if timing.watermark is None:
        return window or _first(timing, end)
    watermark = parse_moment(timing.watermark, "watermark")
    if end <= watermark:
        raise InvalidRequestError(
            f"window='since_last': everything before {watermark.isoformat()} has been exported; "
            "to export a span again, pass it as an explicit (start, end) pair"
        )
    return Window(watermark, end)


def _first(timing: RunTiming, end: datetime) -> Window:
    """The span of the first run, if it has none of its own."""
    if timing.start_date is None:
        raise InvalidRequestError(
            "window='since_last': nothing has been exported before, and this run has no window of its own; "
            "give the DAG a start_date, from which its first run exports"
        )
    return Window(parse_moment(timing.start_date, "start_date of the DAG"), end)


def _partition(timing: RunTiming, spec: str) -> Window:
    """The span of the run's partition, which has passed."""
    key = timing.partition_key or ""
    try:
        window = Window(*_bounds(key, timing))
    except UncertainKeyError as error:
        raise InvalidRequestError(
            f"window={spec!r}: partition key {key!r} {error}; pass an explicit (start, end) pair, or give "
            "PartitionedAssetTimetable a mapper that tells, such as "
            "default_partition_mapper=StartOfDayMapper(timezone=...)"
        ) from None
    except (ValueError, OverflowError):  # 2026-13, 0000, 9999: not a date after all
        if timing.key_formats:
            formats = ", ".join(one.pattern for one in timing.key_formats)
            known = f"is not written as the schedule's mappers write keys ({formats})"
        else:
            known = "is not a date (2026, 2026-01, 2026-01-31, 2026-01-31T08)"
        raise InvalidRequestError(
            f"window={spec!r}: partition key {key!r} {known}; pass an explicit (start, end) pair"
        ) from None
    if timing.now is not None and is_to_come(window.end, timing.now):
        # A run that starts with its period would export next to nothing.
        remedy = (
            "schedule with a RollupMapper, so that a run starts when all of its period is there"
            if timing.key_formats
            else "schedule with CronPartitionTimetable(..., run_offset=-1), so that a run gets the period "
            "that has ended"
        )
        raise InvalidRequestError(
            f"window={spec!r}: partition {key!r} ends at {window.end.isoformat()}, which is in the future; "
            f"{remedy}"
        )
    return window


def _bounds(key: str, timing: RunTiming) -> tuple[datetime, datetime]:
    if not timing.key_formats:
        return span_of_key(
            key, timing.zone, next_tick=timing.next_tick, known=timing.partition_date
        )
    spans = set()
    for one in timing.key_formats:
        with suppress(ValueError):
            spans.add(one.span(key))
    if len(spans) > 1:
        raise UncertainKeyError("is read differently by the schedule's mappers")
    if not spans:
        raise ValueError("written otherwise")
    return spans.pop()
