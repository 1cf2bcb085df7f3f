"""What the vendor may do to a thousand waits at once."""

from __future__ import annotations

import asyncio
import time

import pytest
from poller_kit import PACE, Account, left, states, until, wait

from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.sansio.errors import AuthenticationError, RateLimitedError


@pytest.mark.usefixtures("no_retries")
def test_a_limit_that_the_vendor_sets_holds_the_whole_connection(account: Account) -> None:
    async def main() -> None:
        conn = account.connection()
        jobs = await account.submit(4)
        waits = [asyncio.create_task(wait(conn, jobs[:2]))]
        await until(lambda: account.rounds() >= 1)
        account.sandbox.fault("bulk_poll:429:1,retry_after=2")
        await until(lambda: account.totals()["errors"] == 1)
        held = time.monotonic()
        asked = account.totals()["requests"]
        waits.append(asyncio.create_task(wait(conn, jobs[2:])))
        await asyncio.sleep(1.0)
        if time.monotonic() - held < 1.8:  # the machine may have slept through it
            assert account.totals()["requests"] == asked
        account.finish()
        for ends in await asyncio.gather(*waits):
            assert states(ends) == ["succeeded"] * 2

    asyncio.run(main())


@pytest.mark.usefixtures("no_retries", "no_outage")
def test_failed_polls_are_borne_and_a_long_outage_ends_the_waits(account: Account) -> None:
    async def main() -> None:
        jobs = await account.submit(2)
        account.sandbox.fault("*:503:4")
        waiting = asyncio.create_task(wait(account.connection(), jobs))
        await until(lambda: account.totals().get("errors") == 4)
        account.finish()
        assert states(await waiting) == ["succeeded"] * 2
        account.sandbox.fault("*:503")
        ends = await wait(account.connection(), jobs)
        assert states(ends) == ["VendorUnavailableError"] * 2
        assert left() == []

    asyncio.run(main())


@pytest.mark.usefixtures("no_retries", "no_outage")
def test_an_endless_limit_ends_the_waits_with_its_type(account: Account) -> None:
    async def main() -> None:
        jobs = await account.submit(2)
        account.sandbox.fault("*:429,retry_after_ms=20")
        for end in await wait(account.connection(), jobs):
            assert isinstance(end, RateLimitedError)

    asyncio.run(main())


@pytest.mark.usefixtures("no_retries")
def test_a_plan_that_is_used_up_ends_no_wait_for_jobs_that_run(scenario: Account) -> None:
    async def main() -> None:
        jobs = await scenario.submit(2)
        scenario.sandbox.fault("bulk_poll:plan-limit:1,remaining=1")
        waiting = asyncio.create_task(wait(scenario.connection(), jobs))
        await until(lambda: scenario.rounds() >= 1)
        scenario.finish()
        assert states(await waiting) == ["succeeded"] * 2
        assert scenario.totals()["errors"] == 1

    asyncio.run(main())


@pytest.mark.parametrize("then_wait", [True, False])
def test_a_plan_that_is_used_up_leaves_the_jobs_of_a_task_as_they_were_last_seen(
    scenario: Account, then_wait
) -> None:
    jobs = asyncio.run(scenario.submit(2))
    scenario.sandbox.fault("*:plan-limit,remaining=3600")
    hook = AssetArchiveHook()
    hook.connection = scenario.connection()  # as read from Airflow
    assert hook.poll_or_last_known(jobs, then_wait=then_wait) == jobs
    assert scenario.totals()["errors"] == 1  # about the account: no job is asked for alone


def test_credentials_that_are_refused_later_end_every_wait_with_that_type(account: Account) -> None:
    async def main() -> None:
        conn = account.connection()
        jobs = await account.submit(4)
        waits = [
            asyncio.create_task(wait(conn, jobs[:2])),
            asyncio.create_task(wait(conn, jobs[2:3])),
            asyncio.create_task(wait(conn, jobs[3:], pace=600.0)),
        ]
        await until(lambda: account.rounds() >= 1)
        account.sandbox.fault("*:401")
        for ends in await asyncio.gather(*waits):
            assert all(isinstance(end, AuthenticationError) for end in ends)
        assert left() == []

    asyncio.run(main())


