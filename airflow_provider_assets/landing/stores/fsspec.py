"""Any other fsspec file system: parts are written in order to a part file, which is then moved to its name.

The guarantees are weaker than those of the other stores: only the length is compared before the move, and
no checksum. The file system decides whether the move is atomic, and whether it could replace a file that
appears at the same moment. A broken landing starts from scratch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_provider_assets.landing.crc import Checksum
from airflow_provider_assets.landing.markers import hidden_name, hidden_name_in, part_file
from airflow_provider_assets.landing.stores.base import (
    Part,
    Rules,
    StoredObject,
    StoredPart,
    best_effort,
    holds,
    name_taken,
)
from airflow_provider_assets.landing.stores.object_options import DEFAULTS, ObjectOptions
from airflow_provider_assets.landing.stores.shared import check_size, denied, fill, put_as_one_part
from airflow_provider_assets.sansio.errors import (
    InvalidRequestError,
    TransferInterruptedError,
)

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from fsspec.spec import AbstractBufferedFile

_RULES = Rules(needs_order=True)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Translate errors of the file system; *what* failed, as the beginning of an error's text."""
    try:
        yield
    except PermissionError as error:
        raise denied(f"{what}: permission denied") from error
    except (NotImplementedError, TypeError, ValueError) as error:
        raise InvalidRequestError(
            f"{what}: the file system does not support it ({type(error).__name__})"
        ) from error
    except Exception as error:  # each file system raises errors of its own library
        raise TransferInterruptedError(f"{what}: {type(error).__name__}") from error


@contextmanager
def _if_there(what: str) -> Iterator[None]:
    """Likewise, but end the block without an error if there is no such file."""
    with _translated(what), suppress(FileNotFoundError):
        yield


@dataclass(frozen=True, slots=True)
class FsspecStore:
    """A folder (or bucket) of a file system.

    :param fs: an ``fsspec.AbstractFileSystem``. :param root: path of the folder.
    :param scheme: scheme of the URIs; None: the file system's own protocol.
    """

    fs: AbstractFileSystem = field(repr=False)
    root: str = ""
    scheme: str | None = None
    rules: Rules = field(default=_RULES, repr=False)

    def uri(self, key: str) -> str:
        """``scheme://root/key``."""
        protocol = self.fs.protocol
        own = protocol if isinstance(protocol, str) else protocol[0]
        return f"{self.scheme or own}://{self.path(key).lstrip('/')}"

    def path(self, key: str) -> str:
        """Path of *key* in the file system."""
        return f"{self.root.rstrip('/')}/{key}" if self.root else key

    def head(self, key: str) -> StoredObject | None:
        """Length of the file."""
        with _if_there(f"cannot inspect {self.uri(key)}"):
            self.fs.invalidate_cache()
            return StoredObject(int(self.fs.info(self.path(key))["size"]))
        return None

    def listing(self, prefix: str) -> Iterator[tuple[str, int]]:
        """The files below the folder of *prefix*; fsspec lists them at once."""
        folder = self.path(prefix.rpartition("/")[0])
        found: Mapping[str, Mapping[str, int]] = {}
        with _if_there(f"cannot list {self.uri(prefix)}"):
            self.fs.invalidate_cache()
            found = self.fs.find(folder, detail=True)
        cut = len(self.path("x").lstrip("/")) - 1
        for name, info in found.items():
            key = name.lstrip("/")[cut:]
            if key.startswith(prefix):
                yield key, int(info["size"])

    def get(self, key: str) -> bytes | None:
        """Contents of the file."""
        with _if_there(f"cannot read {self.uri(key)}"):
            return bytes(self.fs.cat_file(self.path(key)))
        return None

    def read(self, key: str, offset: int, view: memoryview) -> None:
        """Read a range of the file."""
        what, end = f"cannot read {self.uri(key)}", offset + len(view)
        with _translated(what):
            data = self.fs.cat_file(self.path(key), start=offset, end=end)
        fill(view, data, what)

    def check(self, options: ObjectOptions) -> None:
        """None: file systems share no way to set them."""
        options.admit(f"the file system of {self.uri('')}", ())

    def put(
        self,
        key: str,
        data: memoryview | bytes,
        *,
        crc32: int,
        overwrite: bool,
        options: ObjectOptions = DEFAULTS,
    ) -> StoredObject:
        """Write a part file, then move it."""
        writer = self.begin(key, label="")
        return put_as_one_part(writer, data, crc32, overwrite=overwrite)

    def begin(self, key: str, *, label: str, options: ObjectOptions = DEFAULTS) -> FsspecWriter:
        """Open a part file."""
        folder, slash, name = self.path(key).rpartition("/")
        temporary = f"{folder}{slash}{part_file(name)}"
        if folder:
            with _translated(f"cannot write to {folder}"):
                self.fs.makedirs(folder, exist_ok=True)
        with _translated(f"cannot write {self.uri(key)}"):
            file = self.fs.open(temporary, "wb")
        return FsspecWriter(self, key, temporary, file)

    def resume(
        self, key: str, handle: Mapping[str, str], *, options: ObjectOptions = DEFAULTS
    ) -> None:
        """Not supported: return None."""
        return

    def delete(self, key: str) -> None:
        """Remove the file."""
        with _if_there(f"cannot delete {self.uri(key)}"):
            self.fs.rm_file(self.path(key))

    def sweep(self, keys: Collection[str]) -> int:
        """Remove part files of dead landings, recognized by their names."""
        paths = [self.path(key).rpartition("/")[::2] for key in keys]
        targets = {(folder, hidden_name(name)) for folder, name in paths}
        stale = 0
        for folder in {folder for folder, _ in targets}:
            for path in self._list(folder):
                if (folder, hidden_name_in(path.rpartition("/")[2])) in targets:
                    self.remove(path)
                    stale += 1
        return stale

    def remove(self, path: str) -> None:
        """Remove a part file, if there is one."""
        with _if_there(f"cannot delete {path}"):
            self.fs.rm_file(path)

    def _list(self, folder: str) -> list[str]:
        with _if_there(f"cannot list {folder}"):
            return [str(path) for path in self.fs.ls(folder, detail=False, refresh=True)]
        return []


