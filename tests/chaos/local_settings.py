"""Airflow's local settings for a test on SQLite, which eight processes write to at once.

The API server commits its audit log on its event loop, where it may wait for a lock that another of
its own requests holds until the loop runs again. So it gives up soon, and whoever asked asks again.
So does a command, since all others are stopped while it runs. The others wait long, as a scheduler
that meets a locked database dies of it.
"""

from __future__ import annotations

import sys
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

PATIENCE_MS = 1500 if {"api-server", "backfill"} & {*sys.argv} else 60_000


@event.listens_for(Engine, "connect")
def be_patient(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
    cursor.execute("PRAGMA synchronous = OFF")  # shorter locks; a test need not survive a power cut
    cursor.close()
