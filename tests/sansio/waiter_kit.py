"""A vendor made of plans: what each poll of each job is answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
from core_kit import NOW, Clock, Driver
from hypothesis import strategies as st

from airflow_provider_assets.sansio import waiter
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    ProtocolError,
    RateLimitedError,
    VendorUnavailableError,
    is_about_the_connection,
)
from airflow_provider_assets.sansio.flow import Flow, call
from airflow_provider_assets.sansio.jobs import ArchiveJob, JobState
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.sansio.waiter import (
    PollPolicy,
    Waitlist,
    wait_for,
)

R, S = JobState.RUNNING, JobState.SUCCEEDED
TERMINAL = [state for state in JobState if state.is_terminal]
DOWN = VendorUnavailableError("down")
Answer = JobState | AssetsError


@dataclass
class Office:
    """Where jobs are asked for: each poll of a job takes the next answer, the last one for ever."""

    plans: dict[str, list[Answer]]
    bulk: int = 1
    poll_seconds: float = 0.0
    policy: PollPolicy = field(init=False)
    clock: Clock = field(default_factory=Clock)
    asked: list[tuple[float, tuple[str, ...]]] = field(default_factory=list)
    given: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.policy = PollPolicy(initial=3.0, maximum=30.0, bulk=self.bulk)

    def poll(self, jobs: Sequence[ArchiveJob]) -> Flow[list[waiter.Answer]]:
        ids = tuple(job.job_id for job in jobs)
        self.asked.append((self.clock.now, ids))
        yield from call(HttpRequest("GET", "https://api.test/" + ",".join(ids)))
        self.clock.now += self.poll_seconds
        return [self._next(job) for job in jobs]

    def _next(self, job: ArchiveJob) -> waiter.Answer:
        turn = self.given.get(job.job_id, 0)
        self.given[job.job_id] = turn + 1
        plan = self.plans[job.job_id]
        answer = plan[min(turn, len(plan) - 1)]
        if isinstance(answer, AssetsError):
            if is_about_the_connection(answer):
                raise answer
            return answer
        return replace(job, state=answer, vendor_status=answer.value)

    def waitlist(self, jitter: Callable[[], float] = lambda: 0.5) -> Waitlist:
        return Waitlist(self.poll, policy=self.policy, clock=self.clock, jitter=jitter)

    def driver(self) -> Driver:
        return Driver(lambda _: HttpResponse(200), clock=self.clock)

    def wait(self, seconds: float = 2000, **kwargs):
        waitlist = self.waitlist(**kwargs)
        driver = self.driver()
        ends = driver.run(
            wait_for(
                [ArchiveJob("v", name) for name in self.plans],
                waitlist=waitlist,
                deadline=NOW + seconds,
            )
        )
        assert not waitlist.watches
        return ends, driver


@contextmanager
def patched(**constants: float) -> Iterator[None]:
    """Other constants of the waiter for a while; Hypothesis refuses fixtures that last for one example."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in constants.items():
            patch.setattr(waiter, name, value)
        yield


ANSWERS = st.one_of(
    st.sampled_from([R, R, R, *TERMINAL]),
    st.builds(VendorUnavailableError, st.just("down")),
    st.builds(RateLimitedError, st.just("slow"), retry_after=st.floats(0, 500)),
    st.builds(ProtocolError, st.just("shape")),
)
PLANS = st.dictionaries(
    st.sampled_from("abcdef"), st.lists(ANSWERS, min_size=1, max_size=15), min_size=1
)
SPREADS = st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=5)