@dataclass(slots=True)
class FsspecWriter:
    """One part file, written in order."""

    store: FsspecStore
    key: str
    temporary: str
    file: AbstractBufferedFile | None

    def put_part(self, part: Part, data: memoryview) -> str:
        """Append the part."""
        file = self.file
        assert file is not None  # noqa: S101  # for the type checker: open until commit
        with _translated(f"part {part.number} of {self.store.uri(self.key)}"):
            file.write(bytes(data))
        return f"{part.crc32:08x}"

    @property
    def handle(self) -> Mapping[str, str]:
        """Empty: there is nothing to resume."""
        return {}

    def done(self) -> Sequence[StoredPart]:
        """No parts."""
        return ()

    def read(self, offset: int, view: memoryview) -> bool:
        """A file cannot be read while it is written."""
        return False

    def commit(self, whole: Checksum, *, overwrite: bool) -> StoredObject:
        """Compare the length, then move the file."""
        fs, target = self.store.fs, self.store.path(self.key)
        what = f"cannot publish {self.store.uri(self.key)}"
        if self.file is not None:
            with _translated(what):
                self.file.close()
            self.file = None
        with _translated(what):
            fs.invalidate_cache()
            size = int(fs.info(self.temporary)["size"])
        check_size(self.temporary, size, whole)
        if not overwrite and self.store.head(self.key):
            if not holds(self.store, self.key, whole):
                raise name_taken(self.store.uri(self.key))
        else:
            with _translated(what):
                self._move(target, overwrite=overwrite)
                fs.invalidate_cache()
        return StoredObject(size)

    def _move(self, target: str, *, overwrite: bool) -> None:
        """Move the file to *target*, which is freed first if the file system needs that (SMB, HDFS)."""
        fs = self.store.fs
        try:
            self._rename(target)
        except Exception:
            # Only if the move has not happened, and the target is in its way.
            fs.invalidate_cache()
            if not (overwrite and fs.exists(self.temporary) and fs.exists(target)):
                raise
            fs.rm_file(target)
            self._rename(target)

    def _rename(self, target: str) -> None:
        from fsspec import AbstractFileSystem

        fs = self.store.fs
        if type(fs).mv is AbstractFileSystem.mv:
            # It would do the same, but take brackets in a name for a pattern.
            fs.cp_file(self.temporary, target)
            fs.rm_file(self.temporary)
        else:
            fs.mv(self.temporary, target)

    def keep(self) -> None:
        """Remove the file, since it cannot be resumed."""
        self.discard()

    def discard(self) -> None:
        """Remove the part file. Object stores create it only when it is closed."""
        if self.file is not None:
            with suppress(Exception):
                self.file.discard() if hasattr(self.file, "discard") else self.file.close()
            self.file = None
        best_effort(lambda: self.store.remove(self.temporary))
