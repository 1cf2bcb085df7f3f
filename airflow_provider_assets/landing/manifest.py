"""The record of what landed. Its object beside the data is written last: it is the commit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.jobs import fingerprint
from airflow_provider_assets.sansio.messages import JSON

VERSION = 1
MANIFEST_SUFFIX = ".manifest.json"
Document = bytes  # ``bytes`` is a field below


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of what landed: its name (relative to the data), bytes and checksums (hex)."""

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
class Manifest:
    """What landed where, small enough for XCom; the entries are listed in the manifest object.

    :param uri: of the object, or of the folder for ``layout="files"``.
    :param bytes: bytes stored, the manifest not counted.
    :param sha256: hex; of the object, or for ``files`` of the lines ``<crc32>  <bytes>  <name>``
        in order of name. None where it was not computed.
    :param crc32: hex, of the object; None for ``files``.
    :param entries: number of files inside the archive, or of the files that landed.
    :param verified: the checks that were made and held, of ``length``, ``sha256``,
        ``zip_structure``, ``zip_crc32``, ``gzip_trailer``, ``store_checksum``.
    :param unverified: check -> why it could not be made.
    :param skipped: everything was there already; no byte moved.
    :param facts: what the caller wanted remembered (vendor, window, fingerprint, job id).
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
        """The manifest that :meth:`to_dict` described.

        :raises InvalidRequestError: if it is not one, or of another version.
        """
        if data.get("version") != VERSION:
            raise InvalidRequestError(
                f"manifest version {data.get('version')!r}, but this release knows version {VERSION} only"
            )
        known = {key: value for key, value in data.items() if key not in ("version", "files")}
        if not isinstance(known.get("facts", {}), dict):
            raise InvalidRequestError("not a manifest: its facts are no JSON object")
        known["verified"] = cast("JSON", tuple(cast("list[str]", known.get("verified") or ())))
        try:
            return cls(**known)  # type: ignore[arg-type]  # unknown names raise right here
        except TypeError as error:
            raise InvalidRequestError(f"not a manifest: {error}") from error

    def document(self, files: Iterable[Entry]) -> Document:
        """The manifest object: :meth:`to_dict` and ``files``, one entry per line."""
        head = json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=False)
        lines = ",\n".join(json.dumps(entry.to_dict(), ensure_ascii=False) for entry in files)
        return f'{head[:-1]}, "files": [\n{lines}\n]}}\n'.encode()


def parse(document: bytes) -> tuple[Manifest, list[Entry]]:
    """The manifest of a manifest object, and the files that it lists.

    :raises InvalidRequestError: if it is none of ours.
    """
    try:
        data = json.loads(document)
    except ValueError as error:
        raise InvalidRequestError(f"not a manifest: {error}") from error
    if not isinstance(data, dict):
        raise InvalidRequestError("not a manifest: no JSON object")
    record = Manifest.from_dict(data)
    try:
        return record, [Entry(**item) for item in data["files"]]
    except (KeyError, TypeError) as error:
        raise InvalidRequestError(f"not a manifest: its files cannot be read: {error}") from error


def identity(facts: Mapping[str, JSON]) -> str:
    """What makes two landings the same: ``facts["fingerprint"]``, else all the facts."""
    given = facts.get("fingerprint")
    return given if isinstance(given, str) else fingerprint(dict(facts))
