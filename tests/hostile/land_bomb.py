"""A program that lands one archive and tells what that cost, since memory is measured by process.

Its argument is JSON: the address of the archive, the layout, a folder or a bucket, and the limits.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]
from airflow_provider_assets.landing import (  # noqa: E402  # the path comes first
    LandingOptions,
    LocalStore,
    S3Store,
    Source,
    land,
)
from airflow_provider_assets.landing.stores.base import StoredObject  # noqa: E402  # the path comes first
from airflow_provider_assets.sansio.downloads import ArchiveFile, Link  # noqa: E402  # the path comes first
from airflow_provider_assets.sansio.errors import AssetsError  # noqa: E402  # the path comes first


class Counting:
    """A store that only counts small objects, since a million take a disk an hour."""

    counted = 0

    def put(self, key, data, *, crc32, overwrite, **how):
        if key.endswith(".manifest.json"):
            return super().put(key, data, crc32=crc32, overwrite=overwrite, **how)
        type(self).counted += 1
        return StoredObject(len(data))


class Folder(Counting, LocalStore):
    pass


class Bucket(Counting, S3Store):
    pass


def store_at(spec: dict) -> Folder | Bucket:
    if "root" in spec:
        return Folder(Path(spec["root"]))
    from servers import S3Server

    *server, bucket = spec["s3"]
    return Bucket(S3Server(*server).client(), bucket)


def main(spec: dict) -> None:
    store = store_at(spec)
    source = Source(ArchiveFile(spec["name"], spec["name"]), lambda: Link(spec["url"]))
    told = {"error": None, "text": "", "entries": 0}
    try:
        options = LandingOptions(**spec["limits"])
        made = land([source], store, prefix="out/", layout=spec["layout"], options=options)
        told["entries"] = made.entries
    except AssetsError as error:
        told |= {"error": type(error).__name__, "text": str(error)}
    status = Path("/proc/self/status").read_text().splitlines()
    [peak] = (line.split()[1] for line in status if line.startswith("VmHWM:"))
    print(json.dumps(told | {"peak": int(peak) << 10, "counted": store.counted}))  # noqa: T201  # the answer


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
