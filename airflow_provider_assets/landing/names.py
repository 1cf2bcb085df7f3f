r"""Names of an archive's entries, made safe to use as paths and object keys.

An archive's names are untrusted input: ``../x``, ``/etc/x``, ``C:\x``, control characters, the same name
twice, a name that landings reserve. None of them is refused and none is used unchanged: the manifest
lists every file under the name with which it landed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from airflow_provider_assets.landing.markers import is_marker, is_top_folder
from airflow_provider_assets.sansio.errors import InvalidRequestError

# Control characters, line ends and changes of the text's direction; what Windows does not take.
_UNFIT = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069<>:"|?*]')
_DRIVE = re.compile(r"^[A-Za-z]:")
# Dots and the spaces of Unicode, as strip() knows them; a pattern takes the square of their number.
_ENDS = ". \xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u202f\u205f\u3000"
_LONGEST_MARK = "-" + "9" * 7
FEW_FOLDERS = 100_000  # that every archive may have, whatever its limits are: they take 20 MiB
_SEGMENT = 255  # bytes: the limit of common file systems
_KEY = 900  # bytes
# With the prefix: S3 and GCS allow 1,024 bytes, Azure 1,024 characters; landings append up to 40 of them.
_WHOLE_KEY = 1024 - 40


def safe(name: str, longest: int = _KEY) -> str:
    """*name* as a relative path with ``/``, of at most *longest* bytes, that stays below its folder."""
    text = unicodedata.normalize("NFC", name).encode("utf-8", "replace").decode()
    text = _UNFIT.sub("_", _DRIVE.sub("", text.replace("\\", "/")))
    segments = [kept for part in text.split("/") if (kept := part.strip().rstrip(_ENDS))]
    if len(segments) <= longest // 2:
        if segments and is_top_folder(segments[0]):
            segments[0] += "_"
        path = "/".join(map(_fit, segments)) or "unnamed"
        if len(path.encode()) <= longest:
            return path
    return _fit("_".join(segments))


def _fit(segment: str) -> str:
    """*segment* in as many bytes as file systems take, and as no name that landings reserve."""
    name = _short(segment, _SEGMENT)
    return f"{_short(name, _SEGMENT - 1)}_" if is_marker(name) else name


def _short(name: str, limit: int, mark: str = "") -> str:
    """*name* with *mark* before its extension, in at most *limit* bytes."""
    stem, dot, suffix = name.rpartition(".")
    if not stem or len(suffix) > 16:  # too long for a file name extension
        stem, dot, suffix = name, "", ""
    end = mark + dot + suffix
    kept = stem.encode()[: limit - len(end.encode())].decode("utf-8", "ignore")
    return (kept if kept == stem else kept.rstrip(_ENDS) or "_") + end


@dataclass(slots=True)
class Names:
    """Gives every entry of one landing a safe, unique name, the same in every run.

    An archive of 64 MiB can name thirty million folders, so that only hashes of names are kept.

    :param max_folders: largest number of folders.
    :param prefix: prefix of the keys, which leaves less room for names if it is long.
    """

    max_folders: int = 1_000_000
    prefix: str = ""
    _files: set[int] = field(default_factory=set)
    _folders: set[int] = field(default_factory=set)
    _unchanged: set[int] = field(default_factory=set)
    _renamed: dict[str, str] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)
    _room: int = field(init=False)

    def __post_init__(self) -> None:
        """Calculate the room that the prefix leaves."""
        self._room = min(_KEY, _WHOLE_KEY - len(self.prefix.encode()))

    def give(self, name: str) -> str:
        """A safe name that was not given before: ``a.png``, ``a-2.png``. Case is ignored.

        No name is given to both a file and a folder, since most file systems do not allow that.

        :raises InvalidRequestError: if there are too many folders.
        """
        path = ""
        *folders, file = safe(name, self._room).split("/")
        for folder in folders:
            path = self._folder(path, folder)
        path = self._free(path, file, self._files, self._folders)
        self._files.add(_hash(path))
        return path

    def _folder(self, parent: str, name: str) -> str:
        """The path of a folder, with its slash: the same for all its files."""
        asked = f"{parent}{name}/"
        if hash(asked) in self._unchanged:
            return asked
        if asked in self._renamed:
            return self._renamed[asked]
        if len(self._unchanged) + len(self._renamed) >= self.max_folders:
            raise InvalidRequestError(
                f"the archive has files in more than {self.max_folders} folders; if that is expected, "
                "set a larger max_entries or use layout='archive'"
            )
        given = self._free(parent, name, self._files)
        self._folders.add(_hash(given))
        if f"{given}/" == asked:
            self._unchanged.add(hash(asked))
        else:
            self._renamed[asked] = f"{given}/"
        return f"{given}/"

    def _free(self, parent: str, wanted: str, *taken: Collection[int]) -> str:
        chosen = parent + wanted
        if not _is_in(chosen, taken):
            return chosen
        # Numbers given to equal names before are not tried again, nor those of other names that are cut
        # to the same text to make room for a number.
        equal = (parent + _short(wanted, _SEGMENT, _LONGEST_MARK)).casefold()
        number = self._last.get(equal, 1)
        while _is_in(chosen, taken):
            number += 1
            chosen = parent + _short(wanted, _SEGMENT, f"-{number}")
        self._last[equal] = number
        return chosen


def _hash(name: str) -> int:
    return hash(name.casefold())


def _is_in(name: str, taken: Iterable[Collection[int]]) -> bool:
    number = _hash(name)
    return any(number in numbers for numbers in taken)
