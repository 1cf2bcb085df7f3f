"""The trigger as the triggerer runs it, on a bare loop."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime, timedelta, timezone

import pytest
from airflow.providers.common.compat.sdk import redact
from poller_kit import Account, left, states, until
from trigger_kit import CONN, run, trigger

from airflow_provider_assets.sansio.jobs import ArchiveJob
from airflow_provider_assets.triggers import poller as module
from airflow_provider_assets.triggers.archive import read_ends


def test_one_event_tells_the_ends_of_all_jobs_in_order(account: Account, connect) -> None:
    async def main() -> None:
        jobs = await account.submit(3)
        connect(account.part)
        running = asyncio.create_task(run(trigger(jobs, carry={"batch": 7})))
        await until(lambda: account.rounds() >= 1)
        account.sandbox.job(jobs[1].job_id, "cancel")
        account.finish()
        event = await running
        assert event["job_ids"] == [job.job_id for job in jobs]
        assert event["carry"] == {"batch": 7}
        assert states(read_ends(event)) == ["succeeded", "cancelled", "succeeded"]
        assert left() == []

    asyncio.run(main())


def test_an_event_holds_no_secret_and_no_url(account: Account, connect) -> None:
    async def main() -> None:
        jobs = await account.submit(2)
        connect(account.part)
        account.finish()
        text = json.dumps(await run(trigger(jobs)))
        assert "http" not in text
        assert account.part["connection"]["password"] not in text

    asyncio.run(main())


def test_a_token_is_masked_while_its_wait_lasts(sandbox, monkeypatch) -> None:
    part = sandbox.roma["token_connection"]
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN.upper()}", json.dumps(part))
    sandbox.fault("roma.poll:503")  # the wait outlasts the test
    job = ArchiveJob("huawei_roma", "any", submitted_at=time.time())

    def tokens() -> list[str]:
        auth = [poller.client.vendor._auth for poller in module._POLLERS.values()]
        return [one._token._value.value for one in auth if one._token._value]

    async def main() -> None:
        running = asyncio.create_task(run(trigger([job])))
        await until(tokens, looks=100)
        (token,) = tokens()
        await until(lambda: redact(f"got {token}") == "got ***", looks=100)
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert left() == []

    asyncio.run(main())


def test_refused_credentials_are_an_event_with_their_type(account: Account, connect) -> None:
    async def main() -> None:
        jobs = await account.submit(2)
        connect(account.part, password="another")
        ends = read_ends(await run(trigger(jobs)))
        assert states(ends) == ["AuthenticationError"] * 2
        assert left() == []

    asyncio.run(main())


def test_a_connection_that_lacks_something_is_an_event_too(topaz: Account, connect) -> None:
    async def main() -> None:
        jobs = await topaz.submit(1)
        connect(topaz.part, password="")
        (end,) = read_ends(await run(trigger(jobs)))
        assert not isinstance(end, type(jobs[0]))
        assert left() == []

    asyncio.run(main())


def test_a_deadline_that_has_passed_is_no_reason_not_to_ask(account: Account, connect) -> None:
    """A triggerer may be down for longer than the deadline, and the job have ended meanwhile."""

    async def main() -> None:
        jobs = await account.submit(2)
        connect(account.part)
        account.finish()
        assert states(read_ends(await run(trigger(jobs, seconds=-5)))) == ["succeeded"] * 2

    asyncio.run(main())


def test_a_restart_of_the_triggerer_cancels_no_job(account: Account, connect) -> None:
    async def main() -> None:
        jobs = await account.submit(2)
        connect(account.part)
        for _ in range(2):
            running = asyncio.create_task(run(trigger(jobs, cancel_on_kill=True)))
            asked = (account.totals() or {}).get("bulk_polls", 0)
            await until(lambda asked=asked: account.totals().get("bulk_polls", 0) > asked)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert left() == []
        assert account.totals()["cancels"] == 0
        account.finish()
        assert states(read_ends(await run(trigger(jobs)))) == ["succeeded"] * 2

    asyncio.run(main())


def test_a_trigger_that_is_given_up_half_way_leaves_nothing(account: Account, connect) -> None:
    async def main() -> None:
        jobs = await account.submit(1)
        connect(account.part)
        account.finish()
        events = trigger(jobs).run()
        assert (await anext(events)).payload["job_ids"] == [jobs[0].job_id]
        await events.aclose()
        assert left() == []

    asyncio.run(main())


def test_on_kill_asks_topaz_to_cancel_what_the_user_said_is_his(topaz: Account, connect) -> None:
    async def main() -> None:
        jobs = await topaz.submit(2)
        connect(topaz.part)
        await trigger(jobs).on_kill()
        assert topaz.totals()["cancels"] == 0
        await trigger(jobs, cancel_on_kill=True).on_kill()
        assert topaz.totals()["cancels"] == 2
        ends = read_ends(await run(trigger(jobs)))
        assert states(ends) == ["cancelled"] * 2
        assert left() == []

    asyncio.run(main())


class SlowLog:
    """The log of a triggerer whose parent process is busy: writing a line takes a while."""

    def __getattr__(self, name: str):
        async def slow(*args: object, **kwargs: object) -> None:
            await asyncio.sleep(0.5)

        return slow if name.startswith("a") else lambda *args, **kwargs: None


@pytest.mark.parametrize(
    ("reason", "ends_in", "cancels"),
    [
        pytest.param(("__airflow_user_action__",), 3600, 1, id="marked by a person"),
        pytest.param(("__airflow_user_action__",), -1, 0, id="ended by a time limit"),
        pytest.param((), 3600, 0, id="moved to another triggerer"),
    ],
)
def test_a_cancel_that_the_triggerer_repeats_at_once_still_reaches_the_vendor(
    topaz: Account, connect, reason, ends_in, cancels
) -> None:
    from airflow.jobs.triggerer_job_runner import TriggerRunner

    async def main() -> None:
        jobs = await topaz.submit(1)
        connect(topaz.part)
        waiting = trigger(jobs, cancel_on_kill=True)
        waiting.timeout_after = datetime.now(timezone.utc) + timedelta(seconds=ends_in)
        runner = TriggerRunner()
        runner.log = SlowLog()
        runner.triggers[1] = {"name": "export", "events": 0, "is_watcher": False}
        running = asyncio.create_task(runner.run_trigger(1, waiting, waiting.timeout_after))
        await until(lambda: topaz.totals().get("polls"))
        running.cancel(*reason)
        await asyncio.sleep(0.2)  # the triggerer is still writing that it was cancelled
        running.cancel(*reason)
        with pytest.raises(asyncio.CancelledError):
            await running
        assert topaz.totals()["cancels"] == cancels
        assert left() == []

    asyncio.run(main())


def test_on_kill_claims_nothing_where_the_vendor_cannot_cancel(scenario: Account, connect) -> None:
    async def main() -> None:
        jobs = await scenario.submit(1)
        connect(scenario.part)
        await trigger(jobs).on_kill()
        assert scenario.totals()["cancels"] == 0
        scenario.finish()
        assert states(read_ends(await run(trigger(jobs)))) == ["succeeded"]
        assert left() == []

    asyncio.run(main())


def test_on_kill_leaves_the_waits_of_others_alone(topaz: Account, connect) -> None:
    async def main() -> None:
        jobs = await topaz.submit(2)
        connect(topaz.part)
        running = asyncio.create_task(run(trigger(jobs[:1])))
        await until(lambda: topaz.totals().get("polls"))
        await trigger(jobs[1:], cancel_on_kill=True).on_kill()
        assert len(module._POLLERS) == 1
        topaz.finish()
        assert states(read_ends(await running)) == ["succeeded"]
        assert left() == []

    asyncio.run(main())


def test_a_vendor_that_refuses_to_cancel_does_not_fail_on_kill(topaz: Account, connect) -> None:
    async def main() -> None:
        jobs = await topaz.submit(2)
        connect(topaz.part)
        topaz.sandbox.fault(f"cancel:500,match={jobs[0].job_id}")
        await trigger(jobs, cancel_on_kill=True).on_kill()
        ends = asyncio.create_task(run(trigger(jobs)))
        await until(lambda: topaz.rounds() >= 1)
        topaz.finish()
        assert states(read_ends(await ends)) == ["succeeded", "cancelled"]
        assert left() == []

    asyncio.run(main())
