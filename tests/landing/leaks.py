"""What a landing may leave behind in its process: no thread, no connection, no open file."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

# Threads of the servers that tests run in their own process end with their connections.
_SERVERS = ("process_request_thread", "serve_forever")
_GRACE = 3.0  # seconds in which a thread that was told to end does so


def _threads() -> set[threading.Thread]:
    return {one for one in threading.enumerate() if not any(name in one.name for name in _SERVERS)}


def _files(folder: Path) -> Iterator[str]:
    for handle in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            target = handle.readlink()
            if target.is_relative_to(folder):
                yield str(target)


def _connections(ports: set[int]) -> Iterator[str]:
    if ports:
        for one in psutil.Process().net_connections("tcp"):
            if one.raddr and one.raddr.port in ports:
                yield f"a connection to port {one.raddr.port}, {one.status}"


@contextmanager
def nothing_leaks(folder: Path, ports: set[int]) -> Iterator[None]:
    """Fails if the block leaves a thread, an open file below *folder*, or a connection to *ports*.

    :param ports: filled by the block.
    """
    before = _threads()
    yield
    deadline = time.monotonic() + _GRACE
    while True:
        left = [*(_threads() - before), *_files(folder), *_connections(ports)]
        if not left:
            return
        assert time.monotonic() < deadline, f"the test left behind: {left}"
        gc.collect()  # the clients of boto3 hold themselves, and with them their connections
        time.sleep(0.05)
