"""Huawei Cloud ROMA Connect: applications and data integration tasks, exported as one package.

A package can be downloaded once, and a user may run one export at a time. What the vendor documents is
in ``huawei_roma_contract``, authentication in ``huawei_auth``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from http import HTTPStatus

from airflow_provider_assets.sansio.downloads import ArchiveFile, Link
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    AuthenticationError,
    BusyError,
    InvalidRequestError,
    VendorUnavailableError,
)
from airflow_provider_assets.sansio.flow import Flow, call
from airflow_provider_assets.sansio.jobs import (
    Answer,
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    Item,
    JobState,
    Selected,
)
from airflow_provider_assets.sansio.messages import (
    HttpRequest,
    HttpResponse,
    json_body,
    url_path,
)
from airflow_provider_assets.sansio.records import Facts, OnRecord, Record, ignore
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.verdict import first_of
from airflow_provider_assets.sansio.waiter import PollPolicy, ensure_succeeded
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors import huawei_roma_contract as contract
from airflow_provider_assets.vendors import huawei_roma_parsing as parsing
from airflow_provider_assets.vendors import paging
from airflow_provider_assets.vendors.base import Vendor, VendorSpec, each
from airflow_provider_assets.vendors.connection import VendorConnection, check_url
from airflow_provider_assets.vendors.huawei_auth import (
    SECRET_HEADERS,
    authentication,
    needed_id,
)
from airflow_provider_assets.vendors.parsing import number, objects, strings, text
from airflow_provider_assets.vendors.refusals import remedy_of


class HuaweiRoma(Vendor):
    """ROMA Connect, by AK/SK or by an IAM user's token; one connection names one instance."""

    spec: VendorSpec = VendorSpec(
        name="huawei_roma",
        title="ROMA Connect",
        hook="airflow_provider_assets.hooks.roma.RomaConnectHook",
        docs_url="https://support.huaweicloud.com/intl/en-us/api-roma/",
        base_url="",
        max_batch=contract.MAX_BATCH,
        kinds=("apps", "tasks"),
        filters=frozenset(contract.LISTINGS),
        options=frozenset(),
        statuses=contract.STATUSES,
        # The vendor names no interval and has no bulk status.
        poll=PollPolicy(initial=5.0, maximum=60.0),
        form=contract.FORM,
        # "Exporting Assets in Batches": one export job of a user at a time.
        parallel_jobs=1,
        single_use=True,
        lists_windows=False,
        entry_per_item=False,  # the package's contents are undocumented
    )

    def __init__(self, connection: VendorConnection, *, clock: Callable[[], float]) -> None:
        super().__init__(connection, clock=clock)
        self.old = connection.flag("old_export_body")
        if self.old:  # 2022: a request names one application
            self.spec = replace(type(self).spec, single=frozenset({"apps"}))
        self._instance = needed_id(connection, "instance_id")
        self._auth = authentication(connection, clock=clock, on_token=self._tell_token)

    def _base_url(self) -> str:
        region = self.connection.text("region")
        url = self.connection.text("base_url") or self.connection.host
        if not url and region not in contract.REGIONS:
            raise InvalidRequestError(
                f"connection {self.connection.conn_id!r}: set base_url, or set region to one of "
                f"{', '.join(contract.REGIONS)} (it is {region!r})"
            )
        default = f"https://roma.{region}.myhuaweicloud.com"
        return check_url(url or default, "base_url", self.connection)

    def _tell_token(self, token: str) -> None:
        self.on_secret(token)  # read now: the driver sets it after this object is made

    # --- talking -----------------------------------------------------------------------------

    def authorize(self, request: HttpRequest) -> Flow[HttpRequest]:
        """A token, or a signature for now."""
        return self._auth.authorize(request)

    def send(self, request: HttpRequest) -> Flow[HttpResponse]:
        """Perform *request*; one that is refused with 401 is sent once more with a new token."""
        unauthorized = HTTPStatus.UNAUTHORIZED
        sent = yield from self.authorized(replace(request, accept=request.accept | {unauthorized}))
        reply = yield from call(sent)
        if reply.status == unauthorized and self._auth.renew(sent):
            reply = yield from super().send(request)
        elif reply.status == unauthorized:
            raise self.error_for(sent, reply)
        return reply

    def error_class(self, status: int, data: JSON) -> type[AssetsError]:
        """The common classes, but "another export is running" is a BusyError, not a missing permission."""
        return BusyError if parsing.is_busy(status, data) else super().error_class(status, data)

    def is_own_answer(self, data: JSON) -> bool:
        """JSON, but not that of the cloud's API gateway."""
        return isinstance(data, dict) and not parsing.is_of_gateway(data)

    def _request(
        self,
        path: str,
        *params: tuple[str, str],
        service: str = "",
        body: JSON = None,
        accept: Sequence[int] = (),
    ) -> Flow[HttpRequest]:
        """GET, or with a *body* a POST that is sent once; *path* is below the instance's."""
        project = url_path("{}", (yield from self._auth.project_id()))
        return HttpRequest(
            "GET" if body is None else "POST",
            f"{self.base_url}/v2/{project}{service}/instances{path}",
            params,
            (("Content-Type", "application/json;charset=utf-8"),) if body is not None else (),
            None if body is None else json_body(body),
            idempotent=body is None,
            accept=frozenset(accept),
        )

    # --- what to export ----------------------------------------------------------------------

    def check(self) -> Flow[str]:
        """List the project's instances and find the connection's own among them.

        :raises InvalidRequestError: if it is not there; the message names those that are.
        """
        request = yield from self._request("", ("offset", "0"), ("limit", str(contract.PAGE)))
        data = (yield from self.send(request)).json_object()
        known = [text(instance, "id") for instance in objects(data, "instances")]
        if self._instance not in known and number(data, "total") <= len(known):
            raise InvalidRequestError(
                f"connection {self.connection.conn_id!r}: the project has no instance "
                f"{self._instance!r}; it has {first_of(known) or 'none'}"
            )
        return f"ROMA Connect accepts the credentials and knows instance {self._instance}"

    def validate(self, *, options: Mapping[str, JSON]) -> Mapping[str, JSON]:
        """ROMA Connect has no export options."""
        return options

    def expand(
        self, items: Mapping[str, Sequence[str]], *, on_record: OnRecord = ignore
    ) -> Flow[Selected]:
        """Applications and tasks by id; with ``old_export_body``, applications by name."""
        yield from ()
        return self._expressible(
            [
                Item(kind, value)
                for kind in self.spec.kinds
                for value in strings(items.get(kind, []), f"items.{kind}")
            ]
        )

    def select(
        self, query: Mapping[str, JSON], window: Window | None, *, on_record: OnRecord = ignore
    ) -> Flow[Selected]:
        """``{"apps": {filter: value}, "tasks": {…}}``; an empty query takes all of both.

        The vendor cannot list what changed: the window is applied here, to ``update_time`` of an
        application and ``last_modified_time`` of a task. Both are exported in their current state,
        so none is ever pending; a change after the window belongs to a later one. An entry without a
        readable time is taken with every window and named in ``undated``. Only the time of a record is
        handed on, since the record of an application holds its access key.
        """
        found: list[Item] = []
        undated: list[Item] = []
        for kind, params in parsing.listings(query).items():
            key = parsing.key_of(kind, old=self.old)
            entries = yield from self._list(kind, params)
            # The listings have no documented order, and a retry must find the same batches.
            inside = {Item(kind, text(e, key)): e for e in entries if parsing.changed(e, window)}
            for item, entry in inside.items():
                on_record(item, parsing.times(entry))
            found += sorted(inside)
            undated += [item for item, entry in inside.items() if not parsing.changed_at(entry)]
        return replace(self._expressible(found), undated=undated)

    def _expressible(self, found: list[Item]) -> Selected:
        """*found*; with ``old_export_body``, tasks are exported beside the last application.

        :raises InvalidRequestError: if they have no place there.
        """
        tasks = len({item for item in found if item.kind == "tasks"})
        if self.old and tasks and (tasks == len({*found}) or tasks >= contract.MAX_BATCH):
            raise InvalidRequestError(
                f"old_export_body: {tasks} tasks are selected; a request of this kind takes up to "
                f"{contract.MAX_BATCH - 1}, and only beside an application. Select fewer, or "
                "applications alone with select={'apps': True}"
            )
        return Selected(found)

    def facts(self, query: Mapping[str, JSON], record: Record) -> Facts:
        """The time of the last change."""
        changed = parsing.changed_at(record)
        moment = changed.timestamp() if changed else None
        return Facts(changed_at=moment, moment=moment)

    def _list(self, kind: str, params: tuple[tuple[str, str], ...]) -> Flow[list[dict[str, JSON]]]:
        """A whole listing; one that changes while it is read is read again from its beginning.

        Pages are cut by offset: what is deleted before the cursor moves everything after it one place
        up, and the entry that slips past the cursor would silently not be exported.

        :raises VendorUnavailableError: if it changes every time.
        """
        for _ in range(contract.LISTING_TRIES):
            found = yield from self._list_once(kind, params)
            if found is not None:
                return found
        raise VendorUnavailableError(
            f"ROMA Connect's list of {kind} changed {contract.LISTING_TRIES} times while it was read; "
            "retry when none are being created or deleted",
            vendor=self.spec.name,
        )

    def _list_once(
        self, kind: str, params: tuple[tuple[str, str], ...]
    ) -> Flow[list[dict[str, JSON]] | None]:
        """A whole listing, or None if it changed between two of its pages.

        Each page begins with the last entry of the page before. If another one is there, the list has
        shifted, even if as many entries were added as removed.
        """
        service, key = contract.PLACES[kind]
        name = "task_id" if kind == "tasks" else "id"
        found: list[dict[str, JSON]] = []
        first_total: float | None = None
        for _ in range(paging.MAX_PAGES):
            last = found[-1:]
            page = (("offset", str(len(found) - len(last))), ("limit", str(contract.PAGE)))
            path = url_path("/{}/{}", self._instance, kind)
            request = yield from self._request(path, *page, *params, service=service)
            data = (yield from self.send(request)).json_object()
            entries, total = objects(data, key), number(data, "total")
            if total != (total if first_total is None else first_total):
                return None
            first_total = total
            again, new = entries[: len(last)], entries[len(last) :]
            if [one.get(name) for one in again] != [one.get(name) for one in last]:
                return None
            found += new
            if not new or len(found) >= total:
                # The vendor documents no order: an entry that has moved may be there twice.
                ids = [str(entry[name]) for entry in found if name in entry]
                return found if len(set(ids)) == len(ids) else None
        raise paging.endless(f"ROMA Connect, list of {kind}", f"{paging.MAX_PAGES} pages")

    # --- jobs --------------------------------------------------------------------------------

    def submit(self, request: ArchiveRequest) -> Flow[ArchiveJob]:
        """Call "Exporting Assets in Batches", once.

        :raises BusyError: if another export of this user is running.
        """
        body = parsing.submission(request, old=self.old)
        post = yield from self._request(url_path("/{}/assets/export", self._instance), body=body)
        data = (yield from self.send(post)).json_object()
        return ArchiveJob(self.spec.name, text(data, "job_id"), submitted_at=self.clock())

    def poll(self, jobs: Sequence[ArchiveJob]) -> Flow[list[Answer]]:
        """Call "Obtaining Job Progress" for each; success has ``details["archive_id"]``."""

        def ask(job: ArchiveJob) -> Flow[ArchiveJob]:
            return job if job.state.is_terminal else (yield from self._ask(job))

        return (yield from each(jobs, ask))

    def job_url(self, job: ArchiveJob) -> Flow[str]:
        """The job's progress in the API."""
        return (yield from self._progress(job)).url

    def _progress(self, job: ArchiveJob) -> Flow[HttpRequest]:
        path = url_path("/{}/assets/jobs/{}", self._instance, job.job_id)
        return (yield from self._request(path, accept=[HTTPStatus.NOT_FOUND]))

    def _ask(self, job: ArchiveJob) -> Flow[ArchiveJob]:
        request = yield from self._progress(job)
        reply = yield from self.send(request)
        if reply.status in request.accept:
            self.ensure_unknown(request, reply, job.submitted_at)
            return parsing.job(job, {"status": contract.UNKNOWN_JOB}, JobState.EXPIRED)
        data = reply.json_object()
        found = parsing.job(job, data, self.state_of(data.get("status")))
        if late := self._lateness(job, found, data):
            raise VendorUnavailableError(
                f"ROMA Connect job {job.job_id} {late}; a retry asks for it again",
                vendor=self.spec.name,
            )
        return found

    def _lateness(self, known: ArchiveJob, found: ArchiveJob, data: Mapping[str, JSON]) -> str:
        """Say that an answer is older than what is *known*, or not complete yet; "" if it is neither.

        Taken as it is, it would lead to another export of a package that is there.
        """
        state = self.state_of(data.get("status"))
        if known.state is JobState.SUCCEEDED and state is JobState.RUNNING:
            return (
                f"has succeeded, and a late answer shows it as {found.vendor_status or 'running'}"
            )
        is_named = "archive_id" in {**known.details, **found.details}
        if state is JobState.SUCCEEDED and not is_named and self.is_fresh(parsing.ended_at(data)):
            return "has just succeeded, and its package has no id yet"
        return ""

    # --- bytes -------------------------------------------------------------------------------

    def files(
        self, reference: ArchiveReference, *, target_format: str | None = None
    ) -> Flow[list[ArchiveFile]]:
        """One package; the vendor names no container, so the name has no extension."""
        yield from ()
        if target_format is not None:
            self.check_target_format(target_format)
        return [ArchiveFile(text(reference.job.details, "archive_id"), reference.request.stem)]

    def link(
        self, reference: ArchiveReference, file: ArchiveFile, *, target_format: str | None = None
    ) -> Flow[Link]:
        """The API's own address, with credentials; its one GET is not sent here.

        The job is asked first: that proves the token, and that the package is still there.

        :raises ArchiveExpiredError: if it has been downloaded or its validity period is over.
        """
        ensure_succeeded((yield from self._ask(reference.job)))
        path = url_path("/{}/assets/archives/{}", self._instance, file.key)
        request = yield from self.authorized((yield from self._request(path)))
        return Link(
            request.full_url,
            headers=request.headers,
            secret_headers=SECRET_HEADERS,
            refused=partial(self._refused, request),
        )

    def _refused(
        self, request: HttpRequest, status: int, headers: Mapping[str, str], body: bytes
    ) -> AssetsError:
        """The error for a refused download; the one documented status, 403, is used for everything."""
        reply = HttpResponse(status, dict(headers), body)
        error = self.error_for(request, reply)
        if status not in contract.UNCLEAR:
            return error
        kind, hint = parsing.refusal(reply.json_or_none())
        if kind is AuthenticationError:
            hint = remedy_of(kind, self.connection)
        message = error.message.removesuffix(remedy_of(type(error), self.connection))
        return kind(message + hint, vendor=error.vendor, code=error.code, status=status)
