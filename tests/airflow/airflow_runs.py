"""Runs DAGs with ``dag.test()`` and tells what became of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from inspect import signature
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.bundles.manager import DagBundlesManager

try:
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
except ImportError:  # below 3.2
    from airflow.models.dagbag import DagBag, sync_bag_to_db
from airflow.models.asset import AssetEvent
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import clear_task_instances
from airflow.sdk import DAG
from airflow.sdk.execution_time import task_runner
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunType
from sqlalchemy import select

from airflow_provider_assets.airflow_compat import AIRFLOW_V_3_3_PLUS, AirflowFailException

BUNDLE = "tests"
_NUMBER = count(1)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@dataclass
class Try:
    """How one try of a task ended in an error."""

    task_id: str
    map_index: int
    number: int
    error: BaseException


@dataclass
class Run:
    """A finished DAG run."""

    dag_run: Any
    tries: list[Try] = field(default_factory=list)

    @property
    def state(self) -> str:
        return str(self.dag_run.state)

    @property
    def states(self) -> dict[str, str]:
        """Task id (with map index where mapped) -> state."""
        return {_name(ti): str(ti.state) for ti in self.instances()}

    def instances(self) -> list[Any]:
        found = self.dag_run.get_task_instances()
        return sorted(found, key=lambda ti: (ti.task_id, ti.map_index))

    def result(self, task_id: str, map_index: int = -1) -> Any:
        for ti in self.instances():
            if ti.task_id == task_id and ti.map_index == map_index:
                return ti.xcom_pull(task_ids=task_id, map_indexes=map_index)
        raise KeyError(task_id)

    def results(self, task_id: str) -> list[Any]:
        """Of every map index."""
        indexes = [ti.map_index for ti in self.instances() if ti.task_id == task_id]
        return [self.result(task_id, index) for index in indexes]

    @property
    def error(self) -> BaseException:
        """The error that ended the run; there is exactly one task that failed by itself."""
        assert self.tries, f"nothing failed: {self.states}"
        return self.tries[-1].error

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """URI and extra of each asset event of this run."""
        with create_session() as session:
            query = select(AssetEvent).where(
                AssetEvent.source_dag_id == self.dag_run.dag_id,
                AssetEvent.source_run_id == self.dag_run.run_id,
            )
            return [(event.asset.uri, dict(event.extra)) for event in session.scalars(query)]


def _name(ti: Any) -> str:
    return ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"


class Airflow:
    """Builds, registers and runs DAGs.

    ``dag.test()`` knows manual runs only; :meth:`run` can also make it a run of another kind.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self._raised: list[BaseException] = []
        execute = task_runner._execute_task

        def noting(*arguments: Any, **named: Any) -> Any:
            try:
                return execute(*arguments, **named)
            except BaseException as error:
                self._raised.append(error)
                raise

        monkeypatch.setattr(task_runner, "_execute_task", noting)

    def dag(self, build: Callable[[], object], **options: Any) -> Any:
        """A DAG of a new name with the tasks that *build* makes, known to the database."""
        tries: list[Try] = []

        def note(context: Mapping[str, Any]) -> None:
            ti = context["ti"]
            # Airflow 3.2 does not tell the exception of a task that gives up.
            error = context["exception"] if "exception" in context else self._raised[-1]
            if isinstance(error, AirflowFailException) and not AIRFLOW_V_3_3_PLUS:
                error = error.__cause__ or error  # below 3.3, only this class ends all tries
            tries.append(Try(ti.task_id, ti.map_index, ti.try_number, error))

        arguments = {
            "on_failure_callback": note,
            "on_retry_callback": note,
            "retries": 0,
            "retry_delay": timedelta(0),
            **options.pop("default_args", {}),
        }
        options = {"start_date": day("2025-12-01"), "catchup": False, **options}
        schedule = options.pop("schedule", "@daily")
        dag = DAG(f"test_{next(_NUMBER)}", schedule=schedule, default_args=arguments, **options)
        with dag:
            build()
        dag.tries = tries
        register(dag)
        return dag

    def run(
        self, dag: Any, logical_date: str | None = "2026-01-07", conf: Any = None, **facts: Any
    ) -> Run:
        """Run *dag*; *facts* are arguments of ``create_dagrun`` (``run_type``, ``partition_key``)."""
        tries = getattr(dag, "tries", [])
        tries.clear()
        with self._patch.context() as patch:
            if facts:
                patch.setattr("airflow.models.dagrun.get_or_create_dagrun", _creator(facts))
            moment = None if logical_date is None else day(logical_date)
            dag_run = dag.test(logical_date=moment, run_conf=conf)
        return Run(dag_run, list(tries))

    def clear(self, dag: Any, run: Run) -> Run:
        """Clear all tasks of a finished run, as a person does, and run them again."""
        with create_session() as session:
            dag_run = session.merge(run.dag_run)
            clear_task_instances(dag_run.get_task_instances(session=session), session)
            dag_run.state = DagRunState.RUNNING
            dag_run.dag = None

        def existing(*, session: Any, **arguments: Any) -> Any:
            query = select(DagRun).where(DagRun.run_id == run.dag_run.run_id)
            found = session.scalars(query).one()
            found.dag = arguments["dag"]
            return found

        with self._patch.context() as patch:
            patch.setattr("airflow.models.dagrun.get_or_create_dagrun", existing)
            dag_run = dag.test(logical_date=None)
        return Run(dag_run, list(dag.tries))

    def __call__(self, build: Callable[[], object], **options: Any) -> Run:
        """Build and run in one go."""
        run = options.pop("run", {})
        return self.run(self.dag(build, **options), **run)


def register(dag: Any) -> None:
    """Make *dag* known, as the DAG processor does with what it finds in a bundle's folder."""
    folder = Path(__file__).parent
    dag.fileloc, dag.relative_fileloc = str(folder / f"{dag.dag_id}.py"), f"{dag.dag_id}.py"
    with create_session() as session:
        DagBundlesManager().sync_bundles_to_db(session=session)
    # Airflow 3.1 knows no name of a bundle here.
    named = (
        {"bundle_name": BUNDLE} if "bundle_name" in signature(DagBag.__init__).parameters else {}
    )
    bag = DagBag(dag_folder=str(folder / "none"), bundle_path=folder, **named)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, BUNDLE, None)


def _creator(facts: Mapping[str, Any]) -> Callable[..., Any]:
    def create(*, dag: Any, **arguments: Any) -> Any:
        given = {"run_type": DagRunType.MANUAL, "state": DagRunState.RUNNING, **arguments, **facts}
        given["run_id"] = f"{given['run_type']}__{next(_NUMBER)}"
        return dag.create_dagrun(**given)

    return create


def connect(monkeypatch: pytest.MonkeyPatch, conn_id: str, connection: object) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
