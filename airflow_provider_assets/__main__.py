"""``python -m airflow_provider_assets``: plans, reconciles and verifies without a DAG."""

from __future__ import annotations

import sys

from airflow_provider_assets.cli import main

if __name__ == "__main__":
    sys.exit(main())
