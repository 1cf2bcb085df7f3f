"""A person replaces the key of a connection while jobs are waited for."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import time

import pytest
from origin import Fault, http_origin
from poller_kit import PACE, Account, left, states, until
from trigger_kit import CONN, run, trigger

from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.sansio.errors import AuthenticationError, InvalidRequestError
from airflow_provider_assets.sansio.jobs import ArchiveJob
from airflow_provider_assets.triggers import archive
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


@pytest.fixture
def issued(monkeypatch) -> list[object]:
    """A secrets backend that issues a new credential at each read; those that were read."""
    read: list[object] = []
    ask = module.read_connection
    numbers = itertools.count(40)

    async def new(conn_id: str):
        known = await ask(conn_id)
        read.append(
            dataclasses.replace(known, extra={**known.extra, "requests_per_second": next(numbers)})
        )
        return read[-1]

    monkeypatch.setattr(module, "read_connection", new)
    return read


def test_new_keys_that_are_all_refused_end_the_wait(account: Account, connect, issued) -> None:
    async def main() -> None:
        connect(account.part)
        jobs = await account.submit(2)
        account.sandbox.fault("*:401")
        assert states(read_ends(await run(trigger(jobs)))) == ["AuthenticationError"] * 2
        assert len(issued) == 1 + archive.MAX_REPLACED
        assert left() == []

    asyncio.run(main())


def test_keys_that_were_accepted_in_between_may_be_replaced_any_number_of_times(
    account: Account, connect, issued
) -> None:
    async def main() -> None:
        connect(account.part)
        jobs = await account.submit(2)
        running = asyncio.create_task(run(trigger(jobs)))
        for turn in range(1, archive.MAX_REPLACED + 3):
            seen = account.rounds()
            await until(lambda seen=seen: account.rounds() > seen)
            account.sandbox.fault("*:401:1")
            await until(lambda turn=turn: len(issued) == 1 + turn)
        account.finish()
        assert states(read_ends(await running)) == ["succeeded"] * 2
        assert left() == []

    asyncio.run(main())


def test_no_key_is_read_again_once_the_deadline_has_passed(
    account: Account, connect, issued
) -> None:
    async def main() -> None:
        connect(account.part)
        jobs = await account.submit(1)
        account.sandbox.fault("*:401")
        event = await run(trigger(jobs, seconds=-1))
        assert states(read_ends(event)) == ["AuthenticationError"]
        assert len(issued) == 1

    asyncio.run(main())


# What a connection may have become while it was refused.
BROKEN = [
    {"extra": ["a list"]},
    {"extra": {"requests_per_second": "fast"}},
    {"conn_type": "nobody"},
    None,
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_connection_that_has_become_useless_keeps_the_ends_that_are_known(
    account: Account, connect, monkeypatch, broken
) -> None:
    async def main() -> None:
        connect(account.part)
        jobs = await account.submit(3)
        running = asyncio.create_task(run(trigger(jobs)))
        await until(lambda: account.rounds() >= 1)
        account.sandbox.job(jobs[0].job_id, "cancel")
        await until(lambda: account.rounds() >= 3)
        spoil(account, connect, monkeypatch, broken)
        account.sandbox.fault("*:401")
        assert states(read_ends(await running)) == ["cancelled", *["AuthenticationError"] * 2]
        assert left() == []

    asyncio.run(main())


def spoil(account: Account, connect, monkeypatch, broken) -> None:
    if broken is None:
        monkeypatch.delenv(f"AIRFLOW_CONN_{CONN.upper()}")
    else:
        connect(account.part, **broken)


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


def test_a_key_that_nobody_has_replaced_is_refused_once(account: Account, connect) -> None:
    jobs = asyncio.run(account.submit(2))
    hook = hook_of(account, connect)
    hook.poll(jobs)
    account.sandbox.fault("*:401")
    with pytest.raises(AuthenticationError):
        hook.poll(jobs)
    assert account.totals()["errors"] == 1


@pytest.mark.parametrize("broken", BROKEN)
def test_a_task_whose_connection_has_become_useless_is_told_of_the_refusal(
    account: Account, connect, monkeypatch, broken
) -> None:
    jobs = asyncio.run(account.submit(2))
    hook = hook_of(account, connect)
    hook.poll(jobs)
    spoil(account, connect, monkeypatch, broken)
    account.sandbox.fault("*:401")
    with pytest.raises(AuthenticationError):
        hook.poll(jobs)
    assert account.totals()["errors"] == 1


def test_an_answer_that_quotes_the_new_secret_is_redacted_in_the_same_flow(
    roma: Account, connect
) -> None:
    part, secret = roma.part, "new-secret-of-now"
    quoting = Fault(400, json.dumps({"error_msg": f"not valid with the key {secret}"}).encode())
    with http_origin() as origin:
        origin.fault = lambda seen, number: Fault(401) if number == 1 else quoting
        extra = {**part["connection"]["extra"], "base_url": origin.url}
        connect(part, extra=extra)
        hook = AssetArchiveHook.for_conn(CONN)
        transport = hook.transport
        connect(part, extra=extra, password=secret)
        with pytest.raises(InvalidRequestError, match=r"not valid with the key \*\*\*") as raised:
            hook.poll([ArchiveJob("roma", "a")])
    assert secret not in str(raised.value)
    assert hook.transport is transport
