"""Log lines about a landing: how far it is, and what has landed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_assets.landing.options import MIB

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from airflow_provider_assets.landing import Manifest, Progress


@dataclass(slots=True)
class ProgressLog:
    """Logs each progress of a landing.

    :ivar is_resumed: whether an earlier attempt had stored some of its bytes.
    """

    log: Logger
    is_resumed: bool = False

    def __call__(self, progress: Progress) -> None:
        """Log *progress*."""
        self.is_resumed = progress.kept > 0
        parts = [f"{progress.bytes / MIB:.1f} MiB at {progress.rate / MIB:.1f} MiB/s"]
        if progress.percent is not None:
            parts.insert(0, f"{progress.percent:.0f} %")
        if progress.eta is not None:
            parts.append(f"{progress.eta:.0f} s left")
        self.log.info("%s", ", ".join(parts))


def log_landed(log: Logger, manifest: Manifest) -> None:
    """Log what has landed, and which checks it has passed."""
    if manifest.skipped:
        log.info(
            "%s has landed before; its size, and its checksum where the store keeps one, are those "
            "of its manifest; skipping",
            manifest.uri,
        )
        return
    log.info(
        "Landed %s: %d bytes, %d files, sha256 %s; verified: %s",
        manifest.uri,
        manifest.bytes,
        manifest.entries,
        manifest.sha256,
        ", ".join(manifest.verified),
    )
    for check, reason in manifest.unverified.items():
        log.info("Not verified: %s (%s)", check, reason)
