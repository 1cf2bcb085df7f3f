"""Topaz's wire, as the tests write it."""

from __future__ import annotations

from vendor_script import reply

from airflow_provider_assets.sansio.jobs import ArchiveReference, ArchiveRequest

DAY = 86400
A = "0b5d6c1e-2f43-4a8b-9c11-3f2f1d9e7a10"
B = "7e0f5a90-2c1d-4f3b-8a6e-1b2c3d4e5f60"
C = "9a1c7b52-77de-4c2f-8b1c-52f0a3d6c7e4"
D = "5f1b2c3d-4e5f-4071-8293-a4b5c6d7e8f9"
PAGE = "GET /status?paginated=true&limit=100"
NOT_READY = reply({"code": 409, "message": "The image is not ready"}, 409)
UNKNOWN = reply({"code": 404, "message": "No image with this process ID"}, 404)
LINK = {
    "download_url": "https://store.example.test/o/0b5d6c1e?sig=g",
    "head_url": "https://store.example.test/o/0b5d6c1e?sig=h",
    "expiry": 1768035700,
}


def status(process_id=A, word="Completed", **changes):
    return {
        "process_id": process_id,
        "filename": "kite.png",
        "input_format": "png",
        "output_format": "jpeg",
        "category": "Enhance",
        "model": "Standard V2",
        "status": word,
        "progress": 40,
        "eta": 1768032160,
        "creation_time": 1768032000,
        "modification_time": 1768032055,
        "credits": 1,
        **changes,
    }


def page(*statuses, cursor=None):
    following = {"next_cursor": cursor} if cursor else {}
    return reply(
        {"data": list(statuses), "pagination": {"has_next_page": bool(cursor), **following}}
    )


def job_of(script, *ids, kind="output"):
    return script.run(
        script.vendor.submit(ArchiveRequest("topaz", {"process_ids": ids}, {"kind": kind}))
    )


def reference(job):
    return ArchiveReference("t", ArchiveRequest("topaz", {}), job)
