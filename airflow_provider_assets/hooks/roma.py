"""Hook for Huawei Cloud ROMA Connect."""

from __future__ import annotations

from airflow_provider_assets.hooks.base import AssetArchiveHook


class RomaConnectHook(AssetArchiveHook):
    """ROMA Connect: login and password are AK and SK, or an IAM user and its password."""

    conn_type = "huawei_roma"
    default_conn_name = "huawei_roma_default"
    hook_name = "ROMA Connect"
