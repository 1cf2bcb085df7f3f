"""Hook for Topaz Labs."""

from __future__ import annotations

from airflow_provider_assets.hooks.base import AssetArchiveHook


class TopazHook(AssetArchiveHook):
    """Topaz Labs Image API: the password is the API key."""

    conn_type = "topaz"
    default_conn_name = "topaz_default"
    hook_name = "Topaz Labs"
