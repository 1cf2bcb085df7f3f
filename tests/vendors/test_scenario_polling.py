"""What strange replies and strange jobs cannot do to the polling of Scenario."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from core_kit import NOW, Driver, cycle
from hypothesis import given
from hypothesis import strategies as st
from scenario_kit import JOB, VENDOR, reply, through

from airflow_provider_assets.sansio.errors import (
    AuthenticationError,
    QuotaExceededError,
    RateLimitedError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.jobs import ArchiveJob, JobState
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.sansio.waiter import Waitlist, wait_for

ANSWERS: list[str | int] = ["queued", "in-progress", "strange", "success", "failure", 500, 429]


def status_of(request: HttpRequest) -> str:
    return request.url.rpartition("/")[2]


def test_jobs_of_unknown_age_do_not_list_all_that_ever_ran() -> None:
    driver = through(lambda r: reply({"job": {"jobId": status_of(r), "status": "queued"}}))
    jobs = [ArchiveJob("scenario", name) for name in ("j", "k")]
    assert [job.job_id for job in driver.run(VENDOR.poll(jobs))] == ["j", "k"]
    assert [status_of(request) for request in driver.requests] == ["j", "k"]


def test_one_job_that_the_vendor_cannot_tell_about_does_not_hide_the_others() -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        if status_of(request) == "bad":
            return reply({}, 500)
        return reply({"jobs": [{"jobId": "j", "status": "success"}]})

    bad = replace(JOB, job_id="bad")
    one, other = through(answer).run(VENDOR.poll([JOB, bad]))
    assert one.state is JobState.SUCCEEDED
    assert isinstance(other, VendorUnavailableError)
    (alone,) = through(answer).run(VENDOR.poll([bad]))
    assert isinstance(alone, VendorUnavailableError)


@pytest.mark.parametrize("listing", [403, 400, "malformed"])
def test_a_list_that_one_job_spoils_is_replaced_by_a_question_for_each(listing) -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        name = status_of(request)
        if name == "jobs":
            return reply({"jobs": [{}]}) if listing == "malformed" else reply({}, listing)
        if name == "bad":
            return reply({}, 403)
        return reply({"job": {"jobId": name, "status": "success"}})

    one, other = through(answer).run(VENDOR.poll([JOB, replace(JOB, job_id="bad")]))
    assert one.state is JobState.SUCCEEDED
    assert isinstance(other, AuthenticationError)


def test_credentials_that_are_refused_are_not_tried_again_for_each_job() -> None:
    driver = through(lambda request: reply({}, 401))
    with pytest.raises(AuthenticationError):
        driver.run(VENDOR.poll([JOB, replace(JOB, job_id="k")]))
    assert len(driver.requests) == 1


def test_a_limit_met_in_the_middle_of_a_poll_is_everybodys() -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        if status_of(request) == "bad":
            return reply({}, 429, **{"retry-after": "9"})
        return reply({"jobs": []})

    with pytest.raises(RateLimitedError) as raised:
        through(answer).run(VENDOR.poll([replace(JOB, job_id="bad"), JOB]))
    assert raised.value.retry_after == 9


@pytest.mark.parametrize("known", [[], ["1"]])
def test_a_ceiling_that_a_poll_meets_is_met_by_one_request_not_by_one_for_each_job(known) -> None:
    """Whether it is the list that meets it, or the question for the first job that the list lacks."""

    def answer(request: HttpRequest) -> HttpResponse:
        if known and status_of(request) == "jobs":
            return reply({"jobs": [{"jobId": one, "status": "queued"} for one in known]})
        return reply({"message": "cooldown", "remainingSeconds": 30}, 429)

    driver = through(answer)
    with pytest.raises(QuotaExceededError) as raised:
        driver.run(VENDOR.poll([replace(JOB, job_id=str(number)) for number in range(100)]))
    assert raised.value.retry_after == 30
    assert len(driver.requests) == 1 + len(known)


@given(
    st.dictionaries(
        st.sampled_from("abcd"),
        st.lists(
            st.sampled_from(["queued", "in-progress", "strange", "success", "failure", 500, 429]),
            min_size=1,
            max_size=8,
        ),
        min_size=1,
    ),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=3),
    st.booleans(),
)
def test_both_drivers_wait_for_real_jobs_alike(plans, spread, listed) -> None:
    def office() -> tuple[Driver, Callable]:
        turns: dict[str, int] = {}

        def state(name: str) -> str | int:
            turns[name] = turns.get(name, -1) + 1
            return plans[name][min(turns[name], len(plans[name]) - 1)]

        def answer(request: HttpRequest) -> HttpResponse:
            name = status_of(request)
            if name == "jobs":
                words = {n: state(n) for n in plans if listed and n != "a"}
                jobs = [{"jobId": n, "status": w} for n, w in words.items() if isinstance(w, str)]
                return reply({"jobs": jobs})
            word = state(name)
            if isinstance(word, int):
                return reply({}, word, **({"retry-after": "4"} if word == 429 else {}))
            return reply({"job": {"jobId": name, "status": word}})

        driver = through(answer)
        waitlist = Waitlist(
            VENDOR.poll, policy=VENDOR.spec.poll, clock=driver.clock, jitter=cycle(spread)
        )
        jobs = [ArchiveJob("scenario", name, submitted_at=NOW) for name in plans]
        return driver, lambda: wait_for(jobs, waitlist=waitlist, deadline=NOW + 600)

    (one, first), (two, second) = office(), office()
    ends = one.run(first()), two.arun(second())
    assert one.trace == two.trace
    assert [str(end) for end in ends[0]] == [str(end) for end in ends[1]]
    assert one.clock.now <= NOW + 600.001
    for name, end in zip(plans, ends[0], strict=True):
        assert not isinstance(end, ArchiveJob) or end.job_id == name
