from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from poller_kit import PACE, Account, left, states, until, wait

from airflow_provider_assets.triggers.poller import shared

CROWD = 1000


@pytest.mark.slow
def test_a_thousand_waits_share_one_client_and_one_request_for_fifty_jobs(account: Account) -> None:
    async def main() -> None:
        jobs = await account.submit(CROWD)
        conn = account.connection()
        async with AsyncExitStack() as stack:
            pollers = [await stack.enter_async_context(shared(conn)) for _ in range(3)]
            waits = [asyncio.create_task(wait(conn, [job], pace=1.0)) for job in jobs]
            pollers.append(await stack.enter_async_context(shared(conn)))
            await until(lambda: account.rounds() >= 3)
            requests, rounds = account.totals(), account.rounds()
            account.finish()
            ends = await asyncio.gather(*waits)
        assert len({id(poller) for poller in pollers}) == 1
        assert {state for end in ends for state in states(end)} == {"succeeded"}
        assert requests["polls"] + requests["bulk_polls"] <= rounds * CROWD / 50
        assert left() == []

    account.sandbox.configure(empty_pages=0)
    asyncio.run(main())


def test_waits_of_one_trigger_and_of_many_get_their_own_ends_in_order(account: Account) -> None:
    async def main() -> None:
        jobs = await account.submit(6)
        account.sandbox.job(jobs[1].job_id, "cancel")
        account.sandbox.job(jobs[4].job_id, "cancel")
        waits = [
            asyncio.create_task(wait(account.connection(), part)) for part in (jobs[:4], jobs[4:])
        ]
        await until(lambda: account.rounds() >= 2)
        account.finish()
        first, second = await asyncio.gather(*waits)
        assert states(first) == ["succeeded", "cancelled", "succeeded", "succeeded"]
        assert states(second) == ["cancelled", "succeeded"]
        assert [end.job_id for end in [*first, *second]] == [job.job_id for job in jobs]

    asyncio.run(main())


def test_jobs_that_the_list_lacks_are_asked_for_alone(scenario: Account) -> None:
    """Scenario lists by the time of an update, so a job may be older than the list."""

    async def main() -> None:
        jobs = await scenario.submit(3)
        late = [replace(job, submitted_at=(job.submitted_at or 0) + 86_400) for job in jobs]
        waiting = asyncio.create_task(wait(scenario.connection(), late))
        await until(lambda: scenario.totals()["polls"] >= 3)
        asked = {i: job["polls"] for i, job in scenario.sandbox.stats()["jobs"].items()}
        assert all(asked[job.job_id] for job in jobs)
        scenario.finish()
        assert states(await waiting) == ["succeeded"] * 3

    asyncio.run(main())


def test_a_process_that_topaz_does_not_list_is_asked_for_alone(topaz: Account) -> None:
    async def main() -> None:
        jobs = await topaz.submit(3)
        unknown = replace(jobs[0], job_id="00000000-0000-4000-8000-000000000000")
        waiting = asyncio.create_task(wait(topaz.connection(), [*jobs, unknown]))
        await until(lambda: topaz.totals()["polls"] >= 1 and topaz.totals()["bulk_polls"] >= 2)
        topaz.finish()
        assert states(await waiting) == ["succeeded", "succeeded", "succeeded", "failed"]

    asyncio.run(main())


def test_one_account_is_one_poller_whatever_its_connection_is_called(account: Account) -> None:
    async def main() -> None:
        async with shared(account.connection("a")) as one, shared(account.connection("b")) as two:
            assert one is two

    asyncio.run(main())


def test_connections_of_one_name_do_not_share_where_their_contents_differ(account: Account) -> None:
    """As two teams may have in one triggerer."""

    async def main() -> None:
        jobs = await account.submit(1)
        right, wrong = account.connection(), account.connection(password="another")
        async with shared(right) as one, shared(wrong) as two:
            assert one is not two
            waiting = asyncio.create_task(wait(right, jobs))
            assert states(await wait(wrong, jobs)) == ["AuthenticationError"]
            assert not waiting.done()
            account.finish()
            assert states(await waiting) == ["succeeded"]
        assert left() == []

    asyncio.run(main())


def test_waits_of_different_pace_share_the_client_and_each_keeps_its_own(account: Account) -> None:
    async def main() -> None:
        slow, quick = await account.submit(2)
        conn = account.connection()
        waits = [
            asyncio.create_task(wait(conn, [slow], pace=3600.0)),
            asyncio.create_task(wait(conn, [quick], pace=PACE)),
        ]
        await until(lambda: account.totals().get("polls", 0) >= 4)
        assert "bulk_polls" not in account.totals() or account.totals()["bulk_polls"] == 0
        asked = account.sandbox.stats()["jobs"]
        assert asked.get(slow.job_id, {"polls": 0})["polls"] == 0
        assert asked[quick.job_id]["polls"] >= 4
        for one in waits:
            one.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        assert left() == []

    asyncio.run(main())
