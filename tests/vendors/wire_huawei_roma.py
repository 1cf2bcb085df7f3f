"""What ROMA Connect and IAM answer, for the contract suite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vendor_script import reply

from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.vendors.connection import VendorConnection


@dataclass
class Wire:
    moment: str
    word: str = "RUNNING"
    listed: int = 250
    finished: str = "SUCCEEDED"
    connection: ClassVar = VendorConnection(
        "r",
        "huawei_roma",
        login="exporter",
        password="the-password",
        extra={
            "auth_type": "token",
            "account": "acme",
            "region": "cn-north-4",
            "instance_id": "i1",
        },
    )
    secrets: ClassVar = ("the-password", "MIIexampletoken")
    items: ClassVar = {"apps": ["a", "b"], "tasks": ["t"]}
    jobs: int = 0

    def __call__(self, request: HttpRequest) -> HttpResponse:  # noqa: PLR0911  # one a route
        path, query = request.url.partition("/v2/p0")[2], dict(request.params)
        if request.url.endswith("/v3/auth/tokens"):
            token = {"expires_at": "2026-01-11T08:00:00Z", "project": {"id": "p0"}}
            return reply({"token": token}, 201, x_subject_token="MIIexampletoken")
        if path == "/instances":
            return reply({"total": 1, "instances": [{"id": "i1"}]})
        if path.endswith("/export"):
            self.jobs += 1
            return reply({"job_id": f"j{self.jobs}"})
        if path.endswith("/apps"):
            return self._page(query, "apps", "id", "update_time", self.listed - 50)
        if path.endswith("/tasks"):
            return self._page(query, "entities", "task_id", "last_modified_time", 50)
        if not self.word:
            return reply({"error_code": "ROMA.00000102", "error_msg": "no such job"}, 404)
        return reply({"status": self.word, "progress_percent": 0.5, "archive_id": "arch-77aa"})

    def _page(self, query: dict, key: str, name: str, time: str, total: int) -> HttpResponse:
        first = int(query["offset"])
        numbers = range(total)[first : first + int(query["limit"])]
        entries = [{name: f"{key}{n:03d}", time: self.moment} for n in numbers]
        return reply({"total": total, "size": len(entries), key: entries})
