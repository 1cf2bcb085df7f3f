"""Local folders: an object is a hidden part file until it is synced and linked to its name in one step."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from airflow_provider_assets.landing.crc import Checksum, crc32
from airflow_provider_assets.landing.markers import (
    PART_SUFFIX,
    hidden_name,
    hidden_name_in,
    part_file,
)
from airflow_provider_assets.landing.object_options import DEFAULTS, ObjectOptions
from airflow_provider_assets.landing.options import MIB
from airflow_provider_assets.landing.stores.base import (
    Part,
    Rules,
    StoredObject,
    StoredPart,
    name_taken,
)
from airflow_provider_assets.sansio.errors import (
    AuthenticationError,
    IntegrityError,
    InvalidRequestError,
    TransferInterruptedError,
)

_RULES = Rules(reads_back=True)

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


@contextmanager
def _told(what: str) -> Iterator[None]:
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


@dataclass(frozen=True, slots=True)
class LocalStore:
    """A directory tree; keys are relative paths below *root*, with ``/``."""

    root: Path
    rules: Rules = field(default=_RULES, repr=False)

    def uri(self, key: str) -> str:
        """``file://`` and the absolute path; a folder keeps its slash."""
        # Path.as_uri() fails where the encoding of the file system lacks a character.
        path = quote(str(self._path(key).absolute()), errors="surrogateescape")
        return f"file://{path}" + ("/" if key.endswith("/") else "")

    def head(self, key: str) -> StoredObject | None:
        """Length of the file."""
        with _told(f"cannot inspect {self.uri(key)}"):
            try:
                return StoredObject(self._path(key).stat().st_size)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def listing(self, prefix: str) -> Iterator[tuple[str, int]]:
        """The files below the folder of *prefix*, in linked folders, too."""
        folder = self._path(prefix.rpartition("/")[0])
        with _told(f"cannot list {folder}"):
            for path, size in _files_below(folder):
                key = path.relative_to(self.root).as_posix()
                if key.startswith(prefix):
                    yield key, size

    def sizes(self, prefix: str) -> dict[str, int]:
        """Bytes of the listed files."""
        return dict(self.listing(prefix))

    def get(self, key: str) -> bytes | None:
        """Contents of the file."""
        with _told(f"cannot read {self.uri(key)}"):
            try:
                return self._path(key).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def read(self, key: str, offset: int, view: memoryview) -> None:
        """Read a range of the file."""
        with _told(f"cannot read {self.uri(key)}"), self._path(key).open("rb", buffering=0) as file:
            file.seek(offset)
            if file.readinto(view) != len(view):
                raise TransferInterruptedError(f"{self.uri(key)} is shorter than expected")

    def check(self, options: ObjectOptions) -> None:
        """Files have none of them; a content type is ignored, since nothing asks a file for it."""
        replace(options, content_type=None).admit("a local folder", ())

    def put(
        self,
        key: str,
        data: memoryview | bytes,
        *,
        crc32: int,
        overwrite: bool,
        options: ObjectOptions = DEFAULTS,
    ) -> StoredObject:
        """Write a part file, sync it, then publish it."""
        writer = self.begin(key, label="small")
        try:
            writer.put_part(Part(1, 0, len(data), crc32), memoryview(data))
            return writer.commit(Checksum(len(data), crc32), overwrite=overwrite)
        finally:
            writer.abort()

    def begin(self, key: str, *, label: str, options: ObjectOptions = DEFAULTS) -> LocalWriter:
        """Create a hidden part file beside the target."""
        target = self._path(key)
        with _told(f"cannot write to {target.parent}"):
            _make_folder(target.parent)
            part = target.parent / part_file(target.name, label)
            handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if not _claim(handle) or not os.fstat(handle).st_nlink:
            os.close(handle)  # another landing swept it before it was locked
            return self.begin(key, label=label, options=options)
        return LocalWriter(target, part, handle)

    def resume(
        self, key: str, state: Mapping[str, str], *, options: ObjectOptions = DEFAULTS
    ) -> LocalWriter | None:
        """Open the part file again."""
        target = self._path(key)
        part = target.parent / state.get("part", "")
        if part.parent != target.parent or not hidden_name_in(part.name):
            return None
        try:
            size, handle = int(state["part_size"]), os.open(part, os.O_RDWR)
        except (OSError, KeyError, ValueError):
            return None
        if not _claim(handle):  # the earlier attempt has not ended
            os.close(handle)
            return None
        return LocalWriter(target, part, handle, size)

    def delete(self, key: str) -> None:
        """Remove the file."""
        with _told(f"cannot delete {self.uri(key)}"):
            self._path(key).unlink(missing_ok=True)

    def sweep(self, keys: Collection[str]) -> int:
        """Remove part files, recognized by their names, but those that another landing is writing."""
        targets: dict[Path, set[str]] = {}
        for key in keys:
            path = self._path(key)
            targets.setdefault(path.parent, set()).add(hidden_name(path.name))
        stale = 0
        for folder, names in targets.items():
            with _told(f"cannot clean up {folder}"):
                for part in folder.glob(f".*{PART_SUFFIX}"):
                    if hidden_name_in(part.name) in names and not _is_in_use(part):
                        part.unlink(missing_ok=True)
                        stale += 1
        return stale

    def _path(self, key: str) -> Path:
        parts = PurePosixPath(key)
        if parts.is_absolute() or ".." in parts.parts or "\0" in key:
            raise InvalidRequestError(
                f"the name {key!r} does not stay below the destination; "
                'it must be relative and without ".."'
            )
        return self.root / key


