"""The identity of what is exported: equal inputs have one fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from airflow_provider_assets.sansio.strict_json import JSON


def fingerprint(data: JSON) -> str:
    """SHA-256 (hex) of the canonical JSON of *data*."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def state_key(name: str, conn_id: str, select: Mapping[str, JSON]) -> str:
    """The key of *name* for one connection and selection, which may share an Asset with others."""
    return f"{name}.{fingerprint([conn_id, dict(select)])[:16]}"
