"""``python -m airflow_provider_assets.sandbox``: see the package's documentation."""

from __future__ import annotations

import asyncio

from airflow_provider_assets.sandbox.options import parse_options
from airflow_provider_assets.sandbox.server import serve

if __name__ == "__main__":
    asyncio.run(serve(parse_options()))
