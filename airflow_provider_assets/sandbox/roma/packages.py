"""The packages of exports: their files, and the container that these are packed in.

Neither is documented. Here a package has one file for all items, or one or two per item; and it is
a zip, a tar, a gzipped tar, a gzip of all files one after the other, or bytes of no known format.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

from airflow_provider_assets.sandbox.blobs import Blob, BytesBlob, FileBlob
from airflow_provider_assets.sandbox.images import PngBlob
from airflow_provider_assets.sandbox.roma.items import Item
from airflow_provider_assets.sandbox.roma.views import item_json
from airflow_provider_assets.sandbox.zips import Archive, Entry, Member, build_zip

_SUFFIXES = {"zip": ".zip", "tar": ".tar", "gzip": ".gz", "targz": ".tar.gz", "opaque": ".bin"}


def members_of(items: list[Item], *, package: str, item_bytes: int) -> list[Member]:
    """The files of a package.

    :param package: ``one`` for a single file that defines all items, ``per-item`` for one
        definition each, ``two-per-item`` for a definition and an icon each.
    """
    if package == "one":
        return [_everything(items)]
    members = []
    for item in items:
        folder = "applications" if item.kind == "app" else "tasks"
        files: list[tuple[str, Blob]] = [("definition.json", _json(item_json(item)))]
        if package == "two-per-item":
            sides = 16 + item.seed % 32, 16 + item.seed % 24
            files.append(("icon.png", PngBlob(item.seed, *sides, item_bytes)))
        for name, blob in files:
            path = f"{folder}/{item.name}/{name}"
            members.append(Member(name=path, item_id=item.id, blob=blob, modified=item.updated))
    return members


def _everything(items: list[Item]) -> Member:
    changed = max((item.updated for item in items), default=0.0)
    blob = _json([item_json(item) for item in items])
    return Member(name="assets.json", item_id="", blob=blob, modified=changed)


def _json(data: object) -> BytesBlob:
    return BytesBlob(json.dumps(data, sort_keys=True, ensure_ascii=False).encode())


def build(path: Path, members: list[Member], *, container: str, style: str) -> Archive:
    """Write a package to a file and return the record of its content."""
    name = f"asset{_SUFFIXES[container]}"
    if container == "zip":
        return build_zip(path, name=name, members=members, style=style)
    entries: list[Entry] = []
    with contextlib.ExitStack() as stack:
        out: io.BufferedIOBase = stack.enter_context(path.open("wb"))
        if container in ("targz", "gzip"):
            # A time in the header would make equal packages differ.
            out = stack.enter_context(gzip.GzipFile("", "wb", mtime=0, fileobj=out))
        if container in ("targz", "tar"):
            archive = stack.enter_context(tarfile.open(fileobj=out, mode="w|"))
            entries = [_add(archive, member) for member in members]
        else:
            if container == "opaque":
                out.write(b"\x00ROMA\x01")
            for member in members:
                for piece in member.blob.read(0, member.blob.size):
                    out.write(piece)
    return Archive(name=name, blob=FileBlob.of(path), entries=tuple(entries))


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
