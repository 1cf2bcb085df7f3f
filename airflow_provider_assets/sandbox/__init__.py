"""The APIs of Scenario, Topaz Labs and Huawei ROMA Connect on localhost.

``python -m airflow_provider_assets.sandbox --help`` lists what it can be told; it prints one line
of JSON when it is ready. `running` does the same from a test::

    with running("--vendor", "scenario", "--day", "2026-01-09=2500") as sandbox:
        sandbox.fault("submit:429:1,retry_after=1")
        ...
        assert sandbox.stats()["totals"]["accepted"] == 3

Faults and their grammar are described in `faults`, the counters in `stats`. This package imports
nothing of the provider, so that what it says about the provider is worth something.
"""

from __future__ import annotations

from .client import Sandbox, running

__all__ = ["Sandbox", "running"]
