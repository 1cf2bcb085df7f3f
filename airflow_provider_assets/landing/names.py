r"""Names of files out of an archive, made safe to use as paths and object keys.

An archive's names are input of unknown origin: ``../x``, ``/etc/x``, ``C:\x``, control characters, the
same name twice. None of them is refused and none is used as it is: what landed is listed in the
manifest under the name it landed with.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

_UNFIT = re.compile(r'[\x00-\x1f\x7f<>:"|?*]')
_DRIVE = re.compile(r"^[A-Za-z]:")
_SEGMENT = 255  # bytes: the limit of common file systems
_KEY = 900  # bytes: S3 and GCS allow 1,024 with the prefix, Azure 1,024 characters


def safe(name: str) -> str:
    """*name* as a relative path with ``/``, without anything that leads out of its folder."""
    text = unicodedata.normalize("NFC", name).encode("utf-8", "replace").decode()
    text = _DRIVE.sub("", text.replace("\\", "/"))
    segments = [_UNFIT.sub("_", part).strip().rstrip(".") for part in text.split("/")]
    kept = [_short(part, _SEGMENT) for part in segments if part]
    path = "/".join(kept) or "unnamed"
    return path if len(path.encode()) <= _KEY else _short(path.replace("/", "_"), _SEGMENT)


def _short(name: str, limit: int) -> str:
    if len(name.encode()) <= limit:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > 16:  # that is no file name extension
        stem, suffix = name, ""
    room = limit - len((dot + suffix).encode() if suffix else b"")
    return stem.encode()[:room].decode("utf-8", "ignore") + (dot + suffix if suffix else "")


@dataclass(slots=True)
class Names:
    """Gives every entry of one landing a safe name of its own, the same in every run.

    :param reserved: names that are taken by the landing itself.
    """

    reserved: frozenset[str] = frozenset()
    _used: set[str] = field(default_factory=set)

    def give(self, name: str) -> str:
        """A safe name that was not given before: ``a.png``, ``a-2.png``; case counts as the same."""
        wanted = safe(name)
        chosen, number = wanted, 1
        while self._clashes(chosen):
            number += 1
            folder, slash, file = wanted.rpartition("/")
            stem, dot, suffix = file.rpartition(".")
            marked = f"{stem}-{number}{dot}{suffix}" if stem else f"{file}-{number}"
            chosen = f"{folder}{slash}{marked}"
        self._used.add(chosen.casefold())
        return chosen

    def _clashes(self, name: str) -> bool:
        return name.casefold() in self._used or name in self.reserved
