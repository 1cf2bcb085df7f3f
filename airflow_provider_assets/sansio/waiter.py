"""The one wait loop and the one verdict.

A :class:`Waitlist` asks for its jobs until each has ended, its deadline has passed, or its polls have
failed for too long (:data:`MAX_FAILED_POLLS` in a row, over :data:`OUTAGE_SECONDS`); a plan that is used
up ends no wait before its deadline. An operator gives it a fixed set; the triggerer's poller adds and drops
jobs while it runs. Where the vendor has a bulk status call, jobs that are nearly due are asked for together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf

from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AssetsError,
    BusyError,
    JobCancelledError,
    JobFailedError,
    JobTimeoutError,
    ProtocolError,
    QuotaExceededError,
    TransientError,
    from_dict,
    is_about_the_connection,
    to_dict,
)
from airflow_provider_assets.sansio.flow import Flow, pause
from airflow_provider_assets.sansio.jobs import Answer, ArchiveJob, JobState

# An outage of the vendor ends a wait only after at least this many failed polls in a row, over at least
# this many seconds. The pause between two of them doubles, up to LONGEST_BACKOFF seconds.
MAX_FAILED_POLLS = 5
OUTAGE_SECONDS = 300.0
LONGEST_BACKOFF = 60.0
# A vendor that asks to be left alone for longer than this many seconds is asked again then: the page of a
# maintenance may name a day, and it is answered to one of a thousand waits.
LONGEST_HOLD = 900.0
# Errors of a poll that a later one may not have: the job runs meanwhile, even if nothing new may be started.
PASSING = (TransientError, QuotaExceededError)
# Seconds that a submission waits for the other job of an account that may run one at a time, and seconds
# between two attempts.
BUSY_BUDGET_SECONDS = 1800.0
BUSY_PAUSE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class PollPolicy:
    """The pace of polling; all times in seconds.

    :param initial: first interval.
    :param maximum: the interval grows by ``factor`` up to this.
    :param bulk: jobs that one status request can answer for; 1 where there is no bulk call.
    """

    initial: float
    maximum: float
    factor: float = 1.5
    bulk: int = 1


@dataclass(slots=True, eq=False)
class Watch:
    """The wait for one job; one job may have several watches.

    :param deadline: epoch seconds after which the job counts as timed out.
    :param on_change: called with the job whenever its status or progress has changed.
    :param on_end: called with the end: the job in a terminal state, or an error.
    :param poll_interval: seconds between polls; None leaves it to the list's policy.
    :param on_seen: called whenever a poll has said how the job is.
    :ivar failures: polls in a row that have failed, for any reason.
    :ivar unanswered: the latest of them that failed by an outage, which began at ``failing_since``.
    """

    job: ArchiveJob
    deadline: float
    on_change: Callable[[ArchiveJob], None] = lambda job: None
    on_end: Callable[[Answer], None] = lambda end: None
    poll_interval: float | None = None
    on_seen: Callable[[], None] = lambda: None
    interval: float = 0.0
    due: float = 0.0
    failures: int = 0
    unanswered: int = 0
    last_failure: AssetsError | None = None
    failing_since: float = 0.0
    end: Answer | None = None

    @property
    def next(self) -> float:
        """The next poll or the deadline, whichever is first, in epoch seconds."""
        return min(self.due, self.deadline)

    def finish(self, end: Answer) -> None:
        """Record the end and report it."""
        self.end = end
        self.on_end(end)


@dataclass(slots=True)
class Waitlist:
    """All jobs of one connection that are waited for together.

    :param poll: asks the vendor for these jobs, see :meth:`Vendor.poll`: an answer for each in their
        order, or an error that is raised because it concerns all of them.
    :param clock: epoch seconds.
    :param jitter: a random number in [0, 1), which says where in its interval a poll comes.
    """

    poll: Callable[[Sequence[ArchiveJob]], Flow[list[Answer]]]
    policy: PollPolicy
    clock: Callable[[], float]
    jitter: Callable[[], float]
    watches: dict[Watch, None] = field(
        default_factory=dict
    )  # in the order of arrival; quick to remove from
    not_before: float = 0.0

    def add(self, watch: Watch) -> None:
        """Wait for one more job; the end of a job that has ended already is reported at once."""
        if watch.job.state.is_terminal:
            watch.finish(watch.job)
            return
        watch.interval = watch.poll_interval or self.policy.initial
        self._schedule(watch, self.jitter())
        self.watches[watch] = None

    def drop(self, watch: Watch) -> None:
        """Stop waiting for a job; its end is not reported."""
        self.watches.pop(watch, None)

    def flow(self) -> Flow[None]:
        """Wait until every watch has ended or been dropped."""
        while self.watches:
            yield from pause(self._until_next())
            now = self.clock()
            ready = self._ready(now)
            if self.policy.bulk > 1 and ready:
                yield from self._ask(ready)
            elif ready:
                for watch in sorted(ready, key=lambda w: w.due):  # a limit may cut the round short
                    if watch in self.watches and (now >= watch.deadline or not self._hold()):
                        yield from self._ask([watch])
            for watch in [w for w in self.watches if now >= w.deadline]:
                self._end(watch, _timed_out(watch))

    def _until_next(self) -> float:
        """Seconds to the next poll or deadline, whichever is first."""
        now = self.clock()
        due = max(min(self._due(w, now) for w in self.watches), now + self._hold())
        deadline = min(w.deadline for w in self.watches)
        return min(due, deadline) - now

    def _hold(self) -> float:
        """Seconds for which the vendor has asked to be left alone; 0 if the clock was set back since."""
        left = self.not_before - self.clock()
        return left if 0 < left < 2 * LONGEST_HOLD else 0.0

    def _due(self, watch: Watch, now: float) -> float:
        """The time of the next poll; now if that is farther away than planned: the clock was set back."""
        longest = max(self._longest(watch), LONGEST_BACKOFF if watch.failures else 0.0)
        return watch.due if watch.due - now <= 2 * longest else now

    def _longest(self, watch: Watch) -> float:
        """The longest interval between two polls that succeed, in seconds."""
        return watch.poll_interval or self.policy.maximum

    def _ready(self, now: float) -> list[Watch]:
        """The watches to poll now: due, at their deadline or, where a bulk call allows it, nearly due.

        At its deadline, a job is asked for once more whatever the vendor said before: it may have ended.
        """
        if self._hold():
            return [w for w in self.watches if now >= w.deadline]
        due = [w for w in self.watches if self._due(w, now) <= now or now >= w.deadline]
        if not due or self.policy.bulk == 1:
            return due
        asked = set(due)
        return [w for w in self.watches if w in asked or w.due <= now + w.interval / 2]

    def _ask(self, ready: Sequence[Watch]) -> Flow[None]:
        jitter = self.jitter()  # one for all, so that those asked together stay together
        answers: Sequence[Answer]
        try:
            answers = yield from self.poll([watch.job for watch in ready])
        except AssetsError as error:
            if is_about_the_connection(error) and not isinstance(error, PASSING):
                for watch in list(self.watches):  # a poll of the others would fail in the same way
                    self._end(watch, error)
            answers = [error] * len(ready)
        if len(answers) != len(ready):
            text = f"a poll of {len(ready)} jobs returned {len(answers)} answers"
            answers = [ProtocolError(text, vendor=ready[0].job.vendor)] * len(ready)
        for watch, answer in zip(ready, answers, strict=True):
            if watch in self.watches:  # else it was dropped while the poll was under way
                self._take(watch, answer, jitter)

    def _take(self, watch: Watch, answer: Answer, jitter: float) -> None:
        if isinstance(answer, PASSING):
            if answer.retry_after is not None:  # a limit is the connection's, not the job's
                hold = max(self._hold(), min(answer.retry_after, LONGEST_HOLD))
                self.not_before = self.clock() + hold
            self._failed(watch, answer, jitter)
        elif isinstance(answer, AssetsError):
            self._end(watch, answer)
        elif answer.job_id != watch.job.job_id:
            text = f"a poll of {watch.job.vendor} job {watch.job.job_id} returned {answer.job_id}"
            self._end(watch, ProtocolError(text, vendor=watch.job.vendor))
        else:
            self._saw(watch, answer, jitter)

    def _saw(self, watch: Watch, job: ArchiveJob, jitter: float) -> None:
        watch.failures = watch.unanswered = 0
        watch.last_failure = None
        watch.on_seen()
        changed = (job.vendor_status, job.progress, job.done) != (
            watch.job.vendor_status,
            watch.job.progress,
            watch.job.done,
        )
        watch.job = job
        if changed:
            watch.on_change(job)
        if job.state.is_terminal:
            self._end(watch, job)
        else:
            watch.interval = min(watch.interval * self.policy.factor, self._longest(watch))
            self._schedule(watch, jitter)

    def _failed(self, watch: Watch, error: AssetsError, jitter: float) -> None:
        now = self.clock()
        watch.failures += 1
        watch.last_failure = error
        if watch.unanswered == 0:
            watch.failing_since = now
        # A used-up plan is an answer: the vendor is there, and the job runs.
        watch.unanswered = watch.unanswered + 1 if isinstance(error, TransientError) else 0
        lasted = now - watch.failing_since
        if watch.unanswered >= MAX_FAILED_POLLS and lasted >= OUTAGE_SECONDS:
            self._end(watch, _given_up(watch, error, lasted))
        else:
            self._schedule(watch, jitter)

    def _schedule(self, watch: Watch, jitter: float) -> None:
        """Poll again in the second half of the interval, or at the vendor's estimate if that is later."""
        now = self.clock()
        interval = watch.interval
        if watch.failures:
            interval = max(
                interval, min(interval * 2.0 ** min(watch.failures, 16), LONGEST_BACKOFF)
            )
        # A tenth is left for the round itself, so that an end is seen within one interval.
        wait = interval * (0.5 + 0.4 * jitter)
        eta = watch.job.eta if watch.poll_interval is None else None
        if eta is not None and eta - now > wait:
            wait = min(eta - now, self.policy.maximum)
        watch.due = now + wait

    def _end(self, watch: Watch, end: Answer) -> None:
        if watch in self.watches:
            self.drop(watch)
            watch.finish(end)


