"""How a poller begins and ends: nothing of it may be left."""

from __future__ import annotations

import asyncio
import threading
import time
from contextvars import ContextVar

import pytest
from poller_kit import PACE, Account, left, states, until, wait

from airflow_provider_assets.triggers import poller as module
from airflow_provider_assets.triggers.poller import shared
from airflow_provider_assets.vendors import vendor_class

LOG: ContextVar[str] = ContextVar("log")


def test_waits_come_and_go_and_the_last_one_ends_the_poller(account: Account) -> None:
    async def main() -> None:
        conn = account.connection()
        jobs = await account.submit(3)
        first = asyncio.create_task(wait(conn, jobs[:1]))
        await until(lambda: account.totals().get("polls", 0) >= 1)
        (one,) = module._POLLERS.values()
        second = asyncio.create_task(wait(conn, jobs[1:]))
        await until(lambda: account.rounds() >= 2)
        account.sandbox.job(jobs[0].job_id, "cancel")
        assert states(await first) == ["cancelled"]
        assert list(module._POLLERS.values()) == [one]
        account.finish()
        assert states(await second) == ["succeeded"] * 2
        assert left() == []
        third = await wait(conn, jobs[:1])
        assert states(third) == ["cancelled"]
        assert left() == []

    asyncio.run(main())


def test_a_cancelled_wait_leaves_nothing_and_its_neighbour_continues(account: Account) -> None:
    async def main() -> None:
        conn = account.connection()
        jobs = await account.submit(2)
        waits = [asyncio.create_task(wait(conn, [job])) for job in jobs]
        await until(lambda: account.rounds() >= 2)
        waits[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits[0]
        account.finish()
        assert states(await waits[1]) == ["succeeded"]
        assert left() == []
        assert account.totals()["cancels"] == 0

    asyncio.run(main())


@pytest.mark.parametrize("where", ["before the first request", "within a request", "asleep"])
def test_the_last_wait_may_be_cancelled_at_any_moment(account: Account, where: str) -> None:
    async def main() -> None:
        jobs = await account.submit(2)
        if where == "within a request":
            account.sandbox.fault("bulk_poll:hang")
        one = asyncio.create_task(wait(account.connection(), jobs, pace=0.5))
        if where == "before the first request":
            await asyncio.sleep(0)
        elif where == "within a request":
            await until(lambda: account.totals().get("bulk_polls"))
        else:
            await until(lambda: account.rounds() >= 1)
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
        assert left() == []

    asyncio.run(main())


def test_a_body_that_raises_ends_its_poller(account: Account) -> None:
    async def body(waits: list[asyncio.Task[object]]) -> None:
        async with shared(account.connection()) as poller:
            jobs = await account.submit(1)
            waiting = poller.wait(jobs, deadline=time.time() + 60, interval=PACE)
            waits.append(asyncio.create_task(waiting))
            await until(lambda: account.totals().get("polls"))
            raise ZeroDivisionError

    async def main() -> None:
        waits: list[asyncio.Task[object]] = []
        with pytest.raises(ZeroDivisionError):
            await body(waits)
        waits[0].cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        assert left() == []

    asyncio.run(main())


def test_two_loops_have_a_poller_each_and_leave_none(account: Account) -> None:
    jobs = asyncio.run(account.submit(2))
    both = threading.Barrier(3)
    ends: list[list[str]] = []

    async def main() -> None:
        async with shared(account.connection()) as poller:
            await asyncio.to_thread(both.wait, 30)
            ends.append(states(await poller.wait(jobs, deadline=time.time() + 60, interval=PACE)))
        assert left() == []

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    both.wait(30)
    assert len({id(poller) for poller in module._POLLERS.values()}) == 2
    account.finish()
    for thread in threads:
        thread.join()
    assert ends == [["succeeded"] * 2] * 2
    assert module._POLLERS == {}


def test_one_loop_after_another_can_wait(account: Account) -> None:
    jobs = asyncio.run(account.submit(1))
    account.finish()
    for _ in range(2):
        assert states(asyncio.run(wait(account.connection(), jobs))) == ["succeeded"]
    assert module._POLLERS == {}


def test_a_fault_of_ours_ends_the_waits_and_leaves_nothing(account: Account, monkeypatch) -> None:
    def broken(vendor: object, jobs: object) -> None:
        raise KeyError("told")

    async def main() -> None:
        conn = account.connection()
        jobs = await account.submit(2)
        with monkeypatch.context() as patch:
            patch.setattr(vendor_class(account.vendor), "poll", broken)
            waits = [
                asyncio.create_task(wait(conn, jobs[:1])),
                asyncio.create_task(wait(conn, jobs[1:], pace=600.0)),
            ]
            for (end,) in await asyncio.gather(*waits):
                assert str(end) == "the poller failed: KeyError"
        assert left() == []
        account.finish()
        assert states(await wait(conn, jobs)) == ["succeeded"] * 2

    asyncio.run(main())


def test_progress_is_told_in_the_context_of_its_own_trigger(account: Account) -> None:
    """Airflow finds the log of a task by it."""
    told: list[tuple[str, str]] = []

    async def one(job) -> None:
        LOG.set(job.job_id)
        await wait(
            account.connection(),
            [job],
            on_change=lambda seen: told.append((LOG.get(), seen.job_id)),
        )

    async def main() -> None:
        jobs = await account.submit(3)
        waits = [asyncio.create_task(one(job)) for job in jobs]
        await until(lambda: len(told) >= 3)
        account.finish()
        await asyncio.gather(*waits)
        assert {job for _, job in told} == {job.job_id for job in jobs}

    asyncio.run(main())
    assert all(log == job for log, job in told)


def test_no_jobs_are_no_wait(account: Account) -> None:
    async def main() -> None:
        assert await wait(account.connection(), []) == []
        assert left() == []

    asyncio.run(main())
    assert not account.totals()
