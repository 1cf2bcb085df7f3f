"""Sources, budgets and progress reports of a landing, and the constants that its parts share."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_provider_assets.sansio.arguments import shown
from airflow_provider_assets.sansio.downloads import ArchiveFile, Link
from airflow_provider_assets.sansio.errors import InvalidRequestError

MIB = 1 << 20
LEAST_MEMORY = 32 * MIB  # less has no room for two parts
PARALLEL_REQUESTS = 8  # small requests to one store, or downloads of one landing, at the same time
_LEAST = {
    "concurrency": (1, "1"),
    "attempts": (1, "1"),
    "part_size": (MIB, "1 MiB"),
    "max_memory": (LEAST_MEMORY, "32 MiB"),
    "max_entries": (1, "1"),
    "max_unpacked": (1, "1"),
    "max_ratio": (1, "1"),
}
_CHOSEN = ("concurrency", "part_size")  # by the engine, if they are None
SAVE_SECONDS = 10.0  # between checkpoints: the work that a SIGKILL may cost


@dataclass(frozen=True, slots=True)
class Source:
    """One file to land.

    :param file: its name, and its size in bytes if that is known beforehand.
    :param resolve: returns a valid link; called as late as possible, and again after a link was refused.
    :param single_use: whether the file can be downloaded only once: by one GET, without Range, HEAD, retry
        or redirect.
    """

    file: ArchiveFile
    resolve: Callable[[], Link] = field(repr=False)
    single_use: bool = False

    @property
    def own_name(self) -> str:
        """The vendor's name of the file, which it keeps when several files land."""
        return self.file.name or self.file.key


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a landing.

    :param bytes: bytes received so far, including those of earlier attempts.
    :param total: bytes to receive, None if the source does not announce it.
    :param rate: bytes per second that this attempt has received since its start.
    :param eta: seconds left at this rate, None if unknown.
    :param kept: bytes of earlier attempts, which were not received again.
    """

    bytes: int
    total: int | None
    rate: float
    eta: float | None
    kept: int = 0

    @property
    def percent(self) -> float | None:
        """Share received, 0 to 100; None if the total is unknown.

        The directory of a zip is received once more than its size says, which is much of a small one.
        """
        return None if not self.total else min(100.0, 100 * self.bytes / self.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingOptions:
    """Budgets of one landing.

    :param concurrency: connections to the source; None: the engine adapts the number.
    :param part_size: bytes per part; None: 8 MiB, or more if the store's limit of parts requires it.
    :param max_memory: bytes that the engine may hold, buffers and overhead together.
    :param stall_seconds: seconds without a byte after which a connection is closed.
    :param min_rate: least bytes per second of a connection, averaged over five stall times of waiting for
        it. A slower connection counts as stalled: its range is requested again from the byte that was
        reached.
    :param attempts: consecutive failures without progress, or too slow, before the landing fails.
    :param private_hosts: hosts that may resolve to an address outside the public internet (private,
        link-local, metadata services); a loopback host among them allows every loopback address.
        None: every host may.
    :param allow_http: download over http, too, not only from loopback hosts.
    :param download_hosts: hosts from which downloads may come, by name or as ``*.suffix``; None: any.
    :param sha256: compute the SHA-256 of the whole; None: up to 256 MiB, and if the store keeps no
        checksum itself.
    :param max_entries: largest number of entries in an archive.
    :param max_unpacked: bytes that ``layout="files"`` may unpack to.
    :param max_ratio: unpacked bytes per packed byte of one entry of more than 64 MiB, for
        ``layout="files"``.
    :param now: epoch seconds. :param clock: monotonic seconds. :param jitter: random, 0.0 to 1.0.
    """

    concurrency: int | None = None
    part_size: int | None = None
    max_memory: int = 128 * MIB
    stall_seconds: float = 60.0
    min_rate: float = 1024.0
    attempts: int = 6
    private_hosts: frozenset[str] | None = None
    allow_http: bool = False
    download_hosts: tuple[str, ...] | None = None
    sha256: bool | None = None
    max_entries: int = 1_000_000
    max_unpacked: int = 1 << 40
    max_ratio: int = 200
    now: Callable[[], float] = field(default=time.time, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    jitter: Callable[[], float] = field(default=random.random, repr=False)

    def __post_init__(self) -> None:
        """Check the budgets.

        :raises InvalidRequestError: if one is not a whole number, or too small for any landing.
        """
        for name, (least, text) in _LEAST.items():
            given = getattr(self, name)
            if given is None and name in _CHOSEN:
                continue
            if not isinstance(given, int) or isinstance(given, bool):
                raise InvalidRequestError(f"{name} must be a whole number, not {shown(given)}")
            if given < least:
                raise InvalidRequestError(f"{name} must be at least {text}, not {shown(given)}")
