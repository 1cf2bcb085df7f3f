"""Metrics and spans of exports, through what the deployment has switched on in Airflow.

Metrics are StatsD's, Datadog's or OpenTelemetry's, as ``[metrics]`` in Airflow's configuration says, and
spans are OpenTelemetry's, as ``[traces]`` says. What is switched off is neither counted nor timed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow_provider_assets.airflow_compat import active_stats, active_tracer
from airflow_provider_assets.sansio.errors import AssetsError, JobTimeoutError
from airflow_provider_assets.sansio.flow import Flow
from airflow_provider_assets.sansio.jobs import Answer, ArchiveJob, ArchiveRequest
from airflow_provider_assets.vendors.base import Vendor

log = logging.getLogger(__name__)
Poll = Callable[[Sequence[ArchiveJob]], Flow[list[Answer]]]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    :param kind: ``counter`` or ``timer``. :param tags: besides ``vendor`` and ``conn_id``.
    """

    kind: str
    meaning: str
    tags: tuple[str, ...] = ()


SUBMITTED = "asset_archive.submitted"
REATTACHED = "asset_archive.reattached"
REEXPORTED = "asset_archive.reexported"
POLLS = "asset_archive.polls"
FAILED_POLLS = "asset_archive.failed_polls"
ENDED = "asset_archive.ended"
WAIT = "asset_archive.wait"
RATE_LIMIT_WAIT = "asset_archive.rate_limit_wait"
LANDED = "asset_archive.landed"
LANDED_BYTES = "asset_archive.landed_bytes"
LANDED_FILES = "asset_archive.landed_files"
LANDING = "asset_archive.landing"
RESUMED = "asset_archive.resumed"
SKIPPED = "asset_archive.skipped"

# Airflow puts its own prefix before the names, ``airflow.`` by default.
METRICS: Mapping[str, Metric] = {
    SUBMITTED: Metric("counter", "batches that were submitted to the vendor"),
    REATTACHED: Metric("counter", "batches for which a job of an earlier attempt was found"),
    REEXPORTED: Metric("counter", "packages that were exported again after a broken download"),
    POLLS: Metric(
        "counter", "polls, each of one job, or of many where the vendor's API allows that"
    ),
    FAILED_POLLS: Metric("counter", "polls that ended in an error for at least one of their jobs"),
    ENDED: Metric("counter", "jobs whose wait ended", ("state",)),
    WAIT: Metric(
        "timer", "from the submission of a job until its task learned how it ended", ("state",)
    ),
    RATE_LIMIT_WAIT: Metric("timer", "waits before a request because of a rate limit", ("limit",)),
    LANDED: Metric("counter", "archives that landed"),
    LANDED_BYTES: Metric("counter", "bytes of the archives that landed, as they are stored"),
    LANDED_FILES: Metric("counter", "files that landed, or that are inside the archives"),
    LANDING: Metric("timer", "from the start of a landing to its manifest"),
    RESUMED: Metric("counter", "landings that used what an earlier attempt had stored"),
    SKIPPED: Metric(
        "counter", "landings for which nothing was transferred, since they were there already"
    ),
}

SPAN_LISTING = "asset_archive.listing"
SPAN_SUBMIT = "asset_archive.submit"
SPAN_WAIT = "asset_archive.wait"
SPAN_LANDING = "asset_archive.landing"

# Name -> what it spans, and its attributes besides ``vendor`` and ``conn_id``.
SPANS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    SPAN_LISTING: ("the selection of the items, named or from the vendor's listing", ()),
    SPAN_SUBMIT: ("the submission of a batch", ("batch", "items")),
    SPAN_WAIT: ("the wait for the jobs of some batches, on a worker", ("jobs",)),
    SPAN_LANDING: ("the landing of a batch, including its metadata", ("batch", "items")),
}