def wait_for(
    jobs: Sequence[ArchiveJob],
    *,
    waitlist: Waitlist,
    deadline: float,
    on_change: Callable[[ArchiveJob], None] = lambda job: None,
) -> Flow[list[Answer]]:
    """Wait for all of *jobs*; the ends are in their order, each a terminal job or an error."""
    watches = [Watch(job, deadline, on_change) for job in jobs]
    for watch in watches:
        waitlist.add(watch)
    yield from waitlist.flow()
    return [watch.end for watch in watches if watch.end is not None]


def submit_when_free(
    submit: Callable[[], Flow[ArchiveJob]],
    *,
    clock: Callable[[], float],
    patience: float = inf,
    on_busy: Callable[[BusyError], None] = lambda error: None,
) -> Flow[ArchiveJob]:
    """Submit; where the vendor takes one job at a time, wait until the other one has ended.

    :param submit: starts the flow of a submission.
    :param patience: seconds to wait at most; never more than :data:`BUSY_BUDGET_SECONDS`.
    :raises BusyError: if the other job lasts longer.
    """
    until = clock() + min(patience, BUSY_BUDGET_SECONDS)
    while True:
        try:
            return (yield from submit())
        except BusyError as error:
            wait = max(BUSY_PAUSE_SECONDS, error.retry_after or 0.0)
            if clock() + wait > until:
                raise
            on_busy(error)
        yield from pause(wait)


