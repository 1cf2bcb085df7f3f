"""The one-pass reader, fed as downloads feed it."""

from __future__ import annotations

import random

from airflow_provider_assets.landing.zips.scanner import ZipScanner


def scan(data: bytes, seed: int = 0, handler=None) -> ZipScanner:
    scanner = ZipScanner(handler=handler)
    draw = random.Random(seed)
    at = 0
    while at < len(data):
        step = draw.choice((1, 7, 100, 5000, 70000, len(data)))
        scanner.feed(memoryview(data)[at : at + step])
        at += step
    scanner.close()
    return scanner
