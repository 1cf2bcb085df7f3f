"""Airflow's StatsD metrics, switched on, and a socket that receives them."""

from __future__ import annotations

import contextlib
import os
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from airflow_provider_assets.airflow_compat import AIRFLOW_V_3_3_PLUS, VERSION, active_stats

if VERSION < (3, 2):
    from airflow.metrics.statsd_logger import SafeStatsdLogger
    from airflow.metrics.validators import PatternAllowListValidator
else:
    import airflow.sdk.serde  # noqa: F401  # below 3.3, its import switches metrics off
    from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger
    from airflow.sdk._shared.observability.metrics.statsd_logger import get_statsd_logger


@dataclass
class Client:
    """What Airflow uses of ``statsd.StatsClient``, which is an extra of Airflow."""

    host: str
    port: int
    prefix: str
    ipv6: bool = False

    def incr(self, stat: str, count: int, rate: float) -> None:
        self._send(f"{self.prefix}.{stat}:{count}|c")

    def timing(self, stat: str, lasted: Any) -> None:
        self._send(f"{self.prefix}.{stat}:{lasted.total_seconds() * 1000:.6f}|ms")

    def _send(self, line: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(line.encode(), (self.host, self.port))


@dataclass
class Received:
    """The lines that have arrived."""

    receiver: socket.socket

    def lines(self) -> list[tuple[str, dict[str, str], float, str]]:
        """Name, tags, value and kind of each line since the last call."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                name, _, rest = self.receiver.recv(65536).decode().partition(":")
                name, *tags = name.split(",")
                value, kind = rest.split("|")
                known = dict(tag.split("=") for tag in tags)
                found.append(
                    (name.removeprefix("airflow.asset_archive."), known, float(value), kind)
                )
        return found

    def sums(self) -> Counter[str]:
        """Name -> sum of the values since the last call."""
        found: Counter[str] = Counter()
        for name, _, value, _ in self.lines():
            found[name] += value
        return found


@contextlib.contextmanager
def switched_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
        address = {"host": "127.0.0.1", "port": receiver.getsockname()[1], "prefix": "airflow"}
        if AIRFLOW_V_3_3_PLUS:
            from airflow.sdk.observability import stats

            stats.initialize(factory=partial(_logger, address), export_legacy_names=True)
            yield Received(receiver)
            stats.initialize(factory=NoStatsLogger, export_legacy_names=True)
        else:
            monkeypatch.setattr(active_stats(), "instance", _logger(address))
            monkeypatch.setattr(active_stats(), "_instance_pid", os.getpid())
            yield Received(receiver)


def _logger(address: Mapping[str, Any]) -> Any:
    only_ours = "asset_archive"  # of Airflow's own there are hundreds
    if VERSION < (3, 2):
        return SafeStatsdLogger(
            Client(**address), PatternAllowListValidator(only_ours), influxdb_tags_enabled=True
        )
    return get_statsd_logger(
        stats_class=Client,
        **address,
        influxdb_tags_enabled=True,
        statsd_influxdb_enabled=True,
        metrics_allow_list=only_ours,
    )
