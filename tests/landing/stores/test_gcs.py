"""Sweeping what dead landings left in Google Cloud Storage."""

from __future__ import annotations

from airflow_provider_assets.landing import GcsStore


def test_the_parts_of_many_files_are_swept_by_one_listing(gcs):
    class Counted(GcsStore):
        def blobs(self, prefix):
            listings.append(prefix)
            return super().blobs(prefix)

    listings: list[str] = []
    for name in ("out/7.png.landing/dead/000001", "out/other.png.landing/dead/000001"):
        gcs.put(name, b"part", crc32=0, overwrite=True)
    assert Counted(gcs.bucket).sweep([f"out/{number}.png" for number in range(500)]) == 1
    assert len(listings) == 1
    assert set(gcs.sizes("")) == {"out/other.png.landing/dead/000001"}
