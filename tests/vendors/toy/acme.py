"""A fourth vendor, as an installed package would bring it: this file and its two entry points."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from airflow_provider_assets.sansio.downloads import ArchiveFile, Link
from airflow_provider_assets.sansio.errors import InvalidRequestError
from airflow_provider_assets.sansio.flow import Flow
from airflow_provider_assets.sansio.jobs import (
    Answer,
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    Item,
    JobState,
    Selected,
)
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse, json_body
from airflow_provider_assets.sansio.records import OnRecord, ignore
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.waiter import PollPolicy
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors.base import Vendor, VendorSpec
from airflow_provider_assets.vendors.connection import ConnectionForm, VendorConnection
from airflow_provider_assets.vendors.parsing import objects, strings, text


class Acme(Vendor):
    """Boxes of pictures, exported as zips."""

    spec: VendorSpec = VendorSpec(
        name="acme",
        title="Acme",
        hook="acme_hook.AcmeHook",
        docs_url="https://acme.example.test/api",
        base_url="https://api.acme.example.test/v3",
        max_batch=10,
        kinds=("boxes",),
        filters=frozenset({"colour"}),
        options=frozenset(),
        statuses={
            "packing": JobState.RUNNING,
            "packed": JobState.SUCCEEDED,
            "burnt": JobState.FAILED,
            "recalled": JobState.CANCELLED,
            "lost": JobState.EXPIRED,
        },
        poll=PollPolicy(initial=2.0, maximum=20.0, bulk=50),
        form=ConnectionForm(
            hidden=("login", "port", "schema", "extra"),
            relabeling={"password": "Token"},
            placeholders={},
            fields={},
        ),
        cancellable=True,
    )

    def authorize(self, request: HttpRequest) -> Flow[HttpRequest]:
        yield from ()
        if not self.connection.password:
            raise InvalidRequestError("the password (token) is needed")
        token = ("Authorization", f"Bearer {self.connection.password}")
        return replace(request, headers=(*request.headers, token))

    def _ask(self, method: str, path: str, *params: tuple[str, str], accept=(), **body: JSON):
        request = HttpRequest(
            method,
            self.base_url + path,
            params,
            body=json_body(body) if body else None,
            idempotent=method != "POST",
            accept=frozenset(accept),
        )
        return (yield from self.send(request))

    def check(self) -> Flow[str]:
        yield from self._ask("GET", "/boxes", ("page", "0"))
        return "Acme answers"

    def validate(self, *, options: Mapping[str, JSON]) -> Mapping[str, JSON]:
        return options

    def expand(
        self, items: Mapping[str, Sequence[str]], *, on_record: OnRecord = ignore
    ) -> Flow[Selected]:
        yield from ()
        return Selected(
            [Item("boxes", box) for box in strings(items.get("boxes", []), "items.boxes")]
        )

    def select(
        self, query: Mapping[str, JSON], window: Window | None, *, on_record: OnRecord = ignore
    ) -> Flow[Selected]:
        span = zip(("from", "to"), window.iso(), strict=True) if window else ()
        colour = [("colour", str(query["colour"]))] if "colour" in query else []
        found: list[Item] = []
        page: JSON = 0
        while page is not None:
            reply = yield from self._ask("GET", "/boxes", ("page", str(page)), *span, *colour)
            data = reply.json_object()
            found += [Item("boxes", text(box, "id")) for box in objects(data, "boxes")]
            page = data.get("next")
        return Selected(found)

    def submit(self, request: ArchiveRequest) -> Flow[ArchiveJob]:
        reply = yield from self._ask("POST", "/exports", boxes=list(request.items["boxes"]))
        return ArchiveJob("acme", text(reply.json_object(), "id"), submitted_at=self.clock())

    def poll(self, jobs: Sequence[ArchiveJob]) -> Flow[list[Answer]]:
        ids = ",".join(job.job_id for job in jobs)
        data = (yield from self._ask("GET", "/exports", ("ids", ids))).json_object()
        words = {text(job, "id"): text(job, "status") for job in objects(data, "exports")}
        return [
            replace(job, state=self.state_of(word), vendor_status=word)
            for job in jobs
            # One that it has just accepted is not lost: the list may be a moment behind.
            for word in [
                words.get(job.job_id, "packing" if self.is_fresh(job.submitted_at) else "lost")
            ]
        ]

    def cancel(self, job: ArchiveJob) -> Flow[bool]:
        reply = yield from self._ask("DELETE", f"/exports/{job.job_id}", accept=[404, 409])
        return reply.status == 204

    def files(
        self, reference: ArchiveReference, *, target_format: str | None = None
    ) -> Flow[list[ArchiveFile]]:
        yield from ()
        return [ArchiveFile(reference.job.job_id, f"{reference.request.stem}.zip")]

    def link(
        self, reference: ArchiveReference, file: ArchiveFile, *, target_format: str | None = None
    ) -> Flow[Link]:
        reply = yield from self._ask("GET", f"/exports/{file.key}/link")
        return Link(text(reply.json_object(), "url"))


@dataclass
class AcmeWire:
    """What Acme answers, for the contract suite."""

    moment: str
    word: str = "packing"
    listed: int = 25
    finished: str = "packed"
    connection: ClassVar = VendorConnection("a", "acme", password="the-token")
    secrets: ClassVar = ("the-token",)
    items: ClassVar = {"boxes": ["1", "2", "3"]}
    jobs: int = 0

    def __call__(self, request: HttpRequest) -> HttpResponse:
        path, query = request.url.partition("/v3")[2], dict(request.params)
        if path == "/boxes":
            return self._page(int(query["page"]), query)
        if path == "/exports" and request.method == "POST":
            self.jobs += 1
            return _json({"id": f"e{self.jobs}"}, 201)
        if path == "/exports":
            ids = query["ids"].split(",") if self.word else []
            return _json({"exports": [{"id": i, "status": self.word} for i in ids]})
        if request.method == "DELETE":
            return HttpResponse(204)
        return _json({"url": "https://store.example.test/a?sig=secret"})

    def _page(self, page: int, query: Mapping[str, str]) -> HttpResponse:
        inside = query.get("from", "") <= self.moment < query.get("to", "9")
        ids = [str(i) for i in range(self.listed if inside else 0)]
        more = page + 1 if (page + 1) * 10 < len(ids) else None
        boxes: list[JSON] = [{"id": i} for i in ids[page * 10 : page * 10 + 10]]
        return _json({"boxes": boxes, "next": more})


def _json(data: JSON, status: int = 200) -> HttpResponse:
    return HttpResponse(status, {"content-type": "application/json"}, json.dumps(data).encode())
