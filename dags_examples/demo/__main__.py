"""``make demo``: a nightly export, from a vendor API on localhost into a local folder, through Airflow.

Everything it writes stands in ``.demo``. What landed is compared with what the sandbox says it served.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from airflow_provider_assets.sandbox import running

ROOT = Path(__file__).resolve().parent.parent.parent
WORK = ROOT / ".demo"
DAY = "2026-01-09"
DAGS = {"scenario": "scenario_nightly_export"}
# Airflow's log line: time [level] message [logger] ...
LINE = re.compile(r"\[(?:info|warning|error)\s*\] (.*?)\s*\[airflow[\w.]*airflow_provider_assets")


def main() -> int:
    """Run the demo; 0 if everything landed is what was served."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("vendor", nargs="?", default="scenario", choices=sorted(DAGS))
    vendor = parser.parse_args().vendor
    began = time.monotonic()
    WORK.mkdir(exist_ok=True)
    say(f"Starting the {vendor} sandbox with 2,500 assets on {DAY} …")
    flags = ("--vendor", vendor, "--items", "500", "--day", f"{DAY}=2500", "--job-seconds", "4")
    with running(*flags) as sandbox:
        environment = airflow_environment(vendor, sandbox)
        say(f"Running the DAG {DAGS[vendor]} through Airflow (deferrable, one day) …")
        landed = run_dag(DAGS[vendor], environment)
        if landed is None:
            return 1
        rows = list(verified(landed, sandbox))
    print_table(rows)
    fine = bool(rows) and all(row["verified"] for row in rows)
    new = sum(not row["skipped"] for row in rows)
    say(f"{len(rows)} archives verified against what was served, {new} of them landed by this run, "
        f"in {time.monotonic() - began:.0f} s" if fine else "What landed is NOT what was served")  # fmt: skip
    return 0 if fine else 1


def airflow_environment(vendor: str, sandbox: object) -> dict[str, str]:
    """An Airflow of its own with SQLite, and the sandbox's connection."""
    connection = getattr(sandbox, vendor)["connection"]
    return {
        **os.environ,
        "AIRFLOW_HOME": str(WORK / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags_examples"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        f"AIRFLOW_CONN_{vendor.upper()}_DEFAULT": json.dumps(connection),
        "EXPORT_TO": f"{(WORK / 'landed').as_uri()}/{vendor}/",
        "NO_COLOR": "1",
    }


def run_dag(dag_id: str, environment: Mapping[str, str]) -> list[dict[str, object]] | None:
    """Run the DAG in a process of its own, showing our parts' log lines; the manifests it returned."""
    log = WORK / "airflow.log"
    command = [sys.executable, str(Path(__file__).parent / "run_dag.py"), dag_id, DAY]
    landed: list[dict[str, object]] | None = None
    with (
        log.open("w", encoding="utf-8") as copy,
        subprocess.Popen(  # noqa: S603  # our own script
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        for line in process.stdout or ():
            copy.write(line)
            if line.startswith("RESULT "):
                landed = json.loads(line.removeprefix("RESULT "))
            elif match := LINE.search(line):
                say(f"  {match.group(1)}")
    if process.returncode:
        say(f"The DAG run failed; the whole log is in {log}")
        say("\n".join(log.read_text(encoding="utf-8").splitlines()[-30:]))
        return None
    return landed


def verified(landed: list[dict[str, object]], sandbox: object) -> Iterator[dict[str, object]]:
    """A row of the table for each landing; ``verified`` compares the file with the sandbox's word."""
    for manifest in landed:
        facts = manifest["facts"]
        served = sandbox.archive(manifest["job_id"])
        path = Path(urlsplit(str(manifest["uri"])).path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        yield {
            "batch": f"{facts['batch']}/{facts['batches']}",
            "job": manifest["job_id"],
            "files": manifest["entries"],
            "bytes": manifest["bytes"],
            "sha256": digest[:12],
            "seconds": f"{manifest['seconds']:.1f}",
            "where": path.relative_to(ROOT),
            "skipped": manifest["skipped"],
            "verified": served["sha256"] == digest
            and len(served["entries"]) == manifest["entries"],
        }


def print_table(rows: list[dict[str, object]]) -> None:
    """The rows as a table, widest value first."""
    names = ("batch", "job", "files", "bytes", "sha256", "seconds", "where")
    lines = [names, *(tuple(str(row[name]) for name in names) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    say("")
    for line in lines:
        say("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    say("")


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)  # noqa: T201  # a program for a terminal


if __name__ == "__main__":
    sys.exit(main())