def test_an_error_about_one_job_ends_that_job_only_for_those_that_block(account: Account) -> None:
    jobs = asyncio.run(account.submit(3))
    account.sandbox.fault(f"poll:403,match={jobs[1].job_id}")
    account.sandbox.fault("bulk_poll:403:1")
    account.finish()
    hook = AssetArchiveHook()
    hook.connection = account.connection()  # as read from Airflow
    ends = hook.wait(jobs, deadline=time.time() + 60, poll_interval=PACE)
    assert states(ends) == ["succeeded", "AuthenticationError", "succeeded"]


def test_an_error_about_one_job_ends_that_wait_only(account: Account) -> None:
    async def main() -> None:
        jobs = await account.submit(4)
        account.sandbox.fault(f"poll:403,match={jobs[2].job_id}")
        account.sandbox.fault("bulk_poll:403:2")
        waits = [asyncio.create_task(wait(account.connection(), [job])) for job in jobs]
        assert states(await waits[2]) != ["succeeded"]
        account.sandbox.clear_faults()
        await until(lambda: account.rounds() >= 2)
        account.finish()
        ends = await asyncio.gather(*waits)
        assert [states(end) for end in ends] == [
            ["succeeded"], ["succeeded"], states(ends[2]), ["succeeded"],
        ]  # fmt: skip

    asyncio.run(main())


def test_a_trigger_whose_on_change_fails_disturbs_no_wait(account: Account, caplog) -> None:
    def fail(job) -> None:
        raise ZeroDivisionError("a fault of one trigger")

    async def main() -> None:
        conn = account.connection()
        jobs = await account.submit(2)
        waits = [
            asyncio.create_task(wait(conn, jobs[:1], on_change=fail)),
            asyncio.create_task(wait(conn, jobs[1:])),
        ]
        await until(lambda: account.rounds() >= 1)
        account.finish()
        assert [states(ends) for ends in await asyncio.gather(*waits)] == [["succeeded"]] * 2

    asyncio.run(main())
    assert "on_change failed" in caplog.text
    assert "a fault of one trigger" in caplog.text


def test_a_deadline_ends_its_own_wait_only(account: Account) -> None:
    async def main() -> None:
        conn = account.connection()
        jobs = await account.submit(2)
        late = asyncio.create_task(wait(conn, jobs[:1], seconds=0.5))
        other = asyncio.create_task(wait(conn, jobs[1:]))
        assert states(await late) == ["JobTimeoutError"]
        assert not other.done()
        account.finish()
        assert states(await other) == ["succeeded"]

    asyncio.run(main())


def test_all_waits_together_keep_to_the_requests_per_second(account: Account) -> None:
    rate = 10

    async def main() -> None:
        conn = account.connection(requests_per_second=rate)
        jobs = await account.submit(6)
        start = time.monotonic()
        waits = [asyncio.create_task(wait(conn, [job], pace=0.01)) for job in jobs]
        await until(lambda: account.totals().get("bulk_polls", 0) >= 12)
        asked = account.totals()
        most = (time.monotonic() - start) * rate + 1
        account.finish()
        await asyncio.gather(*waits)
        assert asked["bulk_polls"] + asked["polls"] <= most

    account.sandbox.configure(empty_pages=0)
    asyncio.run(main())


def test_a_slow_answer_does_not_keep_a_newcomer_from_waiting(account: Account) -> None:
    async def main() -> None:
        conn = account.connection()
        jobs = await account.submit(3)
        account.sandbox.fault("bulk_poll:delay=0.5:1")
        first = asyncio.create_task(wait(conn, jobs[:2]))
        await until(lambda: account.totals().get("bulk_polls"))
        second = asyncio.create_task(wait(conn, jobs[2:], pace=PACE))
        await until(lambda: account.rounds() >= 3)
        account.finish()
        assert [states(ends) for ends in await asyncio.gather(first, second)] == [
            ["succeeded"] * 2, ["succeeded"],
        ]  # fmt: skip

    asyncio.run(main())
