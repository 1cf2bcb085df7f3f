"""A listing of Scenario assets over three years: seconds, requests and memory.

``python benchmarks/listing.py [--assets 1000000] [--delay 0.2] [--way slices]`` starts the vendor's sandbox,
which answers each page of the listing after a delay, and lists everything as one chain of requests
(``chain``) or in slices (``slices``). Then it de-duplicates, splits and plans what it found, as an export
with metadata does. Memory is what the process has at its peak beyond the moment before it lists.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow_provider_assets.hooks import slices
from airflow_provider_assets.hooks.base import AssetArchiveHook
from airflow_provider_assets.listing.batches import list_batches
from airflow_provider_assets.listing.inputs import ExportInputs
from airflow_provider_assets.listing.spool import ListingSpool
from airflow_provider_assets.sandbox import Sandbox, running
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors.connection import VendorConnection

THREE_YEARS = Window(
    datetime(2023, 1, 2, tzinfo=timezone.utc), datetime(2026, 1, 1, tzinfo=timezone.utc)
)


def memory(name: str) -> float:
    """MiB of this process, ``VmRSS`` now or ``VmHWM`` at its peak (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = [one for one in lines if one.startswith(f"{name}:")]
    return int(line.split()[1]) / 1024


def hook_of(sandbox: Sandbox) -> AssetArchiveHook:
    known: Any = sandbox.scenario["connection"]
    hook = AssetArchiveHook("scenario_default")
    hook.connection = VendorConnection(
        conn_id=hook.conn_id,
        conn_type=known["conn_type"],
        login=known["login"],
        password=known["password"],
        extra=known["extra"],
    )
    return hook


def measure(sandbox: Sandbox, folder: str) -> None:
    hook = hook_of(sandbox)
    hook.run(hook.vendor.check())  # imports what is needed
    sandbox.reset_stats()
    before, begun = memory("VmRSS"), time.perf_counter()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak
    with closing(ListingSpool(keeps_records=True)) as spool:
        inputs = ExportInputs(hook.vendor, None, None, {})
        batches, _ = list_batches(hook, inputs, THREE_YEARS, "", spool)
        listed = time.perf_counter()
        kept = hook.plans.keep(batches, spool.of, Path(folder).as_uri())
    planned = time.perf_counter()
    requests: Any = sandbox.stats()["totals"]
    print(f"items     {sum(one.count for one in kept):,} in {len(kept):,} batches")
    print(f"requests  {requests['listings']:,}")
    print(f"listed    {listed - begun:.0f} s")
    print(f"planned   {planned - listed:.0f} s")
    print(f"memory    {memory('VmHWM') - before:.0f} MiB more than before")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=int, default=1_000_000)
    parser.add_argument("--delay", type=float, default=0.2)
    parser.add_argument("--way", choices=("chain", "slices"), default="slices")
    given = parser.parse_args()
    if given.way == "chain":
        slices.SHORT = THREE_YEARS.end - THREE_YEARS.start
    flags = ("--items", "0", "--history", str(given.assets), "--empty-pages", "0")
    with (
        tempfile.TemporaryDirectory() as folder,
        running("--vendor", "scenario", *flags) as sandbox,
    ):
        if given.delay:
            sandbox.fault(f"list:delay={given.delay}")
        measure(sandbox, folder)


if __name__ == "__main__":
    main()
