from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from core_kit import NOW, Driver, cycle, outcome
from hypothesis import given
from hypothesis import strategies as st
from waiter_kit import DOWN, PLANS, SPREADS, Office, R, S, patched

from airflow_provider_assets.sansio import flow as flows
from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AssetsError,
    BusyError,
    InvalidRequestError,
    JobCancelledError,
    JobFailedError,
    JobTimeoutError,
    QuotaExceededError,
    RateLimitedError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.flow import Flow
from airflow_provider_assets.sansio.jobs import ArchiveJob, JobState
from airflow_provider_assets.sansio.messages import HttpResponse
from airflow_provider_assets.sansio.waiter import (
    BUSY_BUDGET_SECONDS,
    BUSY_PAUSE_SECONDS,
    LONGEST_BACKOFF,
    LONGEST_HOLD,
    MAX_FAILED_POLLS,
    OUTAGE_SECONDS,
    Watch,
    ensure_succeeded,
    submit_when_free,
    wait_for,
)


@given(PLANS, SPREADS, st.floats(0, 900), st.sampled_from([1, 100]), st.floats(0, 20))
def test_both_drivers_wait_alike_and_end_every_wait(plans, spread, seconds, bulk, poll) -> None:
    offices = [Office(plans, bulk=bulk, poll_seconds=poll) for _ in range(2)]
    jobs = [ArchiveJob("v", name) for name in plans]

    def flow(office: Office) -> Flow[list[ArchiveJob | AssetsError]]:
        waitlist = office.waitlist(cycle(spread))
        return wait_for(jobs, waitlist=waitlist, deadline=NOW + seconds)

    drivers = [office.driver() for office in offices]
    ends = [drivers[0].run(flow(offices[0])), drivers[1].arun(flow(offices[1]))]
    assert drivers[0].trace == drivers[1].trace
    assert offices[0].asked == offices[1].asked
    assert [str(end) for end in ends[0]] == [str(end) for end in ends[1]]
    assert len(ends[0]) == len(jobs)


@given(PLANS, SPREADS, st.floats(0, 900), st.sampled_from([1, 100]))
def test_no_sleep_ever_passes_the_deadline(plans, spread, seconds, bulk) -> None:
    office = Office(plans, bulk=bulk)
    _, driver = office.wait(seconds, jitter=cycle(spread))
    assert all(pause > 0 for pause in driver.sleeps)
    assert office.clock.now <= NOW + seconds + 1e-3


@given(PLANS, SPREADS)
def test_the_first_terminal_state_wins_and_no_other_job_changes_that(plans, spread) -> None:
    office = Office(plans)
    ends, _ = office.wait(jitter=cycle(spread))
    for (name, plan), end in zip(plans.items(), ends, strict=True):
        told = plan[: office.given.get(name, 0)]
        assert not any(isinstance(answer, JobState) and answer.is_terminal for answer in told[:-1])
        if isinstance(end, ArchiveJob):
            assert (end.job_id, end.state) == (name, told[-1])
        elif not isinstance(end, JobTimeoutError):
            last = plan[min(office.given[name], len(plan)) - 1]
            assert type(end) is type(last)
            assert last.message in end.message


@given(PLANS, SPREADS)
def test_a_bulk_call_gives_each_job_the_end_it_has_alone(plans, spread) -> None:
    plans = {
        name: [a for a in plan if not isinstance(a, RateLimitedError)] or [R]
        for name, plan in plans.items()
    }
    ends = [Office(plans, bulk=bulk).wait(jitter=cycle(spread))[0] for bulk in (1, 100)]
    for name, alone, together in zip(plans, *ends, strict=True):
        assert (name, type(alone)) == (name, type(together))
        if isinstance(alone, ArchiveJob):
            assert (alone.job_id, alone.state) == (together.job_id, together.state)


@given(SPREADS)
def test_intervals_grow_to_their_maximum_and_are_spread_over_their_second_half(spread) -> None:
    office = Office({"a": [*[R] * 12, S]})
    _, driver = office.wait(jitter=cycle(spread))
    interval = 3.0
    for pause in driver.sleeps:
        assert interval / 2 - 1e-3 <= pause <= interval + 1e-3
        interval = min(interval * 1.5, 30.0)
    assert len(driver.sleeps) == 13


