"""A real triggerer over a database of its own, with deferred tasks put into it for ``waits.py``."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path

HERE = Path(__file__).parent
_RUN = count(1)


def configure(home: Path) -> None:
    """Set Airflow up in *home*; to be called before anything imports it."""
    (home / "dags").mkdir()
    os.environ.update(
        {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__TRIGGERER__CAPACITY": "20000",
            # The default takes 50 a second, and the measurement would begin minutes later.
            "AIRFLOW__TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP": "1000",
            "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)]),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "NO_COLOR": "1",
        }
    )


class Deferred:
    """A DAG run whose mapped task is deferred as often as wanted."""

    def __init__(self) -> None:
        from airflow.utils.db import initdb

        initdb()

    def connect(self, conn_id: str, connection: Mapping[str, object]) -> None:
        from airflow.models import Connection
        from airflow.utils.session import create_session

        facts = {**connection, "extra": json.dumps(connection["extra"])}
        with create_session() as session:
            session.query(Connection).filter(Connection.conn_id == conn_id).delete()
            session.add(Connection(conn_id=conn_id, **facts))

    def start(self) -> None:
        """Begin a new DAG run; those before have no deferred task any more."""
        from airflow.models import Trigger
        from airflow.models.taskinstance import TaskInstance
        from airflow.sdk import DAG
        from airflow.sdk.bases.operator import BaseOperator
        from airflow.utils.session import create_session
        from sqlalchemy import delete, update

        with create_session() as session:
            session.execute(update(TaskInstance).values(state="success", trigger_id=None))
            session.execute(delete(Trigger))
        with DAG(f"waits_{next(_RUN)}", schedule=None) as dag:
            self._task = BaseOperator(task_id="wait")
        self._run_id, self._version = _register(dag)
        self._indexes = count()

    def add(self, triggers: Iterable[tuple[str, Mapping[str, object]]]) -> None:
        """Defer one more task to each trigger, given as class path and arguments."""
        from airflow.models import Trigger
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session

        with create_session() as session:
            rows = [Trigger(path, dict(arguments)) for path, arguments in triggers]
            session.add_all(rows)
            session.flush()
            for row in rows:
                ti = TaskInstance(
                    self._task, self._version, self._run_id, "deferred", next(self._indexes)
                )
                ti.trigger_id, ti.next_method = row.id, "execute_complete"
                ti.trigger_timeout = datetime.now(timezone.utc) + timedelta(hours=1)
                session.add(ti)


def _register(dag: object) -> tuple[str, object]:
    """Make *dag* known with one run of it; the run's id and the version's."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    from airflow.models.dag_version import DagVersion
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    dag.fileloc = dag.relative_fileloc = str(HERE / "waits.py")
    with create_session() as session:
        DagBundlesManager().sync_bundles_to_db(session=session)
    bag = DagBag(dag_folder=str(HERE / "none"), bundle_path=HERE, bundle_name="dags-folder")
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    now = datetime.now(timezone.utc)
    with create_session() as session:
        stored = SerializedDagModel.get_dag(dag.dag_id, session=session)
        run = stored.create_dagrun(
            run_id="waits", run_type=DagRunType.MANUAL, state=DagRunState.RUNNING, run_after=now,
            triggered_by=DagRunTriggeredByType.TEST, session=session,
        )  # fmt: skip
        for ti in run.get_task_instances(session=session):
            session.delete(ti)
        return run.run_id, DagVersion.get_latest_version(dag.dag_id, session=session).id


@contextlib.contextmanager
def triggerer(log: Path) -> Iterator[None]:
    """``airflow triggerer``, until the block ends."""
    command = [sys.executable, "-m", "airflow", "triggerer", "--skip-serve-logs"]
    env = {**os.environ, "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO"}
    with (
        log.open("ab") as out,
        subprocess.Popen(command, env=env, stdout=out, stderr=out) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_until(true: Iterable[bool], what: str, *, seconds: float) -> None:
    """Until the next of *true* says so."""
    until = time.monotonic() + seconds
    for so in true:
        if so:
            return
        if time.monotonic() > until:
            raise TimeoutError(what)
        time.sleep(0.2)
