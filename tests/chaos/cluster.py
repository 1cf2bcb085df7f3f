"""A real Airflow of several machines on this one: PostgreSQL, Redis, two Celery workers, two triggerers."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from standalone import Standalone, environment, free_port, guarded, title, wait_until

PARTS = ("api-server", "scheduler", "dag-processor")
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
OF_POSTGRES = {
    "fsync": "off",  # a test need not survive a power cut
    "listen_addresses": "127.0.0.1",
    "max_connections": "300",
}


def missing() -> str:
    """The part of a cluster that is not installed; empty if all are."""
    if shutil.which("redis-server") is None:
        return "redis-server"
    return "" if POSTGRES else "PostgreSQL"


@dataclass
class Cluster(Standalone):
    """The running cluster. A worker and a triggerer are named by a number from 1."""

    def start_worker(self, number: int) -> None:
        """A Celery worker that runs four tasks at a time."""
        command = (
            f"celery worker --celery-hostname worker{number} --concurrency 4 --skip-serve-logs"
        )
        self.roots.append(guarded(command, self.env, self.home, f"worker{number}"))

    def add_triggerer(self, number: int) -> None:
        env = {**self.env, "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port())}
        self.roots.append(guarded("triggerer", env, self.home, f"triggerer{number}"))

    def kill(self, word: str) -> int:
        """``kill -9`` of every process whose command line has *word*, with its children; their number."""
        heads = [one for one in self.processes() if word in title(one)]
        doomed = set(heads)
        for one in heads:
            with contextlib.suppress(psutil.Error):
                doomed.update(one.children(recursive=True))
        for process in doomed:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return len(doomed)


@contextlib.contextmanager
def _postgres(home: Path) -> Iterator[str]:
    """A database server of its own; yields the host, port and name of the database."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        yield from _serve(Path(folder), home)


def _serve(folder: Path, home: Path) -> Iterator[str]:
    port, programs, user = free_port(), POSTGRES[-1], []
    if os.getuid() == 0:  # which PostgreSQL refuses to run as
        shutil.chown(folder, "postgres")
        user = ["setpriv", "--reuid", "postgres", "--clear-groups"]
    data = folder / "data"
    subprocess.run(
        [*user, programs / "initdb", "-D", data, "-U", "airflow", "-A", "trust"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    options = [word for name, value in OF_POSTGRES.items() for word in ("-c", f"{name}={value}")]
    with (home / "postgres.log").open("wb") as log:
        server = subprocess.Popen(
            [*user, programs / "postgres", "-D", data, "-p", str(port), "-k", folder, *options],
            stdout=log,
            stderr=log,
        )
    try:
        create = [programs / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "airflow"]
        wait_until(
            lambda: (
                subprocess.run([*create, "airflow"], capture_output=True, check=False).returncode
                == 0
            ),
            "PostgreSQL answers",
            30,
        )
        yield f"127.0.0.1:{port}/airflow"
    finally:
        server.kill()
        server.wait()


@contextlib.contextmanager
def _redis(folder: Path) -> Iterator[str]:
    port = free_port()
    with (folder / "redis.log").open("wb") as log:
        server = subprocess.Popen(
            ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()


@contextlib.contextmanager
def cluster(home: Path, dag_ids: set[str], **env_of_dags: str) -> Iterator[Cluster]:
    """A running cluster that knows *dag_ids*; it ends with the block, or with this process."""
    port = free_port()
    with _postgres(home) as database, _redis(home) as broker:
        env = {
            **environment(home, port),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://airflow@{database}",
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+postgresql+psycopg2://airflow@{database}",
            "AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
            # The processes share no configuration file.
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
            "AIRFLOW__API_AUTH__JWT_SECRET": os.urandom(32).hex(),
            "AIRFLOW__API__SECRET_KEY": os.urandom(32).hex(),
            **env_of_dags,
        }
        airflow = Cluster(home, env, f"http://127.0.0.1:{port}", [])
        try:
            airflow.command("db", "migrate")
            for part in PARTS:
                airflow.roots.append(guarded(part, env, home, part))
            for number in (1, 2):
                airflow.start_worker(number)
                airflow.add_triggerer(number)
            wait_until(airflow.log_in, f"Airflow answers; see {home}/api-server.log", 180)
            wait_until(lambda: airflow.is_ready(dag_ids), f"DAGs and triggerer of {home}", 120)
            yield airflow
        finally:
            airflow.stop()
