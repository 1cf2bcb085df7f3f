"""A thousand triggers that start at once ask Airflow for one connection."""

from __future__ import annotations

import asyncio
import json

import pytest
from poller_kit import Account

from airflow_provider_assets.triggers import poller as module
from airflow_provider_assets.triggers.poller import connection_for

CONN = "reads"


@pytest.fixture
def reads(topaz: Account, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every look-up that reached Airflow."""
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONN.upper()}", json.dumps(topaz.part["connection"]))
    seen: list[str] = []
    ask = module.read_connection

    async def counted(conn_id: str):
        seen.append(conn_id)
        await asyncio.sleep(0.05)
        return await ask(conn_id)

    monkeypatch.setattr(module, "read_connection", counted)
    return seen


def test_who_asks_while_it_is_read_shares_what_comes(reads: list[str], topaz: Account) -> None:
    async def main() -> None:
        found = await asyncio.gather(*(connection_for(CONN) for _ in range(100)))
        assert {conn.password for conn in found} == {topaz.part["connection"]["password"]}

    asyncio.run(main())
    assert len(reads) == 1
    assert module._READING == {}


def test_who_asks_later_reads_again(reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        first = await connection_for(CONN)
        conn = {"conn_type": "topaz", "password": "changed"}
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONN.upper()}", json.dumps(conn))
        assert first.password != (await connection_for(CONN)).password == "changed"

    asyncio.run(main())
    assert len(reads) == 2


def test_a_reader_that_is_cancelled_leaves_it_to_the_next(reads: list[str]) -> None:
    async def main() -> None:
        tasks = [asyncio.create_task(connection_for(CONN)) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        tasks[1].cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(end, asyncio.CancelledError) for end in ends] == [True, True, False]

    asyncio.run(main())
    assert len(reads) == 2
    assert module._READING == {}


def test_a_connection_that_is_not_there_fails_everyone(reads: list[str]) -> None:
    async def main() -> None:
        ends = await asyncio.gather(
            *(connection_for("nowhere") for _ in range(3)), return_exceptions=True
        )
        assert all(isinstance(end, Exception) for end in ends)

    asyncio.run(main())
    assert len(reads) == 3
    assert module._READING == {}


def test_two_connections_are_read_in_parallel(
    reads: list[str], topaz: Account, monkeypatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({"conn_type": "topaz", "password": "p"}))

    async def main() -> None:
        one, other = await asyncio.gather(connection_for(CONN), connection_for("other"))
        assert (one.conn_id, other.conn_id) == (CONN, "other")

    asyncio.run(main())
    assert sorted(reads) == ["other", CONN]