def test_the_deadline_is_met_to_the_second_with_one_last_question() -> None:
    office = Office({"a": [R]})
    (end,), _ = office.wait(100)
    assert isinstance(end, JobTimeoutError)
    assert end.vendor == "v"
    assert "a was still running at the deadline; raise `timeout`" in end.message
    assert office.clock.now == office.asked[-1][0] == NOW + 100


def test_a_job_that_ends_with_the_last_question_has_ended_in_time() -> None:
    office = Office({"a": [R, S]})
    seconds = 3 * 0.7 + 0.1
    (end,), _ = office.wait(seconds)
    assert isinstance(end, ArchiveJob)
    assert office.asked[-1][0] - NOW == pytest.approx(seconds, abs=0.01)


def test_a_deadline_that_has_passed_still_gets_its_one_question() -> None:
    office = Office({"a": [S], "b": [R]})
    ends, driver = office.wait(-5)
    assert isinstance(ends[0], ArchiveJob)
    assert isinstance(ends[1], JobTimeoutError)
    assert driver.sleeps == []


@given(PLANS, st.floats(0.01, 400), st.floats(0, 400), SPREADS)
def test_a_wait_outlives_every_outage_of_fewer_than_five_polls_or_five_minutes(
    plans, pace, poll_seconds, spread
) -> None:
    office = Office({"a": [DOWN]}, poll_seconds=poll_seconds)
    waitlist = office.waitlist(cycle(spread))
    watch = Watch(ArchiveJob("v", "a"), NOW + 100_000, poll_interval=pace)
    waitlist.add(watch)
    office.driver().run(waitlist.flow())
    asked = [now for now, _ in office.asked]
    lasted = office.clock.now - (asked[0] + poll_seconds)
    assert isinstance(watch.end, VendorUnavailableError)
    assert len(asked) >= MAX_FAILED_POLLS
    assert lasted >= OUTAGE_SECONDS
    # It is not drawn out either: the poll before the last was still within the budget.
    assert len(asked) == MAX_FAILED_POLLS or asked[-2] - asked[0] < OUTAGE_SECONDS


@pytest.mark.parametrize("pace", [0.01, 3.0, 600.0])
def test_the_pause_between_failed_polls_grows_to_a_minute_and_is_forgotten_afterwards(pace) -> None:
    office = Office({"a": [*[DOWN] * 20, R, R, S]})
    waitlist = office.waitlist()
    waitlist.add(Watch(ArchiveJob("v", "a"), NOW + 100_000, poll_interval=pace))
    driver = office.driver()
    with patched(OUTAGE_SECONDS=1e9):
        driver.run(waitlist.flow())
    assert driver.sleeps == sorted(driver.sleeps[:21]) + driver.sleeps[21:]
    assert max(driver.sleeps) <= max(LONGEST_BACKOFF, pace)
    assert max(driver.sleeps[21:]) <= pace


def test_a_wait_that_is_given_up_says_what_became_of_the_job_and_keeps_its_class() -> None:
    down = VendorUnavailableError("no answer", vendor="v", status=503, code="E1")
    (end,), _ = Office({"a": [down]}).wait()
    assert type(end) is VendorUnavailableError
    assert (end.vendor, end.status, end.code) == ("v", 503, "E1")
    assert re.match(
        r"v job a: \d+ polls in a row failed, over [5-9] minutes; the last one: no answer\. "
        r"The job was not cancelled",
        end.message,
    )


@pytest.mark.parametrize(
    ("seconds", "failed"), [(5, "1 poll failed"), (10, "2 polls failed"), (60, r"\d polls failed")]
)
def test_a_deadline_in_the_middle_of_an_outage_says_so(seconds, failed) -> None:
    (end,), _ = Office({"a": [R, DOWN]}).wait(seconds)
    assert isinstance(end, JobTimeoutError)
    assert re.search(
        f"still running at the deadline when last seen, and {failed} since;", end.message
    )


