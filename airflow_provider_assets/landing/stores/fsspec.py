"""Any fsspec file system: one writer, in order, to a temporary name; then a move.

The promise is weaker than that of the other stores: the length is compared before the move, no
checksum; whether the move is one step, and whether it could replace something that appears in the
same moment, depends on the file system; a broken landing starts over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

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
from airflow_provider_assets.sansio.errors import (
    AuthenticationError,
    IntegrityError,
    InvalidRequestError,
    TransferInterruptedError,
)

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from fsspec.spec import AbstractBufferedFile

T = TypeVar("T")
_RULES = Rules(in_order=True)


def _call(what: str, action: Callable[[], T]) -> T:
    try:
        return action()
    except PermissionError as error:
        raise AuthenticationError(f"{what}: permission denied") from error
    except (NotImplementedError, TypeError, ValueError) as error:
        raise InvalidRequestError(
            f"{what}: the file system cannot do that ({type(error).__name__})"
        ) from error
    except Exception as error:  # each file system brings the errors of its own library
        raise TransferInterruptedError(f"{what}: {type(error).__name__}") from error


def _found(what: str, action: Callable[[], T]) -> T | None:
    """The same, or None where there is no such file."""

    def look() -> T | None:
        with suppress(FileNotFoundError):
            return action()
        return None

    return _call(what, look)


@dataclass(frozen=True, slots=True)
class FsspecStore:
    """A file system and the folder (or bucket) in it.

    :param fs: an ``fsspec.AbstractFileSystem``. :param root: path that all keys are below.
    :param scheme: what URIs begin with; None: the file system's own protocol.
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
        """Where *key* is in the file system."""
        return f"{self.root.rstrip('/')}/{key}" if self.root else key

    def head(self, key: str) -> StoredObject | None:
        """Length."""
        size = _found(f"cannot look at {self.uri(key)}", lambda: self._size(key))
        return None if size is None else StoredObject(size)

    def sizes(self, prefix: str) -> dict[str, int]:
        """Of everything below the folder of *prefix*."""
        folder = self.path(prefix.rpartition("/")[0])
        found = _found(f"cannot list {self.uri(prefix)}", lambda: self._find(folder)) or {}
        cut = len(self.path("x").lstrip("/")) - 1
        keys = {name.lstrip("/")[cut:]: int(info["size"]) for name, info in found.items()}
        return {key: size for key, size in keys.items() if key.startswith(prefix)}

    def get(self, key: str) -> bytes | None:
        """The file's bytes."""
        found = _found(f"cannot read {self.uri(key)}", lambda: self.fs.cat_file(self.path(key)))
        return None if found is None else bytes(found)

    def read(self, key: str, offset: int, view: memoryview) -> None:
        """A range of the file."""
        what, end = f"cannot read {self.uri(key)}", offset + len(view)
        data = _call(what, lambda: self.fs.cat_file(self.path(key), start=offset, end=end))
        if len(data) != len(view):
            raise TransferInterruptedError(f"{what}: {len(data)} of {len(view)} bytes came")
        view[:] = data

    def put(
        self, key: str, data: memoryview | bytes, *, crc32: int, overwrite: bool
    ) -> StoredObject:
        """Write to a temporary name, then move."""
        writer = self.begin(key, label="")
        try:
            writer.put_part(Part(1, 0, len(data), crc32), memoryview(data))
            return writer.commit(Checksum(len(data), crc32), overwrite=overwrite)
        finally:
            writer.abort()

    def begin(self, key: str, *, label: str) -> FsspecWriter:
        """Open a temporary name."""
        folder, slash, name = self.path(key).rpartition("/")
        temporary = f"{folder}{slash}{part_file(name)}"
        if folder:
            _call(f"cannot write to {folder}", lambda: self.fs.makedirs(folder, exist_ok=True))
        file = _call(f"cannot write {self.uri(key)}", lambda: self.fs.open(temporary, "wb"))
        return FsspecWriter(self, key, temporary, file)

    def resume(self, key: str, state: Mapping[str, str]) -> None:
        """Not offered."""
        return

    def delete(self, key: str) -> None:
        """Remove the file."""
        _found(f"cannot delete {self.uri(key)}", lambda: self.fs.rm_file(self.path(key)))

    def sweep(self, keys: Collection[str]) -> int:
        """Remove temporary names of dead landings, known by their form."""
        paths = [self.path(key).rpartition("/")[::2] for key in keys]
        targets = {(folder, hidden_name(name)) for folder, name in paths}
        stale = 0
        for folder in {folder for folder, _ in targets}:
            for path in self._list(folder):
                if (folder, hidden_name_in(path.rpartition("/")[2])) in targets:
                    _found(f"cannot delete {path}", partial(self.fs.rm_file, path))
                    stale += 1
        return stale

    def _list(self, folder: str) -> list[str]:
        found = _found(
            f"cannot list {folder}", lambda: self.fs.ls(folder, detail=False, refresh=True)
        )
        return [str(path) for path in found or ()]

    def _size(self, key: str) -> int:
        self.fs.invalidate_cache()
        return int(self.fs.info(self.path(key))["size"])

    def _find(self, folder: str) -> dict[str, dict[str, int]]:
        self.fs.invalidate_cache()
        return dict(self.fs.find(folder, detail=True))


