"""What an export package holds, in any of the containers a client may have to sniff.

The container format is not documented. Here it is a zip, a gzipped tar, or bytes that tell
nothing about themselves.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from typing import TYPE_CHECKING

from airflow_provider_assets.sandbox.images import BytesBlob, FileBlob, PngBlob
from airflow_provider_assets.sandbox.zips import Archive, Entry, Member, build_zip

if TYPE_CHECKING:
    from pathlib import Path

    from .inventory import Item

SUFFIXES = {"zip": ".zip", "targz": ".tar.gz", "opaque": ".bin"}


def members_of(items: Iterable[Item], *, item_bytes: int) -> list[Member]:
    """Two files an item: its definition and its icon."""
    members = []
    for item in items:
        folder = "applications" if item.kind == "app" else "tasks"
        definition = json.dumps(item.json(), sort_keys=True, ensure_ascii=False).encode()
        icon = PngBlob(item.seed, 16 + item.seed % 32, 16 + item.seed % 24, item_bytes)
        for name, blob in (("definition.json", BytesBlob(definition)), ("icon.png", icon)):
            path = f"{folder}/{item.name}/{name}"
            members.append(Member(name=path, item_id=item.id, blob=blob, modified=item.updated))
    return members


def build(path: Path, members: list[Member], *, container: str, style: str) -> Archive:
    """Write a package to `path` and say what is in it."""
    name = f"asset{SUFFIXES[container]}"
    if container == "zip":
        return build_zip(path, name=name, members=members, style=style)
    entries = []
    with path.open("wb") as raw:
        if container == "targz":
            # A time in the header would make equal packages differ.
            with (
                gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as packed,
                tarfile.open(fileobj=packed, mode="w|") as archive,
            ):
                entries = [_add(archive, member) for member in members]
        else:
            raw.write(b"\x00ROMA\x01")
            for member in members:
                for piece in member.blob.read(0, member.blob.size):
                    raw.write(piece)
    blob = FileBlob.of(path)
    return Archive(name=name, blob=blob, entries=tuple(entries))


def _add(archive: tarfile.TarFile, member: Member) -> Entry:
    data = b"".join(member.blob.read(0, member.blob.size))
    info = tarfile.TarInfo(member.name)
    info.size, info.mtime = len(data), int(member.modified)
    archive.addfile(info, io.BytesIO(data))
    return Entry(
        name=member.name,
        item_id=member.item_id,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )
