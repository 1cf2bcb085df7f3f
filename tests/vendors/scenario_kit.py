"""A Scenario vendor with a clock of its own, and replies for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from core_kit import NOW, Clock, Driver

from airflow_provider_assets.sansio.jobs import ArchiveJob, ArchiveRequest
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.vendors.connection import VendorConnection
from airflow_provider_assets.vendors.scenario import Scenario

CLOCK = Clock()
VENDOR = Scenario(VendorConnection("c", "scenario", login="k", password="s"), clock=CLOCK)
OPTIONS = {"file_name_template": "<id>", "flat": True}
REQUEST = ArchiveRequest("scenario", {"asset_ids": ("a", "b")}, OPTIONS, tag="tag")
JOB = ArchiveJob("scenario", "j", submitted_at=NOW)


def at(milliseconds: float) -> datetime:
    return datetime(2026, 1, 9, tzinfo=timezone.utc) + timedelta(milliseconds=milliseconds)


def reply(data: JSON, status: int = 200, **headers: str) -> HttpResponse:
    return HttpResponse(status, headers, json.dumps(data).encode())


def through(answer: Callable[[HttpRequest], HttpResponse]) -> Driver:
    """A driver that classes errors as a transport does."""

    def perform(request: HttpRequest) -> HttpResponse:
        response = answer(request)
        if response.status < 300 or response.status in request.accept:
            return response
        raise VENDOR.error_for(request, response)

    return Driver(perform)
