"""A thousand deferred waits in one real triggerer: ours beside the usual ways to write a trigger.

``python benchmarks/waits.py --jobs 1000`` starts the vendor's sandbox and ``airflow triggerer`` over a
SQLite database anew for each row, defers as many tasks, watches one window in which nothing ends, then
lets the jobs end one after another and notes when each end is noticed. The figures are those of the
process that runs the triggers, taken by a trigger of its own on the same event loop.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from waits_airflow import Deferred, configure, triggerer, wait_until

from airflow_provider_assets.sandbox import running
from airflow_provider_assets.sandbox.client import Sandbox
from airflow_provider_assets.sansio.jobs import ArchiveJob

WAYS = {
    "nothing": "Nothing",
    "ours": "Ours",
    "session a poll": "SessionEachPoll",
    "shared session": "SharedSession",
    "sync_to_async": "SyncToAsync",
}
HEAD = (
    "vendor", "way", "jobs", "all wait after s", "requests an interval", "polls made/due", "CPU %",
    "lag p50/p99/max ms", "lag while ending", "RSS MiB", "noticed", "late p50/p99/max s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured; durations in seconds."""

    vendor: str
    way: str
    jobs: int
    interval: float
    steady: float
    ending: float


@dataclass(frozen=True, slots=True)
class Marks:
    """When each part of a run began, epoch seconds, and how many requests the steady one saw."""

    baseline: float
    begun: float
    steady: float
    ending: float
    requests: int
    ended: Mapping[str, float]


def measure(plan: Plan, deferred: Deferred, folder: Path) -> tuple[str, ...]:
    """One row of the table."""
    flags = ["--vendor", plan.vendor, "--items", "0", "--job-seconds", "86400"]
    if plan.vendor == "scenario":
        flags += ["--day", "2026-01-09=1"]
    folder.mkdir()
    deferred.start()
    deferred.add([("waits_triggers.Probe", {"folder": str(folder)})])
    with running(*flags) as sandbox, triggerer(folder / "triggerer.log"):
        deferred.connect("waits", getattr(sandbox, plan.vendor)["connection"])
        wait_until((now(folder) is not None for _ in forever()), "the probe", seconds=120)
        time.sleep(2)
        marks = run(plan, deferred, sandbox, folder)
        (folder / "stop").touch()
        report = folder / "report.json"
        wait_until((report.exists() for _ in forever()), "the report", seconds=60)
        return row(plan, marks, json.loads(report.read_text()))


def run(plan: Plan, deferred: Deferred, sandbox: Sandbox, folder: Path) -> Marks:
    """Defer, watch, let end."""
    jobs = submit(plan, sandbox)
    baseline = time.time()
    deferred.add([arguments(plan, job) for job in jobs])
    wait_until(
        (now(folder)["started"] >= plan.jobs for _ in forever()),
        "all triggers run",
        seconds=60 + plan.jobs / 5,
    )
    time.sleep(2 * plan.interval)
    sandbox.reset_stats()
    begun, steady = time.time() - 2 * plan.interval, time.time()
    time.sleep(plan.steady)
    requests, ending = sandbox.stats()["totals"]["requests"], time.time()
    ended: dict[str, float] = {}
    if plan.way != "nothing":
        for job in random.sample(jobs, len(jobs)):
            sandbox.job(job["job_id"], "finish")
            ended[job["job_id"]] = time.time()
            time.sleep(max(0.0, ending + plan.ending * len(ended) / len(jobs) - time.time()))
        last = time.time() + 5 * plan.interval
        wait_until(
            (now(folder)["noticed"] == len(jobs) or time.time() > last for _ in forever()),
            "the ends",
            seconds=600,
        )
    return Marks(baseline, begun, steady, ending, requests, ended)


