"""Local folders: an object is a hidden part file until it is synced and linked to its name in one step."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
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
from airflow_provider_assets.landing.options import MIB
from airflow_provider_assets.landing.stores.base import (
    Part,
    Rules,
    StoredObject,
    StoredPart,
    name_taken,
    pieces,
)
from airflow_provider_assets.landing.stores.local.files import (
    checksum_of,
    claim,
    files_below,
    is_in_use,
    make_folder,
    sync_folder,
    translated,
)
from airflow_provider_assets.landing.stores.object_options import DEFAULTS, ObjectOptions
from airflow_provider_assets.landing.stores.shared import check_size, put_as_one_part
from airflow_provider_assets.sansio.errors import (
    InvalidRequestError,
    TransferInterruptedError,
)

_RULES = Rules(reads_back=True)
# What the path of a URL may contain (RFC 3986, 3.3): other programs open day=2026-01-04/ as it is written.
_IN_PATHS = "/!$&'()*+,;=:@~"


@dataclass(frozen=True, slots=True)
class LocalStore:
    """A directory tree; keys are relative paths below *root*, with ``/``."""

    root: Path
    rules: Rules = field(default=_RULES, repr=False)

    def uri(self, key: str) -> str:
        """``file://`` and the absolute path; a folder keeps its slash."""
        # Path.as_uri() fails where the encoding of the file system lacks a character.
        path = quote(str(self._path(key).absolute()), _IN_PATHS, errors="surrogateescape")
        return f"file://{path}" + ("/" if key.endswith("/") else "")

    def head(self, key: str) -> StoredObject | None:
        """Length of the file."""
        with translated(f"cannot inspect {self.uri(key)}"):
            try:
                return StoredObject(self._path(key).stat().st_size)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def listing(self, prefix: str) -> Iterator[tuple[str, int]]:
        """The files below the folder of *prefix*, in linked folders, too."""
        folder = self._path(prefix.rpartition("/")[0])
        with translated(f"cannot list {folder}"):
            for path, size in files_below(folder):
                key = path.relative_to(self.root).as_posix()
                if key.startswith(prefix):
                    yield key, size

    def get(self, key: str) -> bytes | None:
        """Contents of the file."""
        with translated(f"cannot read {self.uri(key)}"):
            try:
                return self._path(key).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def read(self, key: str, offset: int, view: memoryview) -> None:
        """Read a range of the file."""
        with (
            translated(f"cannot read {self.uri(key)}"),
            self._path(key).open("rb", buffering=0) as file,
        ):
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
        return put_as_one_part(writer, data, crc32, overwrite=overwrite)

    def begin(self, key: str, *, label: str, options: ObjectOptions = DEFAULTS) -> LocalWriter:
        """Create a hidden part file beside the target."""
        target = self._path(key)
        with translated(f"cannot write to {target.parent}"):
            make_folder(target.parent)
            path = target.parent / part_file(target.name, label)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if not claim(descriptor) or not os.fstat(descriptor).st_nlink:
            os.close(descriptor)  # another landing swept it before it was locked
            return self.begin(key, label=label, options=options)
        return LocalWriter(target, path, descriptor)

    def resume(
        self, key: str, handle: Mapping[str, str], *, options: ObjectOptions = DEFAULTS
    ) -> LocalWriter | None:
        """Open the part file again."""
        target = self._path(key)
        path = target.parent / handle.get("part", "")
        if path.parent != target.parent or not hidden_name_in(path.name):
            return None
        try:
            size, descriptor = int(handle["part_size"]), os.open(path, os.O_RDWR)
        except (OSError, KeyError, ValueError):
            return None
        if not claim(descriptor):  # the earlier attempt has not ended
            os.close(descriptor)
            return None
        return LocalWriter(target, path, descriptor, size)

    def delete(self, key: str) -> None:
        """Remove the file."""
        with translated(f"cannot delete {self.uri(key)}"):
            self._path(key).unlink(missing_ok=True)

    def sweep(self, keys: Collection[str]) -> int:
        """Remove part files, recognized by their names, but those that another landing is writing."""
        targets: dict[Path, set[str]] = {}
        for key in keys:
            path = self._path(key)
            targets.setdefault(path.parent, set()).add(hidden_name(path.name))
        stale = 0
        for folder, names in targets.items():
            with translated(f"cannot clean up {folder}"):
                for part in folder.glob(f".*{PART_SUFFIX}"):
                    if hidden_name_in(part.name) in names and not is_in_use(part):
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
    path: Path
    descriptor: int
    part_size: int = 0

    def put_part(self, part: Part, data: memoryview) -> str:
        """Write at the part's offset."""
        self.part_size = max(self.part_size, part.size)
        with translated(f"cannot write {self.target}"):
            at, left = part.offset, data
            while left:
                count = os.pwrite(self.descriptor, left, at)
                at, left = at + count, left[count:]
        return f"{part.crc32:08x}"

    @property
    def handle(self) -> Mapping[str, str]:
        """Name of the part file, and its part size."""
        return {"part": self.path.name, "part_size": str(self.part_size)}

    def done(self) -> Sequence[StoredPart]:
        """The parts in the file, read back; a hole shows in the CRC-32."""
        with translated(f"cannot read {self.path}"):
            size = os.fstat(self.descriptor).st_size
        held = pieces(self.read, size, self.part_size or MIB)
        return [
            StoredPart(number, len(view), f"{crc32(view, 0):08x}")
            for number, view in enumerate(held, 1)
        ]

    def read(self, offset: int, view: memoryview) -> bool:
        """Read from the part file."""
        with translated(f"cannot read {self.path}"):
            return os.preadv(self.descriptor, [view], offset) == len(view)

    def commit(self, whole: Checksum, *, overwrite: bool) -> StoredObject:
        """Check the length, sync the data, then link it to its name in one step."""
        with translated(f"cannot publish {self.target}"):
            size = os.fstat(self.descriptor).st_size
            check_size(self.path.name, size, whole)
            self._sync()
            if overwrite:
                self.path.replace(self.target)
            else:
                self._link(whole)
            sync_folder(self.target.parent)
        return StoredObject(size)

    def _sync(self) -> None:
        try:
            os.fsync(self.descriptor)
        except OSError:
            # The system may have given up writing some bytes, would still show them to a reader, and would
            # call the next sync a success: nothing of this file can be trusted.
            self.path.unlink(missing_ok=True)
            raise

    def keep(self) -> None:
        """Close the file and keep it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def discard(self) -> None:
        """Remove the part file."""
        self.keep()
        with translated(f"cannot delete {self.path}"):
            self.path.unlink(missing_ok=True)

    def _link(self, whole: Checksum) -> None:
        try:
            os.link(self.path, self.target)
        except FileExistsError:
            pass
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            # On a file system without links, the check and the rename are two steps.
            if not self.target.exists():
                self.path.rename(self.target)
                return
        else:
            return
        # An earlier attempt may have published these bytes and been killed before it recorded that.
        if checksum_of(self.target) != whole:
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
