"""A program that lands archives in children of its own, so that a test can kill them or let them race.

Airflow and the clients of stores are imported once, and a child is a fork: it lands within milliseconds.
Each keeps its checkpoints where a task keeps them, in the task state store of a real Airflow database.

Each line of standard input is a JSON list of landings. The answers are a line with the ids of their
processes and, when all have ended, a line with what each said last: "landed", "skipped", the class and text
of its error, or "" if it was killed.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent.parent), str(HERE.parent), str(HERE.parent / "landing")]
from land_once import store_at  # noqa: E402  # the path comes first

from airflow_provider_assets.landing import LandingOptions, Source, land  # noqa: E402  # the path comes first
from airflow_provider_assets.landing.layouts import files, resume  # noqa: E402  # the path comes first
from airflow_provider_assets.sansio.downloads import ArchiveFile, Link  # noqa: E402  # the path comes first

DAG = "killed"
ANSWERS = os.dup(1)
os.dup2(2, 1)


class AirflowState:
    """What Airflow's API does for a task's state store, without the way over HTTP."""

    def __init__(self, run_id: str) -> None:
        from airflow._shared.state import TaskScope
        from airflow.state import get_state_backend

        self.scope, self.backend = TaskScope(DAG, run_id, "land", 0), get_state_backend()

    def get(self, key: str):
        return json.loads(self.backend.get(self.scope, key) or "null")

    def set(self, key: str, value) -> None:
        self.backend.set(self.scope, key, json.dumps(value))

    def delete(self, key: str) -> None:
        self.backend.delete(self.scope, key)


def prepare_airflow() -> None:
    from airflow.utils.db import initdb
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    @event.listens_for(Engine, "connect")
    def be_patient(connection, record) -> None:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA busy_timeout=60000")

    initdb()


def ensure_run(run_id: str) -> None:
    """Make the run known to which the state of a task belongs."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunType
    from sqlalchemy import select

    with create_session() as session:
        if session.scalar(select(DagRun.id).where(DagRun.run_id == run_id)) is None:
            made = DagRun(
                dag_id=DAG, run_id=run_id, run_type=DagRunType.MANUAL, state=DagRunState.RUNNING
            )
            session.add(made)


def land_one(spec: dict) -> str:
    """Land, and tell how that ended."""
    # Ten seconds of a landing that takes minutes are a fraction of a second of one that takes one.
    resume.SAVE_SECONDS = files.SAVE_SECONDS = spec.get("save_seconds", 0.05)
    time.sleep(spec.get("delay", 0.0))
    options = LandingOptions(
        part_size=spec["part_size"], concurrency=spec.get("concurrency"), jitter=lambda: 0.0
    )
    try:
        manifest = land(
            [Source(ArchiveFile("k", "export.zip"), lambda: Link(spec["url"]))],
            store_at(spec),
            layout=spec["layout"],
            prefix=spec["prefix"],
            facts={"fingerprint": spec.get("fingerprint", "night")},
            options=options,
            state=AirflowState(spec["run_id"]),
        )
    except Exception as error:  # noqa: BLE001  # the test judges it
        return f"{type(error).__name__}: {error}"
    return "skipped" if manifest.skipped else "landed"


def fork(spec: dict) -> tuple[int, int]:
    """The process that lands *spec*, and the end of the pipe on which it says how that went."""
    inlet, outlet = os.pipe()
    child = os.fork()
    if child:
        os.close(outlet)
        return child, inlet
    try:
        from airflow import settings

        settings.engine.dispose(close=False)  # the connections belong to the parent
        os.write(outlet, land_one(spec).encode())
    except BaseException:  # noqa: BLE001  # a fork must not return into its parent's loop
        traceback.print_exc()
    finally:
        os._exit(0)


def heard(pipe: int) -> str:
    with os.fdopen(pipe) as said:
        return said.read()


def answer(text: str) -> None:
    """What the test reads; Airflow's log is on standard output otherwise."""
    os.write(ANSWERS, f"{text}\n".encode())


def main() -> None:
    import boto3

    boto3.client("s3", region_name="us-east-1")  # reads what the clients of the children need
    prepare_airflow()
    answer("ready")
    ended: list[int] = []
    for line in sys.stdin:
        while ended:  # not before: until now the test may have been about to kill one
            os.waitpid(ended.pop(), 0)
        specs = json.loads(line)
        for spec in specs:
            ensure_run(spec["run_id"])
        made = [fork(spec) for spec in specs]
        ended = [child for child, _ in made]
        answer(json.dumps(ended))
        said = [heard(pipe) for _, pipe in made]
        for child in ended:  # all its files are closed then, and its locks are gone
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        answer(json.dumps(said))


if __name__ == "__main__":
    main()
