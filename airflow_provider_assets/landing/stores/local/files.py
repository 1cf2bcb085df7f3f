"""Files and folders of the local disk: listed, locked, synced and summed up; failures get a remedy."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_assets.landing.crc import Checksum, crc32
from airflow_provider_assets.landing.options import MIB
from airflow_provider_assets.sansio.errors import (
    AuthenticationError,
    InvalidRequestError,
    TransferInterruptedError,
)

# Remedies for failures of the file system that do not pass by themselves.
_REMEDIES = {
    errno.EACCES: "give the worker's user access to it",
    errno.EPERM: "give the worker's user access to it",
    errno.EROFS: "the file system is mounted read-only; choose another destination",
    errno.ENOSPC: "free some space; the next attempt resumes from what is there",
    errno.EDQUOT: "the user's quota is used up; raise it or free some space",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EEXIST: "a folder of the path is a file; choose another destination",
    errno.ENOTDIR: "a folder of the path is a file; choose another destination",
    errno.EISDIR: "a folder has this name; choose another name",
    errno.EINVAL: "the file system does not accept this name; choose another name",
    errno.EILSEQ: "the file system does not accept this name; choose another name",
}
_DENIED = frozenset({errno.EACCES, errno.EPERM})
_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT})
_NOT_THERE = (FileNotFoundError, NotADirectoryError, PermissionError)  # or closed to the worker


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Translate failures of the file system into errors of this package, with a remedy."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        remedy = f"; {_REMEDIES[number]}" if number in _REMEDIES else ""
        text = f"{what}: {error.strerror or type(error).__name__}{remedy}"
        code = errno.errorcode.get(number)
        if number in _DENIED:
            raise AuthenticationError(text, code=code) from error
        if number in _REMEDIES and number not in _PASSING:
            raise InvalidRequestError(text, code=code) from error
        raise TransferInterruptedError(text, code=code) from error
    except UnicodeEncodeError as error:
        raise InvalidRequestError(
            f"{what}: the worker encodes file names as {error.encoding}, which lacks some of these "
            "characters; set LC_ALL=C.UTF-8 or PYTHONUTF8=1 in its environment"
        ) from error


def files_below(folder: Path) -> Iterator[tuple[Path, int]]:
    """The files below *folder* and their bytes; a folder that is linked into itself is listed once."""
    try:
        top = folder.stat()
    except _NOT_THERE:
        return
    left = [(folder, frozenset([_identity(top)]))]
    while left:
        here, above = left.pop()
        for path, found in _entries_of(here):
            if stat.S_ISREG(found.st_mode):
                yield path, found.st_size
            elif stat.S_ISDIR(found.st_mode) and _identity(found) not in above:
                left.append((path, above | {_identity(found)}))


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _entries_of(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """What *folder* holds; nothing if it is gone, or closed to the worker's user."""
    try:
        entries = os.scandir(folder)
    except _NOT_THERE:
        return
    with entries:
        for entry in entries:
            try:
                found = entry.stat()
            except OSError as error:
                # Another task has published or removed it meanwhile, or it is a link to itself.
                if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    raise
            else:
                yield folder / entry.name, found


def checksum_of(path: Path) -> Checksum:
    """Length and CRC-32 of a file."""
    crc = size = 0
    with path.open("rb") as file:
        while piece := file.read(MIB):
            crc, size = crc32(piece, crc), size + len(piece)
    return Checksum(size, crc)


def claim(descriptor: int) -> bool:
    """Lock an open part file until it is closed or its process has died; whether that was possible.

    A file system without locks leaves every part file to whoever sweeps.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def is_in_use(part: Path) -> bool:
    """Whether another landing may be writing a part file: it is locked, or of another user."""
    try:
        descriptor = os.open(part, os.O_RDWR)
    except PermissionError:  # of another user, whose landing may be alive
        return True
    except OSError:  # gone meanwhile
        return False
    try:
        return not claim(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create *folder* and its parents, and sync them, so that they survive a power failure."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in reversed(new):
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Write the entries of *folder* to the disk, if its file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder, because they write its entries through.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)
