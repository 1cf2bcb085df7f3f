from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

import pytest
from core_kit import NOW, Driver, cycle
from hypothesis import given
from hypothesis import strategies as st
from waiter_kit import DOWN, Office, R, S

from airflow_provider_assets.sansio.errors import (
    AuthenticationError,
    JobTimeoutError,
    ProtocolError,
    RateLimitedError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.flow import Flow
from airflow_provider_assets.sansio.jobs import Answer, ArchiveJob
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.sansio.waiter import Waitlist, Watch, wait_for

# --- many jobs -------------------------------------------------------------------------------


def test_a_bulk_call_asks_for_all_that_are_nearly_due_and_leaves_the_ended_out() -> None:
    plans = {str(n): [*[R] * (n % 4), S] for n in range(50)}
    office = Office(plans, bulk=100)
    spread = count()
    ends, _ = office.wait(jitter=lambda: next(spread) % 10 / 10)
    assert all(isinstance(end, ArchiveJob) for end in ends)
    assert len(office.asked) <= 4
    assert [len(ids) for _, ids in office.asked[:1]] == [50]


def test_without_a_bulk_call_each_job_is_asked_when_it_is_due() -> None:
    office = Office({"a": [S], "b": [S]})
    office.wait(jitter=cycle([0.0, 0.9]))
    assert [ids for _, ids in office.asked] == [("a",), ("b",)]
    assert [now - NOW for now, _ in office.asked] == pytest.approx([1.5, 2.58], abs=0.01)


@pytest.mark.parametrize("bulk", [2, 100])
def test_a_bulk_call_leaves_out_what_is_not_nearly_due_but_asks_what_is_at_its_deadline(bulk):
    office = Office({"a": [R, S], "late": [S], "at its deadline": [S]}, bulk=bulk)
    waitlist = office.waitlist()
    for name, pace, seconds in [("a", 3, 500), ("late", 60, 500), ("at its deadline", 60, 1)]:
        waitlist.add(Watch(ArchiveJob("v", name), NOW + seconds, poll_interval=pace))
    office.driver().run(waitlist.flow())
    assert [ids for _, ids in office.asked] == [("a", "at its deadline"), ("a",), ("late",)]


@pytest.mark.parametrize(("bulk", "asked"), [(1, 1), (100, 3)])
def test_a_limit_ends_a_round_of_single_questions(bulk, asked) -> None:
    limited = RateLimitedError("slow", retry_after=10)
    office = Office({"a": [limited, S], "b": [S], "c": [S]}, bulk=bulk)
    office.wait()
    begun = office.asked[0][0]
    assert sum(len(ids) for now, ids in office.asked if now == begun) == asked


@pytest.mark.parametrize("bulk", [1, 100])
def test_a_job_that_cannot_be_asked_for_ends_alone(bulk) -> None:
    office = Office({"a": [*[R] * 9, S], "bad": [DOWN], "c": [*[R] * 9, S]}, bulk=bulk)
    ends, _ = office.wait()
    assert [type(end) for end in ends] == [ArchiveJob, VendorUnavailableError, ArchiveJob]
    assert office.given["bad"] >= 5


@pytest.mark.parametrize("bulk", [1, 100])
@pytest.mark.parametrize(
    "fault", [ProtocolError("shape"), AuthenticationError("foreign job", status=403)]
)
def test_a_permanent_error_of_one_job_ends_that_job_only(fault, bulk) -> None:
    office = Office({"a": [R, S], "bad": [fault], "c": [R, S]}, bulk=bulk)
    ends, _ = office.wait()
    assert [type(end) for end in ends] == [ArchiveJob, type(fault), ArchiveJob]
    assert ends[1] is fault


@pytest.mark.parametrize("bulk", [1, 100])
def test_credentials_that_are_refused_end_every_wait_with_one_request(bulk) -> None:
    plans = {str(n): [AuthenticationError("revoked", status=401)] for n in range(50)}
    office = Office(plans, bulk=bulk)
    waitlist = office.waitlist()
    watches = [Watch(ArchiveJob("v", name), NOW + 2000) for name in plans]
    watches.append(Watch(ArchiveJob("v", "not due yet"), NOW + 2000, poll_interval=600))
    for watch in watches:
        waitlist.add(watch)
    office.driver().run(waitlist.flow())
    assert {type(watch.end) for watch in watches} == {AuthenticationError}
    assert len(office.asked) == 1


def test_an_error_about_one_job_that_names_a_wait_delays_the_next_poll_of_all() -> None:
    limited = VendorUnavailableError("busy", retry_after=120)
    office = Office({"a": [limited, S], "b": [R, S]}, bulk=100)
    ends, _ = office.wait()
    assert [type(end) for end in ends] == [ArchiveJob, ArchiveJob]
    assert office.asked[1][0] >= office.asked[0][0] + 120


@pytest.mark.parametrize("fault", [ProtocolError("shape"), AuthenticationError("no", status=403)])
def test_a_permanent_error_about_all_jobs_that_were_asked_for_ends_them_and_no_other(fault) -> None:
    office = Office({"a": [R], "b": [R], "later": [S]}, bulk=100)

    def poll(jobs: Sequence[ArchiveJob]) -> Flow[list[Answer]]:
        if len(jobs) == 2:
            raise fault
        return (yield from office.poll(jobs))

    waitlist = Waitlist(poll, policy=office.policy, clock=office.clock, jitter=lambda: 0.5)
    watches = [Watch(ArchiveJob("v", name), NOW + 500) for name in ("a", "b")]
    watches.append(Watch(ArchiveJob("v", "later"), NOW + 500, poll_interval=100))
    for watch in watches:
        waitlist.add(watch)
    office.driver().run(waitlist.flow())
    assert [type(watch.end) for watch in watches] == [type(fault), type(fault), ArchiveJob]


def test_a_job_that_meets_a_limit_again_and_again_does_not_starve_the_one_behind_it() -> None:
    limited = RateLimitedError("slow", retry_after=400)
    ends, _ = Office({"a": [limited], "b": [S]}).wait()
    assert isinstance(ends[1], ArchiveJob)


def test_an_answer_about_another_job_is_never_taken_for_ones_own() -> None:
    def poll(jobs: Sequence[ArchiveJob]) -> Flow[list[Answer]]:
        yield from ()
        return [replace(jobs[0], job_id="stranger", state=S)]

    office = Office({})
    waitlist = Waitlist(poll, policy=office.policy, clock=office.clock, jitter=lambda: 0.5)
    (end,) = office.driver().run(
        wait_for([ArchiveJob("v", "a")], waitlist=waitlist, deadline=NOW + 100)
    )
    assert isinstance(end, ProtocolError)
    assert (end.message, end.vendor) == ("a poll of v job a returned stranger", "v")


@pytest.mark.parametrize("number", [1, 3])
def test_a_poll_with_too_few_answers_says_so_of_every_job(number) -> None:
    def poll(jobs: Sequence[ArchiveJob]) -> Flow[list[Answer]]:
        yield from ()
        return []

    office = Office({}, bulk=100)
    waitlist = Waitlist(poll, policy=office.policy, clock=office.clock, jitter=lambda: 0.5)
    jobs = [ArchiveJob("v", str(n)) for n in range(number)]
    ends = office.driver().run(wait_for(jobs, waitlist=waitlist, deadline=NOW + 100))
    told = {(end.message, end.vendor) for end in ends if isinstance(end, ProtocolError)}
    assert told == {(f"a poll of {number} jobs returned 0 answers", "v")}
    assert len(ends) == number


@given(st.permutations("abc"), st.integers(0, 2))
def test_answers_out_of_order_or_too_few_are_never_taken_for_anothers(order, missing) -> None:
    def poll(jobs: Sequence[ArchiveJob]) -> Flow[list[Answer]]:
        yield from ()
        by_id = {job.job_id: replace(job, state=S) for job in jobs}
        return [by_id[name] for name in order[missing:]]

    office = Office({}, bulk=100)
    waitlist = Waitlist(poll, policy=office.policy, clock=office.clock, jitter=lambda: 0.5)
    jobs = [ArchiveJob("v", name) for name in "abc"]
    ends = office.driver().run(wait_for(jobs, waitlist=waitlist, deadline=NOW + 100))
    for job, end in zip(jobs, ends, strict=True):
        if not missing and order["abc".index(job.job_id)] == job.job_id:
            assert isinstance(end, ArchiveJob)
            assert end.job_id == job.job_id
        else:
            assert isinstance(end, ProtocolError)


def test_one_job_may_be_waited_for_twice() -> None:
    office = Office({"a": [R, R, S]}, bulk=100)
    waitlist = office.waitlist()
    told: list[tuple[int, object]] = []
    watches = [
        Watch(ArchiveJob("v", "a"), NOW + 1000, on_end=lambda end, n=n: told.append((n, end)))
        for n in range(3)
    ]
    for watch in watches:
        waitlist.add(watch)
    waitlist.drop(watches[1])
    office.driver().run(waitlist.flow())
    assert sorted(n for n, _ in told) == [0, 2]
    assert all(end is watches[n].end for n, end in told)
    assert watches[1].end is None


# --- a list that changes while it is waited for ------------------------------------------------


class Changing(Driver):
    """Changes the list in the middle of a request or of a sleep, as other coroutines would."""

    def __init__(self, office: Office, *, at: int, change: Callable[[], None]) -> None:
        super().__init__(self._answer, clock=office.clock)
        self.at, self.change = at, change

    def _answer(self, request: HttpRequest) -> HttpResponse:
        self._turn()
        return HttpResponse(200)

    def sleep(self, seconds: float) -> None:
        if not self._turn():
            super().sleep(seconds)  # a change wakes the sleeper at once

    def _turn(self) -> bool:
        self.at -= 1
        if self.at == 0:
            self.change()
        return self.at == 0


@given(
    st.integers(1, 12), st.sampled_from([1, 100]), st.sampled_from([S, DOWN, ProtocolError("x")])
)
def test_a_wait_that_is_dropped_at_any_moment_is_never_told_an_end(at, bulk, last) -> None:
    office = Office({"a": [R, R, R, last], "b": [R, R, R, R, S]}, bulk=bulk)
    waitlist = office.waitlist()
    told: list[object] = []
    a = Watch(ArchiveJob("v", "a"), NOW + 500, on_end=told.append)
    b = Watch(ArchiveJob("v", "b"), NOW + 500)
    waitlist.add(a)
    waitlist.add(b)
    dropped: list[bool] = []

    def drop() -> None:
        dropped.append(a.end is None)
        waitlist.drop(a)
        waitlist.drop(a)

    Changing(office, at=at, change=drop).run(waitlist.flow())
    assert isinstance(b.end, ArchiveJob)
    assert len(told) == (0 if dropped == [True] else 1)


def test_the_end_of_one_wait_may_drop_another_that_ends_with_it() -> None:
    office = Office({"a": [R], "b": [R]})
    waitlist = office.waitlist()
    told: list[object] = []
    b = Watch(ArchiveJob("v", "b"), NOW + 10, on_end=told.append)
    a = Watch(ArchiveJob("v", "a"), NOW + 10, on_end=lambda end: waitlist.drop(b))
    waitlist.add(a)
    waitlist.add(b)
    assert a.next == min(a.due, NOW + 10)
    office.driver().run(waitlist.flow())
    assert isinstance(a.end, JobTimeoutError)
    assert (b.end, told) == (None, [])


@given(st.integers(1, 12), st.sampled_from([1, 100]))
def test_a_wait_that_is_added_at_any_moment_is_asked_for_within_its_first_interval(
    at, bulk
) -> None:
    office = Office({"a": [R, R, R, R, R, R, S], "new": [S]}, bulk=bulk)
    waitlist = office.waitlist()
    waitlist.add(Watch(ArchiveJob("v", "a"), NOW + 500))
    new = Watch(ArchiveJob("v", "new"), NOW + 500)
    added: list[float] = []

    def add() -> None:
        added.append(office.clock.now)
        waitlist.add(new)

    Changing(office, at=at, change=add).run(waitlist.flow())
    assert isinstance(new.end, ArchiveJob)
    asked = next(now for now, ids in office.asked if "new" in ids)
    assert asked - added[0] <= office.policy.initial


def test_a_job_that_comes_back_unchanged_has_been_seen() -> None:
    def poll(jobs: Sequence[ArchiveJob]) -> Flow[list[Answer]]:
        yield from ()
        return [*jobs]

    office = Office({})
    waitlist = Waitlist(poll, policy=office.policy, clock=office.clock, jitter=lambda: 0.5)
    (end,) = office.driver().run(
        wait_for([ArchiveJob("v", "a")], waitlist=waitlist, deadline=NOW + 3600)
    )
    assert isinstance(end, JobTimeoutError)


def test_a_job_that_has_ended_already_is_told_at_once() -> None:
    office = Office({})
    ends, driver = office.wait()
    done = ArchiveJob("v", "a", state=S)
    ends = driver.run(wait_for([done], waitlist=office.waitlist(), deadline=NOW))
    assert ends == [done]
    assert driver.trace == []


@pytest.mark.parametrize("at", [3, 4], ids=["in a pause", "in a poll"])
@pytest.mark.parametrize("back", [61, 75, 1e6])
def test_a_clock_that_is_set_back_does_not_stop_the_polling(at, back) -> None:
    office = Office({"a": [*[R] * 3, S]})
    waitlist = office.waitlist()
    waitlist.add(Watch(ArchiveJob("v", "a"), NOW + 1e7))

    def set_back() -> None:
        office.clock.now -= back

    driver = Changing(office, at=at, change=set_back)
    driver.run(waitlist.flow())
    assert max(driver.sleeps) <= office.policy.maximum


def test_a_clock_that_leaps_ahead_asks_once_more_before_it_gives_up() -> None:
    office = Office({"a": [R, S]})
    waitlist = office.waitlist()
    a = Watch(ArchiveJob("v", "a"), NOW + 100)
    waitlist.add(a)

    def leap() -> None:
        office.clock.now += 10_000

    Changing(office, at=3, change=leap).run(waitlist.flow())
    assert isinstance(a.end, ArchiveJob)


def test_changes_are_told_and_repetitions_are_not() -> None:
    jobs = [
        ArchiveJob("v", "a", vendor_status=word, progress=part, done=done, state=state)
        for word, part, done, state in [
            ("queued", 0.0, None, R),
            ("queued", 0.0, None, R),
            ("working", 0.1, None, R),
            ("working", 0.2, None, R),
            ("working", 0.2, 3, R),
            ("working", 0.2, 3, R),
            ("done", 1.0, 9, S),
        ]
    ]
    turn = iter(jobs)

    def poll(_: Sequence[ArchiveJob]) -> Flow[list[Answer]]:
        yield from ()
        return [next(turn)]

    told: list[ArchiveJob] = []
    office = Office({})
    waitlist = Waitlist(poll, policy=office.policy, clock=office.clock, jitter=lambda: 0.5)
    office.driver().run(
        wait_for(
            [ArchiveJob("v", "a")], waitlist=waitlist, deadline=NOW + 999, on_change=told.append
        )
    )
    assert told == [jobs[0], jobs[2], jobs[3], jobs[4], jobs[6]]
