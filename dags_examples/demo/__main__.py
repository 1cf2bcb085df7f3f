"""``make demo``: a nightly export, from a vendor API on localhost into a local folder, through Airflow.

Everything it writes is in ``.demo``. What landed is compared with what the sandbox says it served.
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
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_provider_assets.sandbox import Sandbox, running

ROOT = Path(__file__).resolve().parent.parent.parent
WORK = ROOT / ".demo"
DAGS = {
    "scenario": "scenario_nightly_export",
    "topaz": "topaz_collect_outputs",
    "roma": "roma_instance_export",
    "all": "three_vendors_one_bucket",
}
# Topaz lists the last 7 days only, so its export is always yesterday's.
YESTERDAY = (datetime.now(timezone.utc) - timedelta(days=1)).date().isoformat()
DAY = {"scenario": "2026-01-09"}
ASSETS = {"scenario": 2500, "topaz": 120, "roma": 12, "all": 60}
CONNECTIONS = {"scenario": "scenario", "topaz": "topaz", "roma": "huawei_roma"}
# Airflow's log line: time [level] message [logger] ...
PROCESS_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LINE = re.compile(r"\[(?:info|warning|error)\s*\] (.*?)\s*\[airflow[\w.]*airflow_provider_assets")


def main() -> int:
    """Run the demo; 0 if everything landed is what was served."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("vendor", nargs="?", default="scenario", choices=sorted(DAGS))
    vendor = parser.parse_args().vendor
    began = time.monotonic()
    WORK.mkdir(exist_ok=True)
    day, assets = DAY.get(vendor, YESTERDAY), ASSETS[vendor]
    say(f"Starting the sandbox of {vendor} with {assets:,} assets on {day} …")
    flags = ("--vendor", vendor, "--items", "500", "--day", f"{day}={assets}", "--job-seconds", "4")
    with running(*flags) as sandbox:
        say(f"Running the DAG {DAGS[vendor]} through Airflow (deferrable, one day) …")
        landed = run_dag(DAGS[vendor], day, airflow_environment(vendor, sandbox))
        if landed is None:
            return 1
        rows = [row(manifest, sandbox) for manifest in landed]
    print_table(rows)
    for line in [*metadata_lines(landed), *report_lines()]:
        say(line)
    if not rows or not all(entry["verified"] for entry in rows):
        say("What landed is NOT what was served")
        return 1
    new = sum(not entry["skipped"] for entry in rows)
    say(
        f"{len(rows)} landings verified against what was served, {new} of them landed by this run, "
        f"in {time.monotonic() - began:.0f} s"
    )
    return 0


def airflow_environment(vendor: str, sandbox: Sandbox) -> dict[str, str]:
    """An Airflow of its own with SQLite, and the sandbox's connection."""
    vendors = CONNECTIONS if vendor == "all" else {vendor: CONNECTIONS[vendor]}
    connections = {
        f"AIRFLOW_CONN_{conn_type.upper()}_DEFAULT": json.dumps(
            getattr(sandbox, name)["connection"]
        )
        for name, conn_type in vendors.items()
    }
    return {
        **os.environ,
        "AIRFLOW_HOME": str(WORK / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags_examples"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        **connections,
        "EXPORT_TO": f"{(WORK / 'landed').as_uri()}/{vendor}/",
        "NO_COLOR": "1",
    }


def run_dag(
    dag_id: str, day: str, environment: Mapping[str, str]
) -> list[dict[str, object]] | None:
    """Run the DAG in a process of its own, showing our parts' log lines; the manifests it returned."""
    log = WORK / "airflow.log"
    command = [sys.executable, str(Path(__file__).parent / "run_dag.py"), dag_id, day]
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


def row(manifest: dict[str, Any], sandbox: Sandbox) -> dict[str, object]:
    """A line of the table; ``verified`` compares what landed with what the sandbox served."""
    facts = manifest["facts"]
    path = Path(urlsplit(manifest["uri"]).path)
    return {
        "vendor": facts["vendor"],
        "batch": f"{facts['batch']}/{facts['batches']}",
        "job": manifest["job_id"],
        "files": manifest["entries"],
        "bytes": manifest["bytes"],
        "sha256": (manifest["sha256"] or "")[:12],
        "seconds": f"{manifest['seconds']:.1f}",
        "where": path.relative_to(ROOT),
        "skipped": manifest["skipped"],
        "verified": is_as_served(manifest, path, sandbox),
    }


def is_as_served(manifest: dict[str, Any], path: Path, sandbox: Sandbox) -> bool:
    """Whether the bytes in the folder are those that the vendor served."""
    if manifest["facts"]["vendor"] != "topaz":
        served = sandbox.archive(manifest["job_id"])["sha256"]
        return bool(served == hashlib.sha256(path.read_bytes()).hexdigest())
    images = landed_images(manifest, path)
    return all(sandbox.archive(i)["sha256"] == digest for i, digest in images)


def landed_images(manifest: dict[str, Any], path: Path) -> Iterator[tuple[str, str]]:
    """Process id and SHA-256 of each landed image, from the folder or from the zip."""
    listed = json.loads(Path(urlsplit(manifest["manifest_uri"]).path).read_text(encoding="utf-8"))
    names = [entry["name"] for entry in listed["files"]]
    if manifest["layout"] == "archive":
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in names}
    else:
        files = {name: (path / name).read_bytes() for name in names}
    for name, data in files.items():
        yield PROCESS_ID.findall(name)[-1], hashlib.sha256(data).hexdigest()


def metadata_lines(landed: list[dict[str, Any]]) -> list[str]:
    """The place of the metadata of what landed, and three lines of what is in it."""
    uris = [one["metadata_uri"] for one in landed if "metadata_uri" in one]
    paths = [Path(unquote(urlsplit(uri).path)) for uri in uris]
    if not paths:
        return []
    lines = [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    items = [json.loads(line) for line in lines]
    models = Counter(item["model"] for item in items if item["model"]).most_common(3)
    prompts = Counter(item["prompt"] for item in items if item["prompt"]).most_common(1)
    times = sorted(item["created_at"] for item in items if item["created_at"])
    folders = sorted({str(path.parent.parent.relative_to(ROOT)) for path in paths})
    return [
        f"The metadata of {len(items):,} items is in {', '.join(folders)}",
        f"  created  {times[0]} to {times[-1]}",
        f"  models   {', '.join(f'{name} ({count})' for name, count in models)}",
        f"  prompts  {len({item['prompt'] for item in items if item['prompt']})} different"
        + "".join(f", most often {text!r} ({count})" for text, count in prompts),
        "",
    ]


def report_lines() -> list[str]:
    """The place of the report of the run, where the DAG writes one."""
    pages = sorted((WORK / "landed").rglob("reports/*.html"))
    return [f"The report of the run is {page.relative_to(ROOT)}" for page in pages]


def print_table(rows: list[dict[str, object]]) -> None:
    """The rows as a table, widest value first."""
    names = ("vendor", "batch", "job", "files", "bytes", "sha256", "seconds", "where")
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
