"""What Airflow shows of Acme."""

from __future__ import annotations

from airflow_provider_assets.hooks.base import AssetArchiveHook


class AcmeHook(AssetArchiveHook):
    """Acme's archives: login and password."""

    conn_type = "acme"
    default_conn_name = "acme_default"
    hook_name = "Acme"
