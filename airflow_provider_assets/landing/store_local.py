"""Files: a hidden ``.part`` file beside the target, synced, then linked to its name in one step."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from airflow_provider_assets.landing.crc import crc32
from airflow_provider_assets.landing.store import MIB, Held, Part, Rules, Stored, Whole
from airflow_provider_assets.sansio.errors import (
    AuthenticationError,
    IntegrityError,
    InvalidRequestError,
    TransferInterruptedError,
)

_RULES = Rules()
_ROOM = 255 - 33  # bytes: of a name in common file systems, less what we add
_UNFIT = re.compile(r"[^0-9A-Za-z]")
_OURS = re.compile(r"\.(.+)\.[0-9A-Za-z]{1,16}-[0-9a-f]{8}\.part$")


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise AuthenticationError(f"{what}: {error.strerror}: {error.filename}") from error
    except OSError as error:
        raise TransferInterruptedError(f"{what}: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class LocalStore:
    """A directory tree; keys are paths below *root*, with ``/``."""

    root: Path
    rules: Rules = field(default=_RULES, repr=False)

    def uri(self, key: str) -> str:
        """``file://`` and the absolute path; a folder keeps its slash."""
        return self._path(key).absolute().as_uri() + ("/" if key.endswith("/") else "")

    def head(self, key: str) -> Stored | None:
        """The file's length."""
        try:
            return Stored(self._path(key).stat().st_size)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def sizes(self, prefix: str) -> dict[str, int]:
        """Of every file below the folder of *prefix*."""
        folder = self._path(prefix.rpartition("/")[0])
        found = ((path.relative_to(self.root).as_posix(), path) for path in folder.rglob("*"))
        return {
            key: path.stat().st_size
            for key, path in found
            if key.startswith(prefix) and path.is_file()
        }

    def get(self, key: str) -> bytes | None:
        """The file's contents."""
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read(self, key: str, offset: int, view: memoryview) -> None:
        """Read at a place."""
        with _told(f"cannot read {self.uri(key)}"), self._path(key).open("rb", buffering=0) as file:
            file.seek(offset)
            if file.readinto(view) != len(view):
                raise TransferInterruptedError(f"{self.uri(key)} is shorter than expected")

    def put(self, key: str, data: memoryview | bytes, *, crc32: int, overwrite: bool) -> Stored:
        """Write beside, sync, then show."""
        writer = self.begin(key, label="small")
        try:
            writer.put_part(Part(1, 0, len(data), crc32), memoryview(data))
            return writer.commit(Whole(len(data), crc32), overwrite=overwrite)
        finally:
            writer.abort()

    def begin(self, key: str, *, label: str) -> LocalWriter:
        """A hidden file beside the target."""
        target = self._path(key)
        with _told(f"cannot write to {target.parent}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            mark = _UNFIT.sub("", label)[:16] or "landing"
            part = target.parent / f".{stem(target.name)}.{mark}-{secrets.token_hex(4)}.part"
            handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        return LocalWriter(target, part, handle)

    def resume(self, key: str, state: Mapping[str, str]) -> LocalWriter | None:
        """Open the hidden file again."""
        target = self._path(key)
        part = target.parent / state.get("part", "")
        if part.parent != target.parent or not _OURS.match(part.name):
            return None
        try:
            return LocalWriter(target, part, os.open(part, os.O_RDWR), int(state["part_size"]))
        except (OSError, KeyError, ValueError):
            return None

    def delete(self, key: str) -> None:
        """Remove the file."""
        self._path(key).unlink(missing_ok=True)

    def sweep(self, keys: Collection[str]) -> int:
        """Remove hidden ``.part`` files, known by their names."""
        targets: dict[Path, set[str]] = {}
        for key in keys:
            path = self._path(key)
            targets.setdefault(path.parent, set()).add(stem(path.name))
        stale = 0
        for folder, names in targets.items():
            for part in folder.glob(".*.part"):
                found = _OURS.match(part.name)
                if found and found[1] in names:
                    part.unlink(missing_ok=True)
                    stale += 1
        return stale

    def _path(self, key: str) -> Path:
        path = self.root / key
        if ".." in path.parts:
            raise InvalidRequestError(f"a key must stay below its store: {key!r}")
        return path


@dataclass(slots=True)
class LocalWriter:
    """One ``.part`` file, written at any place by any thread."""

    target: Path
    part: Path
    handle: int
    part_size: int = 0

    def put_part(self, part: Part, data: memoryview) -> str:
        """Write at the part's place."""
        self.part_size = max(self.part_size, part.size)
        with _told(f"cannot write {self.target}"):
            at, left = part.offset, data
            while left:
                count = os.pwrite(self.handle, left, at)
                at, left = at + count, left[count:]
        return f"{part.crc32:08x}"

    @property
    def state(self) -> Mapping[str, str]:
        """The name of the ``.part`` file."""
        return {"part": self.part.name, "part_size": str(self.part_size)}

    def done(self) -> Sequence[Held]:
        """What the file holds, read back; a hole in it shows by its CRC-32."""
        size, found, step = os.fstat(self.handle).st_size, [], self.part_size or MIB
        buffer = memoryview(bytearray(min(step, size)))
        for offset in range(0, size, step):
            view = buffer[: min(step, size - offset)]
            self.read(offset, view)
            found.append(Held(offset // step + 1, len(view), f"{crc32(view, 0):08x}"))
        return found

    def read(self, offset: int, view: memoryview) -> bool:
        """Read back."""
        return os.preadv(self.handle, [view], offset) == len(view)

    def commit(self, whole: Whole, *, overwrite: bool) -> Stored:
        """Check the length, sync the data, then give it its name in one step."""
        size = os.fstat(self.handle).st_size
        if size != whole.size:
            raise IntegrityError(f"{self.part.name} holds {size} bytes, expected {whole.size}")
        with _told(f"cannot publish {self.target}"):
            os.fsync(self.handle)
            if overwrite:
                self.part.replace(self.target)
            else:
                self._link(whole)
            _sync_folder(self.target.parent)
        return Stored(size)

    def keep(self) -> None:
        """Leave the file."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1

    def abort(self) -> None:
        """Remove the ``.part`` file."""
        self.keep()
        self.part.unlink(missing_ok=True)

    def _link(self, whole: Whole) -> None:
        try:
            os.link(self.part, self.target)
        except FileExistsError:
            # What an earlier attempt published before it could say so is what we would publish.
            if _describe(self.target) != whole:
                raise taken(self.target.as_uri()) from None
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            # A file system without links: the check and the rename are two steps there.
            if self.target.exists():
                raise taken(self.target.as_uri()) from None
            self.part.rename(self.target)


def open_store(url: str) -> LocalStore:
    """The store of a ``file://`` URL (or an absolute path); other schemes take ready clients.

    :raises InvalidRequestError: for any other scheme.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
        raise InvalidRequestError(f"not a file:// URL: {parts.scheme}://{parts.netloc}{parts.path}")
    return LocalStore(Path(unquote(parts.path) if parts.scheme else url))


def stem(name: str) -> str:
    """What a hidden file is called after *name*: itself, or its digest where there is no room for more."""
    raw = name.encode()
    return name if len(raw) <= _ROOM else hashlib.sha256(raw).hexdigest()


def taken(uri: str) -> InvalidRequestError:
    """The error for a name that is in use by something else."""
    return InvalidRequestError(
        f"{uri} exists and is not what this landing would write; "
        "choose another name or, for files, a folder of its own in destination, or set overwrite=True"
    )


def _describe(path: Path) -> Whole:
    crc = size = 0
    with path.open("rb") as file:
        while piece := file.read(MIB):
            crc, size = crc32(piece, crc), size + len(piece)
    return Whole(size, crc)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
