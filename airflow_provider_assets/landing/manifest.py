"""The manifest of a landing. Its object is written last: it commits the landing."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from airflow_provider_assets.sansio.arguments import cut, shown
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.fingerprints import fingerprint
from airflow_provider_assets.sansio.stored import (
    Fits,
    check_fields,
    is_count,
    is_epoch,
    is_flag,
    is_lists,
    is_mapping,
    is_text,
    is_texts,
    or_none,
)
from airflow_provider_assets.sansio.strict_json import JSON, parse_text

VERSION = 1
_OBJECT_ONLY = frozenset({"version", "files", "contents"})
Document = bytes  # ``bytes`` is a field below
_ENTRY: Mapping[str, Fits] = {
    "name": is_text,
    "bytes": is_count,
    **dict.fromkeys(("crc32", "sha256"), or_none(is_text)),
}
_CONTENTS: Mapping[str, Fits] = {"items": is_lists, "exported_at": or_none(is_epoch)}
_MANIFEST: Mapping[str, Fits] = {
    **dict.fromkeys(("uri", "manifest_uri", "layout"), is_text),
    **dict.fromkeys(("bytes", "entries"), is_count),
    **dict.fromkeys(("crc32", "sha256"), or_none(is_text)),
    **dict.fromkeys(("unverified", "facts"), is_mapping),
    "verified": is_texts,
    "skipped": is_flag,
    "files": lambda value: isinstance(value, list),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a landing: name (relative to the data), bytes and checksums (hex)."""

    name: str
    bytes: int
    crc32: str | None = None
    sha256: str | None = None

    def to_dict(self) -> dict[str, JSON]:
        """JSON form."""
        known: dict[str, JSON] = {"name": self.name, "bytes": self.bytes}
        if self.crc32 is not None:
            known["crc32"] = self.crc32
        if self.sha256 is not None:
            known["sha256"] = self.sha256
        return known


@dataclass(frozen=True, slots=True)
class Contents:
    """The items in a landing. Only the manifest object records them, since they may be many.

    :param items: kind of item -> ids of those that the vendor archived.
    :param exported_at: epoch seconds at which the vendor was asked for them, if known.
    """

    items: Mapping[str, tuple[str, ...]]
    exported_at: float | None = None

    def to_dict(self) -> dict[str, JSON]:
        """JSON form."""
        items: dict[str, JSON] = {kind: list(ids) for kind, ids in self.items.items()}
        return {"items": items, "exported_at": self.exported_at}


@dataclass(frozen=True, slots=True)
class Manifest:
    """Summary of a landing, small enough for XCom; only the manifest object lists the entries.

    :param uri: URI of the object, or of the folder for ``layout="files"``.
    :param bytes: bytes stored, without the manifest.
    :param sha256: hex digest of the object, or for ``files`` of the lines ``<crc32>  <bytes>  <name>``
        sorted by name; None if it was not computed.
    :param crc32: hex CRC-32 of the object; None for ``files``.
    :param entries: number of files inside the archive, or of files that landed.
    :param verified: checks that passed: ``length``, ``zip_structure``, ``zip_crc32``, ``gzip_trailer``,
        ``store_checksum``.
    :param unverified: check -> reason why it was not made.
    :param skipped: whether the landing was complete already, so that no byte was moved.
    :param facts: origin of the archive, as the caller gave it (vendor, window, fingerprint, job id).
    """

    uri: str
    bytes: int
    sha256: str | None
    crc32: str | None
    entries: int
    manifest_uri: str
    layout: str = "archive"
    verified: tuple[str, ...] = ()
    unverified: Mapping[str, str] = field(default_factory=dict)
    skipped: bool = False
    facts: Mapping[str, JSON] = field(default_factory=dict)

    @property
    def lists_files(self) -> bool:
        """Whether the manifest object lists the vendor's files, and not one object that we have named."""
        return self.layout == "files" or "zip_structure" in self.verified

    def to_dict(self) -> dict[str, JSON]:
        """JSON form, without the entries."""
        return {
            "version": VERSION,
            "uri": self.uri,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "crc32": self.crc32,
            "entries": self.entries,
            "manifest_uri": self.manifest_uri,
            "layout": self.layout,
            "verified": list(self.verified),
            "unverified": dict(self.unverified),
            "skipped": self.skipped,
            "facts": dict(self.facts),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, JSON]) -> Manifest:
        """The inverse of :meth:`to_dict`.

        :raises InvalidRequestError: if *data* is not a manifest, or one of another version.
        """
        check_fields(data, _MANIFEST, "a manifest")
        if data.get("version") != VERSION:
            raise InvalidRequestError(
                f"manifest version {shown(data.get('version'))}, but this release knows only version "
                f"{VERSION}"
            )
        known = {key: value for key, value in data.items() if key not in _OBJECT_ONLY}
        known["verified"] = cast("JSON", tuple(cast("list[str]", known.get("verified") or ())))
        try:
            return cls(**known)  # type: ignore[arg-type]  # unknown names raise right here
        except TypeError as error:
            raise InvalidRequestError(f"not a manifest: {cut(str(error))}") from error

    def document(self, files: Iterable[Entry], contents: Contents | None = None) -> Document:
        """The manifest object: :meth:`to_dict`, *contents*, and ``files``, one entry per line."""
        data = self.to_dict() | ({"contents": contents.to_dict()} if contents else {})
        head = json.dumps(data, sort_keys=True, ensure_ascii=False)
        # There may be a million: nothing but the document itself holds them all.
        text = io.BytesIO()
        text.write(f'{head[:-1]}, "files": ['.encode())
        for number, entry in enumerate(files):
            line = json.dumps(entry.to_dict(), ensure_ascii=False)
            text.write(f"{',' if number else ''}\n{line}".encode())
        text.write(b"\n]}\n")
        return text.getvalue()


def parse(document: bytes) -> tuple[Manifest, list[Entry]]:
    """The manifest and the files in the bytes of a manifest object.

    :raises InvalidRequestError: if *document* is not a manifest of this package.
    """
    record, files, _ = parse_all(document)
    return record, files


def parse_all(document: bytes) -> tuple[Manifest, list[Entry], Contents | None]:
    """The manifest, the files and, unless an earlier release wrote the manifest, its contents.

    :raises InvalidRequestError: if *document* is not a manifest of this package.
    """
    try:
        data: Any = parse_text(document.decode())
    except ValueError as error:
        raise InvalidRequestError(f"not a manifest: {cut(str(error))}") from error
    record = Manifest.from_dict(data)
    try:
        return record, [_entry(one) for one in data["files"]], _contents(data.get("contents"))
    except (KeyError, TypeError) as error:
        raise InvalidRequestError(
            f"not a manifest: it cannot be read: {cut(repr(error))}"
        ) from error


def _entry(data: Any) -> Entry:
    check_fields(data, _ENTRY, "a manifest: 'files' cannot be read")
    return Entry(**data)


def _contents(data: Any) -> Contents | None:
    if data is None:
        return None
    check_fields(data, _CONTENTS, "a manifest: 'contents' cannot be read")
    items = {kind: tuple(ids) for kind, ids in data["items"].items()}
    return Contents(items, data["exported_at"])


def label_of(facts: Mapping[str, JSON]) -> str:
    """Identity of a landing: ``facts["fingerprint"]``, else a digest of all the facts."""
    given = facts.get("fingerprint")
    return given if isinstance(given, str) else fingerprint(dict(facts))