@dataclass(slots=True)
class FsspecWriter:
    """One temporary file, written in order."""

    store: FsspecStore
    key: str
    temporary: str
    file: AbstractBufferedFile | None

    def put_part(self, part: Part, data: memoryview) -> str:
        """Append."""
        file = self.file
        assert file is not None  # noqa: S101  # for the type checker: open until commit
        _call(f"part {part.number} of {self.store.uri(self.key)}", lambda: file.write(bytes(data)))
        return f"{part.crc32:08x}"

    @property
    def state(self) -> Mapping[str, str]:
        """Nothing to resume."""
        return {}

    def done(self) -> Sequence[StoredPart]:
        """Nothing."""
        return ()

    def read(self, offset: int, view: memoryview) -> bool:
        """Not while it is written."""
        return False

    def commit(self, whole: Checksum, *, overwrite: bool) -> StoredObject:
        """Compare the length, then move."""
        fs, target = self.store.fs, self.store.path(self.key)
        what = f"cannot publish {self.store.uri(self.key)}"
        if self.file is not None:
            _call(what, self.file.close)
            self.file = None
        fs.invalidate_cache()
        size = _call(what, lambda: int(fs.info(self.temporary)["size"]))
        if size != whole.size:
            raise IntegrityError(f"{self.temporary} holds {size} bytes, expected {whole.size}")
        if not overwrite and self.store.head(self.key):
            if not holds(self.store, self.key, whole):
                raise name_taken(self.store.uri(self.key))
        else:
            _call(what, lambda: self._move(target, overwrite=overwrite))
            fs.invalidate_cache()
        return StoredObject(size)

    def _move(self, target: str, *, overwrite: bool) -> None:
        """To its name. Some file systems (SMB, HDFS) refuse a name that is taken: it is freed first."""
        fs = self.store.fs
        try:
            fs.mv(self.temporary, target)
        except Exception:
            # Only where the move has not happened, and what is in its way is the reason.
            fs.invalidate_cache()
            if not (overwrite and fs.exists(self.temporary) and fs.exists(target)):
                raise
            fs.rm_file(target)
            fs.mv(self.temporary, target)

    def keep(self) -> None:
        """Nothing can be kept."""
        self.abort()

    def abort(self) -> None:
        """Remove the temporary file; a file system that has one publishes it when it is closed."""
        if self.file is not None:
            with suppress(Exception):
                self.file.discard() if hasattr(self.file, "discard") else self.file.close()
            self.file = None
        remove = partial(self.store.fs.rm_file, self.temporary)
        best_effort(lambda: _found(f"cannot delete {self.temporary}", remove))
