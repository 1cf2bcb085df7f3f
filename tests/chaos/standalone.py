"""A real ``airflow standalone`` of its own: SQLite, LocalExecutor, free ports; and ways to hurt it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

DAGS = Path(__file__).parent / "dags"
TICK = 0.5
# Ends the whole group when the test's end of the pipe closes, however the test ended.
GUARD = '"$@" </dev/null & trap "" TERM; cat >/dev/null; kill -TERM 0; sleep 3; kill -KILL 0'
# What Airflow waits for before it believes in a death, shortened from minutes to seconds.
IMPATIENCE = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "4",
    "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "8",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
}


def wait_until(holds: Callable[[], Any], what: str, seconds: float = 120.0) -> Any:
    """What *holds* gives as soon as it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(TICK)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


class LockedError(AssertionError):
    """SQLite could not be written to."""


@dataclass
class Standalone:
    """The running Airflow, its REST API and its processes.

    :param roots: one guard for ``airflow standalone``, one more for each triggerer started later.
    """

    home: Path
    env: dict[str, str]
    url: str
    roots: list[subprocess.Popen[bytes]]
    _token: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _writing: threading.Lock = field(default_factory=threading.Lock)
    _seen: dict[tuple[str, str, int], dict[str, Any]] = field(default_factory=dict)
    _seen_at: float = 0.0

    def log_in(self) -> bool:
        """Whether the API gave a token; everybody is an administrator here."""
        try:
            with urllib.request.urlopen(f"{self.url}/auth/token", timeout=10) as reply:
                self._token = json.loads(reply.read())["access_token"]
        except OSError:
            return False
        return True

    def is_ready(self, dag_ids: set[str]) -> bool:
        """Whether the DAGs are known and scheduler and triggerer are alive."""
        known = {dag["dag_id"] for dag in self.ask("GET", "/dags")["dags"]}
        health = self.ask("GET", "/monitor/health")
        parts = ("scheduler", "triggerer")
        return dag_ids <= known and all(health[part]["status"] == "healthy" for part in parts)

    # --- REST --------------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """One call of the public API; a write that met a locked database is repeated."""
        for _ in range(9):
            with contextlib.suppress(LockedError):
                return self._ask(method, path, body)
        return self._ask(method, path, body)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(
            f"{self.url}/api/v2{path}", data=data, method=method, headers=headers
        )
        turn = contextlib.nullcontext() if method == "GET" else self._writing
        try:
            with turn, urllib.request.urlopen(request, timeout=60) as reply:
                return json.loads(reply.read() or "null")
        except urllib.error.HTTPError as error:
            kind = LockedError if error.code == 500 else AssertionError
            raise kind(f"{method} {path}: {error.code} {error.read()[:500]!r}") from None

    def connect(self, conn_id: str, connection: Mapping[str, Any]) -> None:
        """Make a connection known."""
        extra = json.dumps(connection.get("extra", {}))
        body = {"connection_id": conn_id, **connection, "extra": extra}
        self.ask("POST", "/connections", body)

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        """Start a run."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        self.ask("POST", f"/dags/{dag_id}/dagRuns", body)

    def run_state(self, dag_id: str, run_id: str) -> str:
        return self.ask("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"]

    def clear(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Clear a task and what follows it, as a person does."""
        body = {
            "dry_run": False, "dag_run_id": run_id, "task_ids": [task_id],
            "only_failed": False, "include_downstream": True,
        }  # fmt: skip
        self.ask("POST", f"/dags/{dag_id}/clearTaskInstances", body)

    def mark_failed(self, dag_id: str, run_id: str, task_id: str) -> None:
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        self.ask("PATCH", path, {"new_state": "failed"})

    def command(self, *words: str) -> str:
        """What ``airflow`` prints for *words*.

        Every other process is stopped meanwhile: SQLite ends a transaction that has read what another
        process has written since, however long it may wait.

        :raises LockedError: if it met a locked database: a process was stopped while it wrote.
        """
        with self._stopped():
            done = subprocess.run(
                [sys.executable, "-m", "airflow", *words],
                env=self.env,
                check=False,
                capture_output=True,
                text=True,
                timeout=180,
            )
        if done.returncode:
            kind = LockedError if "database is locked" in done.stderr else AssertionError
            raise kind(f"airflow {' '.join(words)}: {done.stderr[-2000:]}")
        return done.stdout

    def task(self, run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """A task instance as it was less than a second ago; empty while it does not exist."""
        with self._lock:
            if time.monotonic() - self._seen_at > 2 * TICK:
                query = "order_by=-run_after&limit=400"
                found = self.ask("GET", f"/dags/~/dagRuns/~/taskInstances?{query}")
                self._seen = {
                    (one["dag_run_id"], one["task_id"], one["map_index"]): one
                    for one in found["task_instances"]
                }
                self._seen_at = time.monotonic()
        return self._seen.get((run_id, task_id, map_index), {})

    def result(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Any:
        """What a task instance returned; None if it returned nothing."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        try:
            return self.ask("GET", f"{path}?map_index={map_index}&deserialize=true")["value"]
        except AssertionError:
            return None

    def log(self, dag_id: str, run_id: str, task_id: str, number: int) -> str:
        """The log of a try."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{number}"
        found = self.ask("GET", f"{path}?full_content=true")["content"]
        return "\n".join(str(line.get("event", line)) for line in found)

    # --- processes ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def _stopped(self) -> Iterator[None]:
        stopped = list(self.processes())
        for process in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        try:
            yield
        finally:
            for process in stopped:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    def processes(self) -> Iterator[psutil.Process]:
        """Every process of this Airflow."""
        for root in self.roots:
            with contextlib.suppress(psutil.Error):
                yield from psutil.Process(root.pid).children(recursive=True)

    def task_process(self, run_id: str, task_id: str, map_index: int = -1) -> psutil.Process | None:
        """The process that runs a task instance now; its parent is the worker that supervises it."""
        ti = self.task(run_id, task_id, map_index)
        with contextlib.suppress(psutil.Error):
            if ti.get("pid"):
                process = psutil.Process(ti["pid"])
                return process if title(process) == f"airflow worker -- {ti['id']}" else None
        return None

    def kill_task(self, run_id: str, task_id: str, map_index: int = -1) -> None:
        """``kill -9`` of the process that runs a task instance."""
        wait_until(
            lambda: self.task_process(run_id, task_id, map_index), f"{run_id} {task_id} runs"
        ).kill()

    def kill_worker(self, run_id: str, task_id: str, map_index: int = -1) -> None:
        """``kill -9`` of a task instance and of its supervisor, as when a machine goes down."""
        task = wait_until(
            lambda: self.task_process(run_id, task_id, map_index), f"{run_id} {task_id} runs"
        )
        worker = task.parent()
        assert "LocalExecutor" in title(worker), title(worker)
        worker.kill()
        task.kill()

    def stop_triggerer(self, signum: int) -> None:
        """End the triggerer and the process that runs its triggers, and wait for it."""
        first = [p for p in self.processes() if title(p).split()[-1:] == ["triggerer"]]
        both = [*first, *(child for p in first for child in p.children(recursive=True))]
        assert both, "there is no triggerer"
        for process in both if signum == signal.SIGKILL else first:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signum)
        wait_until(lambda: not any(map(_alive, both)), "the triggerer ends", 30)

    def start_triggerer(self) -> None:
        """Another triggerer, as after a deployment."""
        self.roots.append(guarded("triggerer", self.env, self.home, "triggerer"))

    def stop(self) -> None:
        """End every process."""
        processes = list(self.processes())
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for root in self.roots:
            assert root.stdin
            root.stdin.close()
            root.wait(20)


def _alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE  # standalone does not reap its parts
    return False


def title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()).strip()
    except psutil.Error:
        return ""