class Metrics:
    """Counts what happens to the exports of one connection; one method per event.

    :param vendor: gives the tags, which are its name and the connection's id.
    :param send: how a call of Airflow's statistics is made; on an event loop it must be made elsewhere,
        because the first call reads files and may look up a host.
    """

    def __init__(
        self,
        vendor: Vendor,
        *,
        send: Callable[[Callable[[], object]], object] = lambda call: call(),
    ) -> None:
        self._tags = {"vendor": vendor.spec.name, "conn_id": _as_tag(vendor.connection.conn_id)}
        self._send = send
        self._stats: Any | None = active_stats()
        self._tracer: Any | None = active_tracer(__name__)

    @property
    def are_on(self) -> bool:
        """Whether anything is counted."""
        return self._stats is not None

    def submitted(self) -> None:
        """Count a batch that was submitted."""
        self._count(SUBMITTED)

    def reattached(self) -> None:
        """Count a batch for which a job of an earlier attempt was found."""
        self._count(REATTACHED)

    def reexported(self) -> None:
        """Count a package that was exported again."""
        self._count(REEXPORTED)

    def polled(self, *, has_failed: bool) -> None:
        """Count a poll."""
        self._count(POLLS)
        if has_failed:
            self._count(FAILED_POLLS)

    def ended(self, end: Answer, submitted_at: float | None, now: float) -> None:
        """Count the end of a job, and the seconds since its submission if that is known.

        :param submitted_at: in epoch seconds, as *now*.
        """
        self._count(ENDED, state=_state_of(end))
        if submitted_at is not None:
            self._time(WAIT, max(now - submitted_at, 0.0), state=_state_of(end))

    def rate_limited(self, seconds: float, limit: str) -> None:
        """Count a wait before a request.

        :param limit: ``connection`` for its own limit, ``vendor`` for an answer of the vendor's.
        """
        self._time(RATE_LIMIT_WAIT, seconds, limit=limit)

    def landed(self, *, stored: int, files: int, seconds: float, is_resumed: bool) -> None:
        """Count an archive of *stored* bytes that has landed."""
        self._count(LANDED)
        self._count(LANDED_BYTES, stored)
        self._count(LANDED_FILES, files)
        self._time(LANDING, seconds)
        if is_resumed:
            self._count(RESUMED)

    def skipped(self) -> None:
        """Count a landing that was there already."""
        self._count(SKIPPED)

    def listing(self) -> AbstractContextManager[object]:
        """Time the selection of the items."""
        return self._span(SPAN_LISTING)

    def submitting(self, request: ArchiveRequest) -> AbstractContextManager[object]:
        """Time the submission of a batch."""
        return self._span(SPAN_SUBMIT, batch=request.index + 1, items=request.count)

    def waiting(self, jobs: int) -> AbstractContextManager[object]:
        """Time the wait for *jobs* jobs."""
        return self._span(SPAN_WAIT, jobs=jobs)

    def landing(self, request: ArchiveRequest) -> AbstractContextManager[object]:
        """Time the landing of a batch."""
        return self._span(SPAN_LANDING, batch=request.index + 1, items=request.count)

    def counting(self, poll: Poll) -> Poll:
        """*poll*, each call of which is counted; *poll* itself where nothing is."""
        if not self.are_on:
            return poll

        def counted(jobs: Sequence[ArchiveJob]) -> Flow[list[Answer]]:
            try:
                answers = yield from poll(jobs)
            except AssetsError:
                self.polled(has_failed=True)
                raise
            self.polled(has_failed=any(isinstance(one, AssetsError) for one in answers))
            return answers

        return counted

    def _count(self, name: str, count: int = 1, **tags: str) -> None:
        if (stats := self._stats) is not None:
            self._call(lambda: stats.incr(name, count, tags={**self._tags, **tags}))

    def _time(self, name: str, seconds: float, **tags: str) -> None:
        if (stats := self._stats) is not None:
            lasted = timedelta(seconds=seconds)
            self._call(lambda: stats.timing(name, lasted, tags={**self._tags, **tags}))

    def _span(self, name: str, **attributes: int) -> AbstractContextManager[object]:
        """A span below the current one, which is that of Airflow's task."""
        if self._tracer is None:
            return nullcontext()
        # Airflow's own span records the exception.
        span: AbstractContextManager[object] = self._tracer.start_as_current_span(
            name, attributes={**self._tags, **attributes}, record_exception=False
        )
        return span

    def _call(self, call: Callable[[], object]) -> None:
        _try(lambda: self._send(lambda: _try(call)))


def _try(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception as error:  # noqa: BLE001  # of any client; an export does not fail with its metrics
        log.warning("A metric could not be sent: %s", type(error).__name__)


def _state_of(end: Answer) -> str:
    """The state in which a job ended; ``timed_out`` at the deadline, ``unknown`` if polls kept failing."""
    if isinstance(end, JobTimeoutError):
        return "timed_out"
    return "unknown" if isinstance(end, AssetsError) else end.state.value


def _as_tag(text: str) -> str:
    """*text* without what a StatsD line cannot hold; Airflow drops a metric that contains it."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)
