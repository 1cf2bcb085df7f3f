"""The page about metrics, its alert rules and its dashboard name the metrics that there are."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from doc_pages import ROOT, TEXTS, blocks

from airflow_provider_assets.metrics import METRICS, SPANS

PAGE = TEXTS["docs/metrics.md"]
DASHBOARD = json.loads((ROOT / "docs" / "grafana-dashboard.json").read_text(encoding="utf-8"))
(RULES,) = [yaml.safe_load(text) for name, text in blocks("yaml") if name == "docs/metrics.md"]
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
# As the StatsD exporter of Prometheus names them.
SERIES = {
    f"airflow_{name.replace('.', '_')}{suffix}": {"vendor", "conn_id", *metric.tags}
    for name, metric in METRICS.items()
    for suffix in (("",) if metric.kind == "counter" else ("_sum", "_count"))
}


def test_the_table_lists_the_metrics_that_there_are():
    rows = re.findall(r"^\| `(asset_archive\.\w+)` \| (\w+) \| (.+) \| (.*)\|$", PAGE, re.MULTILINE)
    listed = {
        name: (kind, meaning, tuple(re.findall(r"\w+", tags))) for name, kind, meaning, tags in rows
    }
    assert listed == {name: (one.kind, one.meaning, one.tags) for name, one in METRICS.items()}


def test_the_table_lists_the_spans_that_there_are():
    rows = re.findall(r"^\| `(asset_archive\.\w+)` \| ([^|]+) \| ([^|]*)\|$", PAGE, re.MULTILINE)
    listed = {name: (what, tuple(re.findall(r"\w+", more))) for name, what, more in rows}
    assert listed == SPANS


@pytest.mark.parametrize("query", [*QUERIES, *(alert["expr"] for alert in ALERTS)])
def test_a_query_asks_for_metrics_and_tags_that_there_are(query):
    names = set(re.findall(r"airflow_\w+", query))
    assert names
    assert names <= SERIES.keys()
    labels = {
        label
        for group in re.findall(r"by \(([^)]*)\)|\{([^}]*)\}", query)
        for label in re.findall(r"(\w+)(?=\s*(?:,|$|=|!=))", "".join(group))
    }
    assert labels
    assert labels <= set().union(*(SERIES[name] for name in names))
    assert query.count("(") == query.count(")")


def test_the_dashboard_and_the_rules_have_what_grafana_and_prometheus_require():
    assert len(ALERTS) == 4
    assert all(alert.keys() >= {"alert", "expr", "annotations"} for alert in ALERTS)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"]) == 6
    (variable,) = DASHBOARD["templating"]["list"]
    used = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]}
    assert used == {f"${{{variable['name']}}}"}
