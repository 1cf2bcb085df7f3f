"""What Topaz answers, for the contract suite."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from vendor_script import reply

from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.vendors.connection import VendorConnection

IDS = [str(UUID(int=n)) for n in range(250)]


@dataclass
class Wire:
    moment: str
    word: str = "Processing"
    listed: int = len(IDS)
    finished: str = "Completed"
    connection: ClassVar = VendorConnection("t", "topaz", password="the-api-key")
    secrets: ClassVar = ("the-api-key",)
    items: ClassVar = {"process_ids": IDS[:3]}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path, query = request.url.partition("/image/v1")[2], dict(request.params)
        if path == "/status":
            return self._page(int(query.get("cursor", "0")), int(query["limit"]))
        process_id = path.rpartition("/")[2]
        if request.method == "DELETE":
            return HttpResponse(204)
        if not self.word:
            return reply({"message": "No image with this process ID"}, 404)
        if path.startswith("/download/"):
            url = f"https://store.example.test/o/{process_id}?sig="
            return reply({"download_url": f"{url}g", "head_url": f"{url}h", "expiry": 1768035700})
        return reply(self._status(process_id))

    def _page(self, first: int, limit: int) -> HttpResponse:
        ids = IDS[: self.listed] if self.word else []
        more = first + limit < len(ids)
        following = {"next_cursor": str(first + limit)} if more else {}
        data = [self._status(i) for i in ids[first : first + limit]]
        return reply({"data": data, "pagination": {"has_next_page": more, **following}})

    def _status(self, process_id: str) -> dict:
        at = int(datetime.fromisoformat(self.moment.replace("Z", "+00:00")).timestamp())
        return {
            "process_id": process_id,
            "filename": "kite.png",
            "input_format": "png",
            "output_format": "jpeg",
            "model": "Standard V2",
            "category": "Enhance",
            "status": self.word,
            "creation_time": at,
            "modification_time": at,
            "eta": at + 60,
        }
