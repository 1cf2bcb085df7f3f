r"""Names of an archive's entries, made safe to use as paths and object keys.

An archive's names are untrusted input: ``../x``, ``/etc/x``, ``C:\x``, control characters, the same name
twice, a name that landings reserve. None of them is refused and none is used unchanged: the manifest
lists every file under the name with which it landed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container
from dataclasses import dataclass, field

from airflow_provider_assets.landing.markers import is_marker

_UNFIT = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
_DRIVE = re.compile(r"^[A-Za-z]:")
_SEGMENT = 255  # bytes: the limit of common file systems
_KEY = 900  # bytes: S3 and GCS allow 1,024 with the prefix, Azure 1,024 characters


def safe(name: str) -> str:
    """*name* as a relative path with ``/`` that stays below its folder."""
    text = unicodedata.normalize("NFC", name).encode("utf-8", "replace").decode()
    text = _DRIVE.sub("", text.replace("\\", "/"))
    segments = [_UNFIT.sub("_", part).strip().rstrip(".") for part in text.split("/")]
    kept = [_short(_not_ours(part), _SEGMENT) for part in segments if part]
    path = "/".join(kept) or "unnamed"
    return path if len(path.encode()) <= _KEY else _short(path.replace("/", "_"), _SEGMENT)


def _not_ours(name: str) -> str:
    return f"{name}_" if is_marker(name) else name


def _short(name: str, limit: int, mark: str = "") -> str:
    """*name* with *mark* before its extension, in at most *limit* bytes."""
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix) > 16:  # too long for a file name extension
        stem, dot, suffix = name, "", ""
    end = mark + dot + suffix
    room = limit - len(end.encode())
    return stem.encode()[:room].decode("utf-8", "ignore") + end


@dataclass(slots=True)
class Names:
    """Gives every entry of one landing a safe, unique name, the same in every run.

    :param reserved: names that the landing itself uses.
    """

    reserved: frozenset[str] = frozenset()
    _used: set[str] = field(default_factory=set)
    _folders: set[str] = field(default_factory=set)
    _paths: dict[str, str] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Count the reserved names as used."""
        self._used |= {name.casefold() for name in self.reserved}

    def give(self, name: str) -> str:
        """A safe name that was not given before: ``a.png``, ``a-2.png``. Case is ignored.

        No name is given to both a file and a folder, since most file systems do not allow that.
        """
        path = ""
        *folders, file = safe(name).split("/")
        for folder in folders:
            path = self._folder(path + folder, folder, path)
        path = self._free(path, file, self._used, self._folders)
        self._used.add(path.casefold())
        return path

    def _folder(self, asked: str, name: str, parent: str) -> str:
        """The path of a folder, with its slash: the same for all its files."""
        if asked not in self._paths:
            given = self._free(parent, name, self._used)
            self._folders.add(given.casefold())
            self._paths[asked] = f"{given}/"
        return self._paths[asked]

    def _free(self, parent: str, wanted: str, *taken: Container[str]) -> str:
        chosen = parent + wanted
        equal = chosen.casefold()
        # Numbers that equal names were given before are not tried again.
        number = self._last.get(equal, 1)
        while any(chosen.casefold() in names for names in taken):
            number += 1
            chosen = parent + _short(wanted, _SEGMENT, f"-{number}")
            self._last[equal] = number
        return chosen
