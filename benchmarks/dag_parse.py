"""What a DAG file pays for naming our operator, sensor and transfer: milliseconds and modules.

Each of nine runs (``--runs``) is a fresh interpreter that imports ``airflow.sdk`` as every DAG file does
and then our parts, so that both are measured under the same load. The medians are printed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys

CODE = """
import json, sys, time
start = time.perf_counter()
from airflow.sdk import DAG, BaseHook, BaseOperator, BaseSensorOperator, conf
middle, before = time.perf_counter(), len(sys.modules)
import airflow_provider_assets.exports
import airflow_provider_assets.sensors.archive
end = time.perf_counter()
print(json.dumps([1e3 * (middle - start), before, 1e3 * (end - middle), len(sys.modules) - before]))
"""


def run() -> list[float]:
    """Milliseconds and modules of airflow.sdk, then what ours add."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    run()  # writes the bytecode
    sdk_ms, sdk_modules, ms, modules = zip(*(run() for _ in range(runs)), strict=True)
    print(f"{'':34}{'ms':>8}{'modules':>10}")
    print(f"{'airflow.sdk':34}{statistics.median(sdk_ms):8.0f}{sdk_modules[0]:10.0f}")
    print(f"{'+ operator, sensor, transfer':34}{statistics.median(ms):8.1f}{modules[0]:10.0f}")
    print(f"median of {runs} fresh interpreters; ours between {min(ms):.1f} and {max(ms):.1f} ms")


if __name__ == "__main__":
    main()
