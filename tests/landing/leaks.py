"""What a landing may leave behind in its process: no thread, no connection, no open file."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Container, Iterator
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


def _connections() -> dict[int, tuple[int, str]]:
    """Own port -> the other port and the state, of all connections."""
    found = psutil.Process().net_connections("tcp")
    return {one.laddr.port: (one.raddr.port, one.status) for one in found if one.raddr}


def _left_open(ports: set[int], before: Container[int]) -> Iterator[str]:
    for own, (port, status) in _connections().items() if ports else ():
        if port in ports and own not in before:
            yield f"a connection to port {port}, {status}"


@contextmanager
def nothing_leaks(folder: Path, ports: set[int]) -> Iterator[None]:
    """Fails if the block leaves a thread, an open file below *folder*, or a connection to *ports*.

    :param ports: filled by the block. Another test's client may hold connections to some of them.
    """
    before, connected = _threads(), _connections()
    yield
    deadline = time.monotonic() + _GRACE
    while True:
        left = [*(_threads() - before), *_files(folder), *_left_open(ports, connected)]
        if not left:
            return
        assert time.monotonic() < deadline, f"the test left behind: {left}"
        gc.collect()  # the clients of boto3 hold themselves, and with them their connections
        time.sleep(0.05)
