"""A person replaces the key of a connection while jobs are waited for."""

from __future__ import annotations

import asyncio
import time

import pytest
from poller_kit import PACE, Account, left, states, until
from trigger_kit import CONN, run, trigger

from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.sansio.errors import AuthenticationError
from airflow_provider_assets.triggers import poller as module
from airflow_provider_assets.triggers.archive import read_ends

# The sandbox has one key; the new connection differs from the old one in this.
REPLACED = {"requests_per_second": 40}


@pytest.fixture
def replace(connect, account: Account):
    """Change the connection, and have the vendor refuse its next request."""

    def put(fault: str = "*:401:1") -> None:
        conn = account.part["connection"]
        connect(account.part, extra={**conn["extra"], **REPLACED})
        account.sandbox.fault(fault)

    return put


def keys() -> list[object]:
    pollers = module._POLLERS.values()
    return [one.client.vendor.connection.extra.get("requests_per_second") for one in pollers]


def test_all_waits_continue_with_the_new_key_through_one_poller(
    account: Account, connect, replace, monkeypatch
) -> None:
    read: list[str] = []
    ask = module.read_connection

    async def counted(conn_id: str):
        read.append(conn_id)
        await asyncio.sleep(0.05)
        return await ask(conn_id)

    monkeypatch.setattr(module, "read_connection", counted)

    async def main() -> None:
        connect(account.part)
        jobs = await account.submit(40)
        waits = [asyncio.create_task(run(trigger([job]))) for job in jobs]
        await until(lambda: account.rounds() >= 1)
        assert keys() == [None]
        replace()
        await until(lambda: keys() == [40])
        account.finish()
        ends = [read_ends(event) for event in await asyncio.gather(*waits)]
        assert [states(end) for end in ends] == [["succeeded"]] * 40
        assert account.totals()["errors"] == 1
        assert len(read) == 2
        assert left() == []

    asyncio.run(main())


def test_only_the_jobs_that_were_refused_are_waited_for_again(
    account: Account, connect, replace
) -> None:
    async def main() -> None:
        connect(account.part)
        jobs = await account.submit(3)
        running = asyncio.create_task(run(trigger(jobs)))
        await until(lambda: account.rounds() >= 1)
        account.sandbox.job(jobs[0].job_id, "cancel")
        await until(lambda: account.rounds() >= 3)
        replace()
        await until(lambda: keys() == [40])
        account.finish()
        event = await running
        assert event["job_ids"] == [job.job_id for job in jobs]
        assert states(read_ends(event)) == ["cancelled", "succeeded", "succeeded"]
        assert left() == []

    asyncio.run(main())


def test_a_new_key_that_is_refused_too_ends_the_wait(account: Account, connect, replace) -> None:
    async def main() -> None:
        connect(account.part)
        jobs = await account.submit(2)
        running = asyncio.create_task(run(trigger(jobs)))
        await until(lambda: account.rounds() >= 1)
        replace("*:401:2")
        assert states(read_ends(await running)) == ["AuthenticationError"] * 2
        assert account.totals()["errors"] == 2
        assert left() == []

    asyncio.run(main())


def hook_of(account: Account, connect) -> AssetArchiveHook:
    connect(account.part)
    return AssetArchiveHook.for_conn(CONN)


@pytest.mark.parametrize("fault", ["*:401:1", "*poll:403:3"])
def test_a_task_that_blocks_continues_with_the_new_key(
    account: Account, connect, replace, fault
) -> None:
    jobs = asyncio.run(account.submit(2))
    hook = hook_of(account, connect)
    assert states(hook.poll(jobs)) == ["running"] * 2
    replace(fault)
    account.finish()
    ends = hook.wait(jobs, deadline=time.time() + 60, poll_interval=PACE)
    assert states(ends) == ["succeeded"] * 2
    assert hook.connection.extra["requests_per_second"] == 40
    assert hook.vendor.connection is hook.connection


def test_a_poke_after_the_change_uses_the_new_key(account: Account, connect, replace) -> None:
    jobs = asyncio.run(account.submit(2))
    hook = hook_of(account, connect)
    hook.poll(jobs)
    replace()
    assert states(hook.poll_or_last_known(jobs, then_wait=False)) == ["running"] * 2
    assert hook.connection.extra["requests_per_second"] == 40


@pytest.mark.parametrize("is_there", [True, False])
def test_a_key_that_nobody_has_replaced_is_refused_once(
    account: Account, connect, monkeypatch, is_there
) -> None:
    jobs = asyncio.run(account.submit(2))
    hook = hook_of(account, connect)
    hook.poll(jobs)
    account.sandbox.fault("*:401")
    if not is_there:
        monkeypatch.delenv(f"AIRFLOW_CONN_{CONN.upper()}")
    with pytest.raises(AuthenticationError):
        hook.poll(jobs)
    assert account.totals()["errors"] == 1