@dataclass(slots=True)
class LocalWriter:
    """One part file, written at any offset by any thread."""

    target: Path
    part: Path
    handle: int
    part_size: int = 0

    def put_part(self, part: Part, data: memoryview) -> str:
        """Write at the part's offset."""
        self.part_size = max(self.part_size, part.size)
        with _told(f"cannot write {self.target}"):
            at, left = part.offset, data
            while left:
                count = os.pwrite(self.handle, left, at)
                at, left = at + count, left[count:]
        return f"{part.crc32:08x}"

    @property
    def state(self) -> Mapping[str, str]:
        """Name of the part file, and its part size."""
        return {"part": self.part.name, "part_size": str(self.part_size)}

    def done(self) -> Sequence[StoredPart]:
        """The parts in the file, read back; a hole shows in the CRC-32."""
        found, step = [], self.part_size or MIB
        with _told(f"cannot read {self.part}"):
            size = os.fstat(self.handle).st_size
            buffer = memoryview(bytearray(min(step, size)))
            for offset in range(0, size, step):
                view = buffer[: min(step, size - offset)]
                self.read(offset, view)
                found.append(StoredPart(offset // step + 1, len(view), f"{crc32(view, 0):08x}"))
        return found

    def read(self, offset: int, view: memoryview) -> bool:
        """Read from the part file."""
        with _told(f"cannot read {self.part}"):
            return os.preadv(self.handle, [view], offset) == len(view)

    def commit(self, whole: Checksum, *, overwrite: bool) -> StoredObject:
        """Check the length, sync the data, then link it to its name in one step."""
        with _told(f"cannot publish {self.target}"):
            size = os.fstat(self.handle).st_size
            if size != whole.size:
                raise IntegrityError(f"{self.part.name} holds {size} bytes, expected {whole.size}")
            self._sync()
            if overwrite:
                self.part.replace(self.target)
            else:
                self._link(whole)
            _sync_folder(self.target.parent)
        return StoredObject(size)

    def _sync(self) -> None:
        try:
            os.fsync(self.handle)
        except OSError:
            # The system may have given up writing some bytes, would still show them to a reader, and would
            # call the next sync a success: nothing of this file can be trusted.
            self.part.unlink(missing_ok=True)
            raise

    def keep(self) -> None:
        """Close the file and keep it."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1

    def abort(self) -> None:
        """Remove the part file."""
        self.keep()
        with _told(f"cannot delete {self.part}"):
            self.part.unlink(missing_ok=True)

    def _link(self, whole: Checksum) -> None:
        try:
            os.link(self.part, self.target)
        except FileExistsError:
            pass
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            # On a file system without links, the check and the rename are two steps.
            if not self.target.exists():
                self.part.rename(self.target)
                return
        else:
            return
        # An earlier attempt may have published these bytes and been killed before it recorded that.
        if _describe(self.target) != whole:
            raise name_taken(self.target.as_uri())


def open_store(url: str) -> LocalStore:
    """The store of a ``file://`` URL (or an absolute path); other schemes take ready clients.

    :raises InvalidRequestError: for any other scheme.
    """
    parts = urlsplit(url, allow_fragments=False)
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
        raise InvalidRequestError(f"not a file:// URL: {parts.scheme}://{parts.netloc}{parts.path}")
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return LocalStore(Path(unquote(path) if parts.scheme else url))


def _files_below(folder: Path) -> Iterator[tuple[Path, int]]:
    """The files below *folder* and their bytes; a folder that is linked into itself is listed once."""
    left: list[tuple[Path, frozenset[tuple[int, int]]]] = [(folder, frozenset())]
    while left:
        here, above = left.pop()
        try:
            found = here.stat()
            entries = os.scandir(here)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        this = (found.st_dev, found.st_ino)
        if this in above:
            entries.close()
            continue
        with entries:
            for entry in entries:
                try:
                    if entry.is_dir():
                        left.append((here / entry.name, above | {this}))
                        continue
                    size = entry.stat().st_size if entry.is_file() else None
                except OSError as error:
                    # Another task has published or removed it meanwhile, or it is a link to itself.
                    if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                        raise
                    continue
                if size is not None:
                    yield here / entry.name, size


def _describe(path: Path) -> Checksum:
    crc = size = 0
    with path.open("rb") as file:
        while piece := file.read(MIB):
            crc, size = crc32(piece, crc), size + len(piece)
    return Checksum(size, crc)


def _claim(handle: int) -> bool:
    """Lock an open part file until it is closed or its process has died; whether that was possible.

    A file system without locks leaves every part file to whoever sweeps.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _is_in_use(part: Path) -> bool:
    try:
        handle = os.open(part, os.O_RDWR)
    except PermissionError:  # of another user, whose landing may be alive
        return True
    except OSError:  # gone meanwhile
        return False
    try:
        return not _claim(handle)
    finally:
        os.close(handle)


def _make_folder(folder: Path) -> None:
    """Create *folder* and its parents, and sync them, so that they survive a power failure."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in reversed(new):
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot sync a folder, because they write its entries through.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(handle)
