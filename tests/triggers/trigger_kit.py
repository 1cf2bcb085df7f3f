"""Triggers as Airflow makes and runs them, for the connection of a test."""

from __future__ import annotations

import json
import time

from poller_kit import PACE

from airflow_provider_assets.triggers.archive import AssetArchiveTrigger

CONN = "waits"


def trigger(jobs, *, seconds=60.0, **options) -> AssetArchiveTrigger:
    dicts = [job.to_dict() for job in jobs]
    made = AssetArchiveTrigger(
        CONN, dicts, time.time() + seconds, **{"poll_interval": PACE, **options}
    )
    path, arguments = made.serialize()
    assert path.rpartition(".")[2] == "AssetArchiveTrigger"
    return AssetArchiveTrigger(**json.loads(json.dumps(arguments)))


async def run(one: AssetArchiveTrigger):
    """The payload of the one event, as it is after the database."""
    events = [event async for event in one.run()]
    assert len(events) == 1
    return json.loads(json.dumps(events[0].payload))