def test_a_timeout_names_the_vendors_own_status() -> None:
    office = Office({"a": [DOWN]})
    job = ArchiveJob("v", "a", vendor_status="in-progress")
    flow = wait_for([job], waitlist=office.waitlist(), deadline=NOW + 5)
    (end,) = office.driver().run(flow)
    assert "v job a was still in-progress at the deadline" in end.message


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_a_success_in_between_forgives_the_failures_before_it(runs) -> None:
    plan = [answer for run in runs for answer in (*[DOWN] * run, R)]
    (end,), _ = Office({"a": [*plan, S]}).wait()
    assert isinstance(end, ArchiveJob)


LIMITS = st.sampled_from([RateLimitedError, VendorUnavailableError, QuotaExceededError])


@given(LIMITS, st.floats(0.1, 5000), st.sampled_from([1, 100]))
def test_nobody_asks_again_before_the_vendor_said_so_or_a_quarter_of_an_hour_has_passed(
    kind, seconds, bulk
) -> None:
    office = Office(
        {"a": [kind("slow", retry_after=seconds), S], "b": [R, R, R, S], "c": [S]}, bulk=bulk
    )
    ends, _ = office.wait(20_000)
    assert all(isinstance(end, ArchiveJob) for end in ends)
    refused = next(now for now, ids in office.asked if "a" in ids)
    later = [now for now, _ in office.asked if now > refused]
    hold = min(seconds, LONGEST_HOLD)
    assert min(later) >= refused + hold - 1e-3
    if seconds > 30:  # longer than any interval: then to the second
        assert min(later) - refused == pytest.approx(hold, abs=0.01)


@pytest.mark.parametrize("bulk", [1, 100])
def test_a_vendor_that_asks_for_a_day_is_asked_again_after_a_quarter_of_an_hour(bulk) -> None:
    closed = VendorUnavailableError("under maintenance", retry_after=86_400)
    office = Office({"a": [closed, S], "b": [R, S]}, bulk=bulk)
    ends, _ = office.wait(6 * 3600)
    assert all(isinstance(end, ArchiveJob) for end in ends)
    assert office.clock.now < NOW + 2 * LONGEST_HOLD


@pytest.mark.parametrize("bulk", [1, 100])
def test_a_limit_longer_than_the_deadline_still_gets_each_job_its_last_question(bulk) -> None:
    office = Office({"a": [RateLimitedError("slow", retry_after=600), S], "b": [R]}, bulk=bulk)
    ends, _ = office.wait(60)
    assert [type(end) for end in ends] == [ArchiveJob, JobTimeoutError]
    assert office.clock.now == NOW + 60
    assert {now for now, _ in office.asked[1:]} == {NOW + 60}


@given(st.floats(2 * LONGEST_HOLD, 1e6))
def test_a_clock_that_is_set_back_ends_a_limit_and_not_the_next_one(back) -> None:
    office = Office({"a": [RateLimitedError("slow", retry_after=500)] * 2 + [S]})
    waitlist = office.waitlist()
    waitlist.add(Watch(ArchiveJob("v", "a"), NOW + 1e7))
    driver = office.driver()

    def sleep(pause: float) -> None:
        driver.sleep(pause)
        if len(driver.sleeps) == 2:  # the pause of the first limit
            office.clock.now -= back

    flows.run(waitlist.flow(), perform=driver.perform, sleep=sleep)
    assert len(office.asked) == 3
    assert office.asked[2][0] - office.asked[1][0] == pytest.approx(500)


def test_a_plan_that_is_used_up_ends_no_wait_for_a_job_that_runs() -> None:
    full = QuotaExceededError("ceiling", retry_after=20)
    (end,), _ = Office({"a": [R, full, R, S]}).wait()
    assert isinstance(end, ArchiveJob)


def test_a_plan_that_stays_used_up_is_named_by_the_timeout_at_the_deadline() -> None:
    office = Office({"a": [QuotaExceededError("ceiling")]})
    (end,), _ = office.wait(10_000)
    assert type(end) is JobTimeoutError
    assert office.clock.now == NOW + 10_000
    assert len(office.asked) >= MAX_FAILED_POLLS
    assert re.search(r"and \d+ polls failed since; the last one: ceiling; raise", end.message)


