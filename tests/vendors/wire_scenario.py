"""What Scenario answers, for the contract suite."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import ClassVar

from vendor_script import reply

from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.vendors.connection import VendorConnection


@dataclass
class Wire:
    moment: str
    word: str = "in-progress"
    listed: int = 250
    finished: str = "success"
    connection: ClassVar = VendorConnection(
        "s", "scenario", login="the-key", password="the-secret", extra={"project_id": "proj"}
    )
    # Base64 of login and password, as it goes over the wire.
    secrets: ClassVar = ("the-key", "the-secret", "dGhlLWtleTp0aGUtc2VjcmV0")
    items: ClassVar = {"asset_ids": ["asset_A", "asset_B", "asset_C"]}
    names: dict = field(default_factory=dict)

    def __call__(self, request: HttpRequest) -> HttpResponse:  # noqa: PLR0911  # one a route
        path, query = request.url.partition("/v1")[2], dict(request.params)
        if path == "/assets":
            return self._page(int(query.get("paginationToken", "0")), query)
        if path == "/assets/download":
            job_id = f"job_{len(self.names)}"
            self.names[job_id] = json.loads(request.body)["options"]["archiveName"]
            return reply({"jobId": job_id})
        if path == "/assets/get-bulk":
            ids = json.loads(request.body)["assetIds"]
            return reply({"assets": [{"id": i, "mimeType": "image/png"} for i in ids]})
        if path.startswith("/assets/") and path.endswith("/download"):
            return reply({"url": "https://cdn.example.test/a.png?Signature=s"})
        if path == "/jobs":
            return reply({"jobs": [self._job(job_id) for job_id in self.names if self.word]})
        job_id = path.rpartition("/")[2]
        if not self.word or job_id not in self.names:
            return reply({"reason": "no such job"}, 404)
        if path.startswith("/assets/download/"):
            url = {"downloadUrl": "https://cdn.example.test/a.zip?Signature=s"}
            return reply({"jobId": job_id, "jobStatus": self.word, **url})
        return reply({"job": self._job(job_id)})

    def _job(self, job_id: str) -> dict:
        metadata = {"input": {"options": {"archiveName": self.names[job_id]}}}
        return {"jobId": job_id, "status": self.word, "progress": 0.5, "metadata": metadata}

    def _page(self, first: int, query: dict) -> HttpResponse:
        inside = query.get("createdAfter", "") < self.moment < query.get("createdBefore", "9")
        ids = [f"asset_{i}" for i in range(self.listed if inside else 0)]
        last = first + int(query["pageSize"])
        more = {"nextPaginationToken": str(last)} if last < len(ids) else {}
        assets = [{"id": i, "status": "success", "createdAt": self.moment} for i in ids[first:last]]
        return reply({"assets": assets, **more})