def submit(plan: Plan, sandbox: Sandbox) -> list[dict[str, object]]:
    """That many jobs at the vendor, as the trigger takes them."""
    import aiohttp

    part = getattr(sandbox, plan.vendor)
    connection, base = part["connection"], part["base_url"]

    async def scenario(session: aiohttp.ClientSession) -> str:
        body = {
            "query": {"assetIds": [asset], "inferenceIds": [], "modelIds": []},
            "options": {"fileNameTemplate": "<id>"},
        }
        pair = f"{connection['login']}:{connection['password']}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        project = {"projectId": connection["extra"]["project_id"]}
        url = f"{base}/assets/download"
        async with session.post(url, json=body, headers=headers, params=project) as got:
            return (await got.json())["jobId"]

    async def topaz(session: aiohttp.ClientSession) -> str:
        key = {"X-API-Key": connection["password"]}
        body = {"source_url": "https://x.test/kite.png"}
        async with session.post(f"{base}/enhance/async", data=body, headers=key) as got:
            return (await got.json())["process_id"]

    async def main() -> list[str]:
        one = scenario if plan.vendor == "scenario" else topaz
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=8)) as session:
            return list(await asyncio.gather(*(one(session) for _ in range(plan.jobs))))

    asset = sandbox.items("scenario")[0]["id"] if plan.vendor == "scenario" else ""
    submitted = time.time()
    ids = asyncio.run(main())
    return [ArchiveJob(plan.vendor, i, submitted_at=submitted).to_dict() for i in ids]


def arguments(plan: Plan, job: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """Class path and arguments of one trigger."""
    path = f"waits_triggers.{WAYS[plan.way]}"
    if plan.way != "ours":
        return path, {"job_id": job["job_id"], "interval": plan.interval}
    return path, {
        "conn_id": "waits",
        "jobs": [job],
        "deadline": time.time() + 3600,
        "poll_interval": plan.interval,
    }


def row(plan: Plan, marks: Marks, report: Mapping[str, object]) -> tuple[str, ...]:
    """The figures as text."""
    steady = [lag for at, lag in report["lag"] if marks.steady <= at < marks.ending]
    ending = [lag for at, lag in report["lag"] if at >= marks.ending]
    usage = report["usage"]
    within = [(at, cpu) for at, cpu, _ in usage if marks.steady <= at < marks.ending]
    (first, cpu_first), (last, cpu_last) = within[0], within[-1]
    base = [rss for at, _, rss in usage if at < marks.baseline][-1]
    most = max(rss for _, _, rss in usage)
    window = marks.ending - marks.steady
    late = [report["noticed"][i] - at for i, at in marks.ended.items() if i in report["noticed"]]
    asks = plan.way not in ("nothing", "ours")
    return (
        plan.vendor,
        plan.way,
        str(plan.jobs),
        f"{marks.begun - marks.baseline:.0f}",
        f"{marks.requests * plan.interval / window:.0f}",
        f"{marks.requests / (plan.jobs * window / plan.interval):.0%}" if asks else "-",
        f"{100 * (cpu_last - cpu_first) / (last - first):.1f}",
        spread(steady, 1000),
        spread(ending, 1000) if late else "-",
        f"{base:.0f} + {most - base:.0f}",
        f"{len(late)}/{len(marks.ended)}",
        spread(late, 1) if late else "-",
    )


def spread(values: Sequence[float], scale: float) -> str:
    """Median, 99th percentile and maximum."""
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return "/".join(f"{scale * value:.1f}" for value in (cuts[49], cuts[98], max(values)))


def now(folder: Path) -> dict[str, int] | None:
    """What the probe tells."""
    path = folder / "now.json"
    return json.loads(path.read_text()) if path.exists() else None


def forever() -> Iterator[None]:
    while True:
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between polls")
    parser.add_argument("--steady", type=float, default=30.0, help="seconds in which nothing ends")
    parser.add_argument("--ending", type=float, default=20.0, help="seconds in which all jobs end")
    parser.add_argument("--vendors", nargs="+", default=["scenario", "topaz"])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="waits-") as home:
        configure(Path(home))
        deferred = Deferred()
        print(f"{time.strftime('%F %T')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        print(" | ".join(("", *HEAD, "")).strip())
        print("|---" * len(HEAD) + "|")
        for number, (vendor, way) in enumerate((v, w) for v in given.vendors for w in given.ways):
            plan = Plan(vendor, way, given.jobs, given.interval, given.steady, given.ending)
            cells = measure(plan, deferred, Path(home) / f"row{number}")
            print(" | ".join(("", *cells, "")).strip(), flush=True)


if __name__ == "__main__":
    main()
