"""The client of ``landing_forks``: starts landings in other processes, and kills them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Forks:
    """The running program."""

    process: subprocess.Popen[str]

    def run(self, *landings: dict[str, Any], kill_after: float | None = None) -> list[str]:
        """What *landings*, which run at the same time, said in the end.

        :param kill_after: seconds after which all are killed.
        """
        children = self._ask(landings)
        if kill_after is not None:
            time.sleep(kill_after)
            for child in children:
                os.kill(child, signal.SIGKILL)
        return self._answer()

    def _ask(self, landings: Sequence[dict[str, Any]]) -> list[int]:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(landings) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())


@contextmanager
def forks(home: Path) -> Iterator[Forks]:
    """The program with an Airflow of its own in *home*."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    env = {
        **clean,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
    }
    command = [sys.executable, str(Path(__file__).with_name("landing_forks.py"))]
    with (
        (home / "forks.log").open("wb") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=env
        ) as process,
    ):
        assert process.stdout.readline() == "ready\n", (home / "forks.log").read_text()
        yield Forks(process)
        process.stdin.close()