def ensure_succeeded(end: Answer) -> ArchiveJob:
    """The job, if it succeeded.

    :raises AssetsError: the error that ended the waiting, or the class of the vendor's verdict.
    """
    if isinstance(end, AssetsError):
        raise end
    if end.state is JobState.SUCCEEDED:
        return end
    text = f"{end.vendor} job {end.job_id} ended as {end.vendor_status or end.state.value}"
    if end.reason:
        text += f": {end.reason}"
    verdicts: dict[JobState, tuple[type[AssetsError], str]] = {
        JobState.FAILED: (JobFailedError, "a retry submits it again"),
        JobState.CANCELLED: (JobCancelledError, "clear the task to submit it again"),
        JobState.EXPIRED: (ArchiveExpiredError, "clear the task to export it again"),
        JobState.RUNNING: (JobTimeoutError, "it has not ended yet"),
    }
    error, remedy = verdicts[end.state]
    raise error(f"{text}; {remedy}", vendor=end.vendor, code=end.code)


def _timed_out(watch: Watch) -> JobTimeoutError:
    job = watch.job
    status = job.vendor_status or job.state.value
    unknown = ""
    if watch.last_failure is not None:
        polls, last = _polls(watch.failures), watch.last_failure.message
        unknown = f" when last seen, and {polls} failed since; the last one: {last}"
    return JobTimeoutError(
        f"{job.vendor} job {job.job_id} was still {status} at the deadline{unknown}; "
        "raise `timeout` (or execution_timeout) if such jobs take longer. A retry asks for the same job, and "
        "`timeout` counts from its submission: clear the archive task to submit it again",
        vendor=job.vendor,
    )


def _given_up(watch: Watch, error: AssetsError, seconds: float) -> AssetsError:
    """*error*, of its own class, with what became of the job."""
    message = (
        f"{watch.job.vendor} job {watch.job.job_id}: {_polls(watch.unanswered)} in a row failed, over "
        f"{seconds / 60:.0f} minutes; the last one: {error.message}. The job was not cancelled and may "
        "have finished since: a retry asks for it again (below Airflow 3.3, an export submits again what "
        "it does not find at the vendor)"
    )
    return from_dict({**to_dict(error), "message": message})


def _polls(number: int) -> str:
    return "1 poll" if number == 1 else f"{number} polls"
