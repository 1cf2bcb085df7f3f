"""A backfill of years: a million Scenario assets in daily windows, through Airflow's own task runner.

``python benchmarks/backfill.py [--assets 1000000] [--days 1096]`` starts the vendor's sandbox, which makes
that many assets over three years, and runs a daily export for one day after another by ``dag.test()``, over
a SQLite database. The archives are thinned: each file in them is 64 bytes, since the transfer of large ones
is what ``transfer.py`` measures, and jobs end as soon as the sandbox has made the archive. Everything else is
as in production: listing, batches, plans, submits, polls, landings, checks, manifests, metadata. Then the
whole destination is compared with the vendor's listing (``AssetReconcileOperator``).

Each process runs 32 days. Its memory includes Airflow's own: ``dag.test()`` has the API server in the same
process. A process that runs as many days of a DAG without any work shows how much that is.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
END = datetime(2026, 1, 1, tzinfo=timezone.utc)  # the sandbox's history ends here
YEARS = 3
PAGE = 100  # assets per page of the listing at most (GET /assets, pageSize)
CHUNK = 32  # days per process
CONN = "scenario_default"
DAGS = """
import os
from airflow.sdk import DAG, task
from airflow_provider_assets.exports import asset_export
from airflow_provider_assets.operators.reconcile import AssetReconcileOperator

TO, START, END = (os.environ[name] for name in ("EXPORT_TO", "BENCH_FIRST", "BENCH_END"))
with DAG("export", schedule="@daily"):
    asset_export("export", conn_id="scenario_default", destination=TO, poll_interval=0.1)
with DAG("compare", schedule=None):
    AssetReconcileOperator(
        task_id="compare", conn_id="scenario_default", destination=TO, window=(START, END),
        period="month", verify="sizes",
    )
with DAG("nothing", schedule="@daily"):
    @task
    def many():
        return [1]
    @task
    def one(number):
        return number
    one.expand(number=many())
"""


# --- what a process does ---------------------------------------------------------------------


def work(kind: str, first: int, last: int) -> None:
    """Run one part and print what it took."""
    from airflow.dag_processing.dagbag import DagBag

    begun = time.perf_counter()
    dag = DagBag(Path(os.environ["AIRFLOW_HOME"]) / "dags", safe_mode=False).dags[kind]
    rows = [outcome(dag, END - timedelta(days=day)) for day in range(first, last)]
    took = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": rows, "MiB": peak, "seconds": took}))


def outcome(dag: Any, date: datetime) -> Any:
    """The number of files that the run of *date* has landed; of a comparison, its report."""
    run = dag.test(logical_date=date)
    if run.state != "success":
        raise SystemExit(f"the run of {date:%F} ended as {run.state}")
    files = 0
    for ti in run.get_task_instances():
        if ti.task_id == "compare":
            return ti.xcom_pull(task_ids="compare", key="report")
        if ti.task_id == "export.land" and ti.state == "success":
            files += ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index)["entries"]
    return files


# --- what measures it ------------------------------------------------------------------------


def part(kind: str, first: int, last: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--part", kind, str(first), str(last)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def configure(home: Path, connection: object) -> None:
    os.environ.update(
        {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            f"AIRFLOW_CONN_{CONN.upper()}": json.dumps(connection),
            "BENCH_END": END.isoformat(),
            "EXPORT_TO": (home / "landed").as_uri(),
            "PYTHONPATH": str(HERE.parent),
            "NO_COLOR": "1",
        }
    )
    (home / "dags").mkdir()
    (home / "dags" / "backfill.py").write_text(DAGS)
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(command, check=True, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--assets", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=365 * YEARS + 1, help="newest days to export")
    parser.add_argument("--part", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        work(given.part[0], *map(int, given.part[1:]))
        return
    from airflow_provider_assets.sandbox import running

    # An empty page is one more request for any client.
    flags = (
        "--history",
        str(given.assets),
        "--items",
        "0",
        "--item-bytes",
        "64",
        "--empty-pages",
        "0",
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        running("--vendor", "scenario", *flags, "--job-seconds", "0") as sandbox,
    ):
        home = Path(folder)
        first = END - timedelta(days=given.days)
        os.environ["BENCH_FIRST"] = first.isoformat()
        configure(home, sandbox.scenario["connection"])
        idle = part("nothing", 0, min(CHUNK, given.days))
        database = home / "airflow.db"
        empty = database.stat().st_size
        parts, points = [], [(0.0, 0.0)]
        for begun in range(0, given.days, CHUNK):
            parts.append(part("export", begun, min(begun + CHUNK, given.days)))
            items = points[-1][0] + sum(parts[-1]["rows"])
            points.append((items, points[-1][1] + parts[-1]["seconds"]))
            print(f"{items:>9,.0f} items  {points[-1][1]:7.0f} s", file=sys.stderr)
        totals = sandbox.stats()["totals"]
        days = [count for one in parts for count in one["rows"]]
        export_seconds = points[-1][1]
        print_export(points, parts, days, totals, database.stat().st_size - empty)
        print(f"  of a DAG without work       {idle['MiB']:.0f} MiB")
        sandbox.reset_stats()
        compared = part("compare", 0, 1)
        print_comparison(compared, sandbox.stats()["totals"], export_seconds)


def print_export(
    points: list[tuple[float, float]],
    parts: list[dict[str, Any]],
    days: list[int],
    totals: dict[str, int],
    database_bytes: int,
) -> None:
    items, seconds = points[-1]
    least = sum(max(1, -(-count // PAGE)) for count in days)
    fit = statistics.linear_regression(*zip(*points, strict=True))
    third = max(1, len(parts) // 3)
    pace = [sum(p["seconds"] for p in some) / sum(sum(p["rows"]) for p in some)
            for some in (parts[:third], parts[-third:])]  # fmt: skip
    print(f"items exported                {items:,.0f} on {len(days):,} days")
    print(f"wall                          {seconds:,.0f} s, {seconds / len(days):.2f} s per run")
    print(
        f"linear fit                    {fit.slope * 1e3:.2f} s per 1,000 items, "
        f"r = {statistics.correlation(*zip(*points, strict=True)):.4f}; "
        f"last third / first third = {pace[1] / pace[0]:.2f}"
    )
    print(f"requests of the listing       {totals['listings']:,}; any client needs {least:,}")
    print(f"submits                       {totals['submits']:,}")
    print(f"polls, links, downloads       {totals['polls'] + totals['bulk_polls']:,}, "
          f"{totals['links']:,}, {totals['downloads']:,}")  # fmt: skip
    print(f"peak memory of a process      {max(p['MiB'] for p in parts):.0f} MiB")
    print(f"metadata database             {database_bytes / len(days) / 1024:.1f} KiB per run")


def print_comparison(
    compared: dict[str, Any], totals: dict[str, int], export_seconds: float
) -> None:
    (report,) = compared["rows"]
    print(f"comparison                    {report['totals']}")
    print(
        f"                              {compared['seconds']:.0f} s, "
        f"1/{export_seconds / compared['seconds']:.0f} of the export; "
        f"{totals['listings']:,} requests; {compared['MiB']:.0f} MiB"
    )


if __name__ == "__main__":
    main()
