"""A fake driver: performs a flow against a list of expected requests and their replies."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_provider_assets.sansio import flow as flows
from airflow_provider_assets.sansio.errors import AssetsError
from airflow_provider_assets.sansio.flow import Flow
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.vendors.base import Vendor

NOW = 1768032100.0  # 2026-01-10T08:01:40Z


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


def reply(data: JSON = None, status: int = 200, **headers: str) -> HttpResponse:
    body = b"" if data is None else json.dumps(data).encode()
    lower = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status, {"content-type": "application/json", **lower}, body)


def checked(vendor: Vendor, request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """What a transport does with a response."""
    if response.status < 300 or response.status in request.accept:
        return response
    raise vendor.error_for(request, response)


@dataclass
class Script:
    """``expected``: pairs of "METHOD path?query" (or a full URL) and a reply or an error."""

    vendor: Vendor
    expected: list[tuple[str, HttpResponse | AssetsError]] = field(default_factory=list)
    clock: Clock | None = None
    seen: list[HttpRequest] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def run(self, flow: Flow, *expected: tuple[str, HttpResponse | AssetsError]):
        self.expected = [*expected]
        result = flows.run(flow, perform=self.perform, sleep=self.sleep)
        assert not self.expected, f"never asked: {self.expected}"
        return result

    def perform(self, request: HttpRequest) -> HttpResponse:
        url = request.full_url.removeprefix(self.vendor.base_url)
        assert self.expected, f"unexpected {request.method} {url}"
        line, answer = self.expected.pop(0)
        assert f"{request.method} {url}" == line
        self.seen.append(request)
        if isinstance(answer, AssetsError):
            raise answer
        return checked(self.vendor, request, answer)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self.clock:
            self.clock.now += seconds


Answer = Callable[[HttpRequest], HttpResponse]
