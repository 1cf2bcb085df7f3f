"""The servers of the fault table: a sandbox behind a front, and an S3 store that can be told to refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from certificates import issue
from fault_cells import BUCKET, Kit
from front import front_of
from s3_quirks import Quirks, QuirkyS3, quirky_s3
from servers import S3Server

from airflow_provider_assets.sandbox import running

ITEM = 3_000_000  # three ranges of an item, and two parts of S3 for an archive


@contextmanager
def fault_world(
    folder: Path, patch: pytest.MonkeyPatch, s3_server: Callable[[], S3Server], item: int = ITEM
) -> Iterator[Kit]:
    """Everything that a cell needs; the authorities of all certificates but one are trusted.

    :param item: bytes of each item.
    """
    yesterday = (datetime.now(timezone.utc) - timedelta(days=1)).date().isoformat()
    variants = {
        "https": {},
        "unknown": {},
        "expired": {"days": -1},
        "elsewhere": {"name": "elsewhere.test"},
    }
    certificates = {}
    for name, how in variants.items():
        (folder / name).mkdir()
        certificates[name] = issue(folder / name, **how)
    bundle = folder / "bundle.pem"
    bundle.write_bytes(
        b"".join(
            one.authority.read_bytes() for name, one in certificates.items() if name != "unknown"
        )
    )
    patch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    # Its only thread lives as long as the process.
    asyncio.run(sync_to_async(lambda: None)())
    with ExitStack() as stack:

        @cache
        def s3() -> QuirkyS3:
            server = s3_server()
            server.client_of(BUCKET)
            return stack.enter_context(quirky_s3(server, Quirks()))

        sandbox = stack.enter_context(
            running(
                "--vendor", "all", "--items", "0", "--day", "2026-01-09=3", "--day", f"{yesterday}=2",
                "--item-bytes", str(item), "--job-seconds", "0.2", "--empty-pages", "0",
            )
        )  # fmt: skip
        front = stack.enter_context(front_of(sandbox, certificates))
        landed = folder / "landed"
        landed.mkdir()
        yield Kit(front, landed, patch, s3)