def guarded(command: str, env: Mapping[str, str], home: Path, name: str) -> subprocess.Popen[bytes]:
    """``airflow`` *command* in the background, with a log that is called *name*."""
    words = ["sh", "-c", GUARD, "sh", sys.executable, "-m", "airflow", *command.split()]
    with (home / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            words,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def environment(home: Path, port: int) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return {
        **clean,
        **IMPATIENCE,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__PARALLELISM": "16",
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "2",
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "64",
        "AIRFLOW__CORE__MAX_ACTIVE_RUNS_PER_DAG": "64",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__MAXIMUM_PAGE_LIMIT": "1000",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "NO_COLOR": "1",
    }


@contextlib.contextmanager
def standalone(home: Path, dag_ids: set[str], **env_of_dags: str) -> Iterator[Standalone]:
    """A running Airflow that knows *dag_ids*; it ends with the block, or with this process."""
    port = free_port()
    env = {**environment(home, port), **env_of_dags}
    url = f"http://127.0.0.1:{port}"
    with contextlib.closing(sqlite3.connect(home / "airflow.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")  # stays with the file
    (home / "config").mkdir()
    shutil.copy(
        Path(__file__).with_name("local_settings.py"), home / "config/airflow_local_settings.py"
    )
    airflow = Standalone(home, env, url, [guarded("standalone", env, home, "standalone")])
    try:
        wait_until(airflow.log_in, f"Airflow answers; see {home}/standalone.log", 180)
        wait_until(lambda: airflow.is_ready(dag_ids), f"DAGs and triggerer of {home}", 120)
        yield airflow
    finally:
        airflow.stop()