def test_an_outage_after_a_used_up_plan_is_counted_from_its_own_first_poll() -> None:
    plan = [*[QuotaExceededError("ceiling")] * 100, *[DOWN] * (MAX_FAILED_POLLS - 1), R, S]
    (end,), _ = Office({"a": plan}).wait(100_000)
    assert isinstance(end, ArchiveJob)
    office = Office({"a": [*[QuotaExceededError("ceiling")] * 100, DOWN]})
    (end,), _ = office.wait(100_000)
    assert type(end) is VendorUnavailableError
    assert office.asked[-1][0] - office.asked[100][0] >= OUTAGE_SECONDS
    assert f"{len(office.asked) - 100} polls in a row failed" in end.message


# --- verdicts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "kind", "remedy"),
    [
        (JobState.FAILED, JobFailedError, "a retry submits it again"),
        (JobState.CANCELLED, JobCancelledError, "clear the task"),
        (JobState.EXPIRED, ArchiveExpiredError, "clear the task"),
        (JobState.RUNNING, JobTimeoutError, "has not ended yet"),
    ],
)
def test_every_verdict_has_its_class_and_its_remedy(state, kind, remedy) -> None:
    job = ArchiveJob("v", "a", state=state, reason="the disk is full", code="E7")
    with pytest.raises(
        kind, match=f"v job a ended as {state.value}: the disk is full; .*{remedy}"
    ) as e:
        ensure_succeeded(job)
    assert (e.value.vendor, e.value.code) == ("v", "E7")


def test_a_success_is_handed_on_and_an_error_is_raised_as_it_is() -> None:
    job = ArchiveJob("v", "a", state=S)
    assert ensure_succeeded(job) is job
    with pytest.raises(VendorUnavailableError) as raised:
        ensure_succeeded(DOWN)
    assert raised.value is DOWN


# --- vendors that take one job at a time --------------------------------------------------------


def submitting(errors: list[AssetsError]) -> Callable[[], Flow[ArchiveJob]]:
    turns = iter(errors)

    def submit() -> Flow[ArchiveJob]:
        yield from ()
        for error in turns:
            raise error
        return ArchiveJob("v", "a")

    return submit


@given(st.integers(0, 20), st.one_of(st.none(), st.floats(0, 60)))
def test_a_busy_vendor_is_waited_for_and_told_about(times, retry_after) -> None:
    driver = Driver(lambda _: HttpResponse(200))
    told: list[BusyError] = []
    errors = [BusyError("busy", retry_after=retry_after) for _ in range(times)]
    submit = submitting([*errors])
    job = driver.run(submit_when_free(submit, clock=driver.clock, on_busy=told.append))
    assert job.job_id == "a"
    assert told == errors
    assert driver.sleeps == [max(BUSY_PAUSE_SECONDS, retry_after or 0.0)] * times


def test_a_vendor_that_stays_busy_is_given_up_within_the_budget() -> None:
    driver = Driver(lambda _: HttpResponse(200))
    submit = submitting([BusyError("busy")] * 10_000)
    with pytest.raises(BusyError):
        driver.run(submit_when_free(submit, clock=driver.clock))
    assert driver.clock.now - NOW == BUSY_BUDGET_SECONDS


@given(st.floats(0, 2 * BUSY_BUDGET_SECONDS))
def test_nobody_waits_for_a_busy_vendor_longer_than_his_patience(patience) -> None:
    driver = Driver(lambda _: HttpResponse(200))
    submit = submitting([BusyError("busy")] * 10_000)
    with pytest.raises(BusyError):
        driver.run(submit_when_free(submit, clock=driver.clock, patience=patience))
    most = min(patience, BUSY_BUDGET_SECONDS)
    assert most - BUSY_PAUSE_SECONDS <= driver.clock.now - NOW <= most


def test_no_other_error_of_a_submit_is_waited_out() -> None:
    for error in (DOWN, InvalidRequestError("x")):
        driver = Driver(lambda _: HttpResponse(200))
        flow = submit_when_free(submitting([error]), clock=driver.clock)
        assert outcome(lambda flow=flow, driver=driver: driver.run(flow))[0] == type(error).__name__
        assert driver.sleeps == []
