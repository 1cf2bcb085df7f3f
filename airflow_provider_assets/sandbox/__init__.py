"""The APIs of Scenario, Topaz Labs and Huawei ROMA Connect on localhost.

``python -m airflow_provider_assets.sandbox --help`` lists the options; it prints one line of JSON
when it is ready. ``running`` does the same from a test::

    with running("--vendor", "scenario", "--day", "2026-01-09=2500") as sandbox:
        sandbox.fault("submit:429:1,retry_after=1")
        ...
        assert sandbox.stats()["totals"]["accepted"] == 3

``pytest_plugin`` has fixtures of the same for tests of DAGs.

The module ``faults`` describes the faults and their grammar, ``stats`` the counters, ``admin`` the
routes for tests. Each vendor is a package of the same parts: ``api`` (the table of routes and what
the admin routes ask for), ``access`` (who is let in), ``handlers`` (a method per endpoint),
``state`` (what the vendor knows and how it changes) and ``views`` (the JSON).

This package imports nothing of the provider, so that a test against it is independent evidence.
"""

from __future__ import annotations

from airflow_provider_assets.sandbox.client import Sandbox, running

__all__ = ["Sandbox", "running"]
