"""What a landing is given and what it tells while it works."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.jobs import ArchiveFile, Link

MIB = 1 << 20
LEAST_MEMORY = 32 * MIB  # less has no room for two parts
PARALLEL_REQUESTS = 8  # small requests to one store, or downloads of one landing, at the same time
SAVE_SECONDS = 10.0  # between checkpoints: the work that a SIGKILL may cost


@dataclass(frozen=True, slots=True)
class Source:
    """One file to land.

    :param file: its name, and its size in bytes where that is known beforehand.
    :param resolve: gives a link that is good now; called late, and again when a link was refused.
    :param single_use: the file can be downloaded once only: one GET, without Range, HEAD, retry or
        redirect.
    """

    file: ArchiveFile
    resolve: Callable[[], Link] = field(repr=False)
    single_use: bool = False

    @property
    def own_name(self) -> str:
        """The vendor's name of the file, under which it lands among several."""
        return self.file.name or self.file.key


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a landing.

    :param bytes: bytes received so far.
    :param total: bytes to receive, None where the source does not say.
    :param rate: bytes per second since the start.
    :param eta: seconds that remain at this rate, None where unknown.
    """

    bytes: int
    total: int | None
    rate: float
    eta: float | None

    @property
    def percent(self) -> float | None:
        """Share done, 0 to 100, None where the total is unknown."""
        return None if not self.total else 100 * self.bytes / self.total


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingOptions:
    """Budgets of one landing.

    :param concurrency: connections to the source; None lets the engine find the number.
    :param max_concurrency: connections that the engine may find.
    :param part_size: bytes of a part; None: 8 MiB, more where the store's part limit needs it.
    :param max_memory: bytes that the engine may hold, buffers and overhead together.
    :param stall_seconds: seconds without a byte after which a connection is given up.
    :param min_rate: bytes per second that a connection has to bring, on average over five stall times of
        waiting for it. A slower one counts as stalled: its range is requested again from the byte
        that was reached.
    :param attempts: attempts in a row without progress, or too slow, before the landing fails.
    :param private_hosts: hosts that may have an address which is not of the public internet (private,
        link-local, metadata services); a loopback host among them stands for all of this machine.
        None: every host may.
    :param sha256: hash the whole; None: up to 256 MiB, and where the store keeps no checksum itself.
    :param max_entries: entries an archive may have.
    :param max_unpacked: bytes that ``layout="files"`` may unpack to.
    :param max_ratio: unpacked bytes per packed byte of one entry of more than 64 MiB, likewise.
    :param now: epoch seconds. :param clock: seconds that never go back. :param jitter: 0.0 to 1.0.
    """

    concurrency: int | None = None
    max_concurrency: int = 24
    part_size: int | None = None
    max_memory: int = 128 * MIB
    stall_seconds: float = 60.0
    min_rate: float = 1024.0
    attempts: int = 6
    private_hosts: frozenset[str] | None = None
    sha256: bool | None = None
    max_entries: int = 1_000_000
    max_unpacked: int = 1 << 40
    max_ratio: int = 200
    now: Callable[[], float] = field(default=time.time, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    jitter: Callable[[], float] = field(default=random.random, repr=False)

    def __post_init__(self) -> None:
        """:raises InvalidRequestError: if a budget cannot hold a landing."""
        if self.concurrency is not None and self.concurrency < 1:
            raise InvalidRequestError(f"concurrency must be at least 1, not {self.concurrency}")
        if self.part_size is not None and self.part_size < MIB:
            raise InvalidRequestError(f"part_size must be at least 1 MiB, not {self.part_size}")
        if self.max_memory < LEAST_MEMORY:
            raise InvalidRequestError(f"max_memory must be at least 32 MiB, not {self.max_memory}")
        for limit in ("max_entries", "max_unpacked", "max_ratio"):
            if getattr(self, limit) < 1:
                raise InvalidRequestError(f"{limit} must be at least 1, not {getattr(self, limit)}")
