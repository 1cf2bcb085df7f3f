"""Topaz Labs Image API: collects the outputs, or the inputs, of image processes of the last 7 days.

Topaz has no archives: a batch is a list of process ids, we make its job id, and it has ended when
every process has. What the vendor documents is in ``topaz_contract``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from itertools import count

from airflow_provider_assets.sansio.arguments import require_flag, shown
from airflow_provider_assets.sansio.downloads import ArchiveFile, Link
from airflow_provider_assets.sansio.errors import (
    ArchiveExpiredError,
    AssetsError,
    AuthenticationError,
    InvalidRequestError,
    JobCancelledError,
    JobFailedError,
    PermanentError,
    ProtocolError,
    VendorUnavailableError,
    from_dict,
    is_about_the_connection,
    to_dict,
)
from airflow_provider_assets.sansio.flow import Flow, pause
from airflow_provider_assets.sansio.jobs import (
    Answer,
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    Item,
    JobState,
    Selected,
)
from airflow_provider_assets.sansio.messages import HttpRequest, url_path
from airflow_provider_assets.sansio.records import Facts, OnRecord, Record, ignore, public
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.waiter import PollPolicy
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors import topaz_contract as contract
from airflow_provider_assets.vendors import topaz_parsing as parsing
from airflow_provider_assets.vendors.base import Vendor, VendorSpec, each
from airflow_provider_assets.vendors.connection import VendorConnection
from airflow_provider_assets.vendors.paging import read_pages
from airflow_provider_assets.vendors.parsing import number, objects, strings, text


class Topaz(Vendor):
    """The Topaz Labs Image API; the connection's password is the API key."""

    spec: VendorSpec = VendorSpec(
        name="topaz",
        title="Topaz Labs",
        hook="airflow_provider_assets.hooks.topaz.TopazHook",
        docs_url="https://developer.topazlabs.com/reference/image/status",
        base_url="https://api.topazlabs.com/image/v1",
        max_batch=contract.MAX_BATCH,
        kinds=("process_ids",),
        filters=contract.FILTERS,
        allowing=contract.ALLOWING,
        retention=contract.RETENTION,
        options=frozenset({"kind"}),
        statuses=contract.STATUSES,
        # The guide names no interval and advises to go by the `eta` of each process.
        poll=PollPolicy(initial=5.0, maximum=30.0, bulk=contract.PAGE),
        form=contract.FORM,
        # Guide, errors: 412 means that the account has no valid API subscription.
        errors={412: AuthenticationError},
        cancellable=True,
        submits=False,
        lists_windows=False,
        columns=contract.COLUMNS,
    )

    def __init__(self, connection: VendorConnection, *, clock: Callable[[], float]) -> None:
        super().__init__(connection, clock=clock)
        if not connection.password:
            raise InvalidRequestError(
                f"connection {connection.conn_id!r}: the password (API key) is needed"
            )

    # --- talking -----------------------------------------------------------------------------

    def authorize(self, request: HttpRequest) -> Flow[HttpRequest]:
        """Security scheme ``apiKeyAuth``: header ``X-API-Key``."""
        yield from ()
        headers = (("X-API-Key", self.connection.password), ("Accept", "application/json"))
        return replace(request, headers=(*request.headers, *headers))

    def _request(
        self, path: str, *params: tuple[str, str], method: str = "GET", accept: Iterable[int] = ()
    ) -> HttpRequest:
        return HttpRequest(
            method,
            self.base_url + path,
            params,
            # A cancel is not repeated: a killed process has only seconds left.
            idempotent=method == "GET",
            accept=frozenset(accept),
        )

    # --- what to export ----------------------------------------------------------------------

    def check(self) -> Flow[str]:
        """List one status: free of charge, and it verifies the key."""
        yield from self._page("", limit=1)
        return "Topaz accepts the API key"

    def validate(self, *, options: Mapping[str, JSON]) -> Mapping[str, JSON]:
        """``kind``: ``output`` (default) or ``input``."""
        return parsing.complete(options)

    def expand(
        self, items: Mapping[str, Sequence[str]], *, on_record: OnRecord = ignore
    ) -> Flow[Selected]:
        """``process_ids`` as they are.

        :raises InvalidRequestError: for one that is not a UUID.
        """
        yield from ()
        ids = strings(items.get("process_ids", []), "items.process_ids")
        for index, process_id in enumerate(ids):
            if not contract.UUID.fullmatch(process_id):
                raise InvalidRequestError(
                    f"items.process_ids[{index}]: {shown(process_id)} is not a process id, which is a UUID "
                    "such as 0b5d6c1e-2f43-4a8b-9c11-3f2f1d9e7a10"
                )
        return Selected([Item("process_ids", process_id) for process_id in ids])

    def select(
        self, query: Mapping[str, JSON], window: Window | None, *, on_record: OnRecord = ignore
    ) -> Flow[Selected]:
        """Processes of the last 7 days, oldest first; all filters are ours, the vendor has none.

        ``status`` (``Completed`` unless given), ``model``, ``category`` and ``output_format`` take a
        string or a list, ``filename`` a glob; ``by`` names the time that lies in the window:
        ``modification_time`` (default: a process that ends after midnight must not be missed) or
        ``creation_time``. That the modification time moves when a process ends is not documented, but
        the vendor's own samples show it. A process that runs is pending, unless ``status`` asks for it.

        :raises InvalidRequestError: if the window starts before what the vendor lists, unless
            ``allow_truncated`` is set.
        """
        by = contract.TIMES[0] if query.get("by") is None else str(query["by"])
        if by not in contract.TIMES:
            raise InvalidRequestError(
                f"select.by must be {' or '.join(contract.TIMES)}, not {shown(by)}"
            )
        if query.get("allow_truncated") is not None:
            require_flag(query["allow_truncated"], "select.allow_truncated")
        if window and not query.get("allow_truncated"):
            parsing.refuse_early(window, self.clock())
        wanted, glob = parsing.matcher(query), parsing.glob_of(query)
        wanted_status = parsing.wanted_status(query)
        found: dict[str, float] = {}
        pending: set[str] = set()

        def take(page: list[dict[str, JSON]]) -> bool:
            for status in page:
                if not parsing.matches(status, wanted, glob, by, window):
                    continue
                process_id = text(status, "process_id")
                if parsing.word_of(status, "status") in wanted_status:
                    found[process_id] = number(status, by)
                    on_record(Item("process_ids", process_id), public(status))
                elif self.state_of(status.get("status")) is JobState.RUNNING:
                    pending.add(process_id)
            return False

        yield from read_pages(self._page, take, listing="Topaz, list of statuses")
        # The listing has no documented order, and a retry must find the same batches.
        ids = sorted(found, key=lambda i: (found[i], i))
        return Selected([Item("process_ids", i) for i in ids], sorted(pending - found.keys()))

    def facts(self, query: Mapping[str, JSON], record: Record) -> Facts:
        """The time that *query* is by. Outputs do not change, and the vendor does not report their size."""
        return Facts(moment=number(record, str(query.get("by") or contract.TIMES[0])))

    # --- jobs --------------------------------------------------------------------------------

    def submit(self, request: ArchiveRequest) -> Flow[ArchiveJob]:
        """Nothing is sent, as the processes run already; the same request has the same job id."""
        yield from ()
        kind = parsing.complete(request.options)["kind"]
        ids = request.items.get("process_ids", ())
        return ArchiveJob(
            "topaz",
            f"topaz-{request.fingerprint[:16]}",
            done=0,
            total=len(ids),
            submitted_at=self.clock(),
            details={"kind": kind, "process_ids": [*ids]},
        )

    def poll(self, jobs: Sequence[ArchiveJob]) -> Flow[list[Answer]]:
        """Poll all open processes of all *jobs* together.

        Failed, cancelled, expired and unknown ones are named in ``details["failed"]``; a job succeeds
        if at least one image can be downloaded.
        """
        wanted = [i for job in jobs if not job.state.is_terminal for i in parsing.open_of(job)]
        listed = yield from self._listed(wanted)

        def ask(job: ArchiveJob) -> Flow[ArchiveJob]:
            if job.state.is_terminal:
                return job
            open_ids = parsing.open_of(job)
            statuses = yield from self._completed(listed, open_ids, since=job.submitted_at)
            return parsing.judge(job, statuses, self.clock())

        return (yield from each(jobs, ask))

    def _listed(self, ids: Sequence[str]) -> Flow[dict[str, parsing.Status]]:
        """Id -> status, for those of *ids* that the first pages of the list hold.

        A list that cannot be read holds none: one process may spoil it for all, and each is then asked for
        alone.

        :raises AssetsError: if that would fail, too.
        """
        seen: dict[str, parsing.Status] = {}
        missing = set(ids)
        pages = count(1)

        def take(page: list[dict[str, JSON]]) -> bool:
            listed = {text(status, "process_id"): status for status in page}
            seen.update({i: listed[i] for i in missing & listed.keys()})
            missing.difference_update(listed)
            # Once as many pages have been read as ids are missing, asking singly is cheaper.
            return next(pages) >= len(missing)

        if len(missing) > 1:
            try:
                yield from read_pages(self._page, take, listing="Topaz, list of statuses")
            except PermanentError as error:
                if is_about_the_connection(error):
                    raise
        return seen

    def _completed(
        self,
        listed: Mapping[str, parsing.Status],
        ids: Sequence[str],
        *,
        since: float | None = None,
    ) -> Flow[dict[str, parsing.Status]]:
        """Id -> status of *ids*: as *listed*, else asked for one by one; unknown ones are absent.

        :param since: epoch seconds since which they are waited for: a process may be as new as its wait.
        """
        seen = {i: listed[i] for i in ids if i in listed}
        for process_id in sorted(set(ids) - seen.keys()):
            status = yield from self._status(process_id, since=since)
            if status is not None:
                seen[process_id] = status
        return seen

    def _page(
        self, cursor: str, *, limit: int = contract.PAGE
    ) -> Flow[tuple[list[dict[str, JSON]], str]]:
        """Statuses, and the cursor of the next page, "" on the last."""
        params = [("paginated", "true"), ("limit", str(limit))]
        if cursor:
            params.append(("cursor", cursor))
        data = (yield from self.send(self._request("/status", *params))).json_object()
        pagination = data.get("pagination")
        if not isinstance(pagination, dict):
            raise ProtocolError("Topaz: the list of statuses lacks 'pagination'")
        following = text(pagination, "next_cursor") if pagination.get("has_next_page") else ""
        return objects(data, "data"), following

    def _status(
        self, process_id: str, *, since: float | None = None
    ) -> Flow[parsing.Status | None]:
        """The status of a process; None if Topaz does not know it.

        :param since: as in :meth:`ensure_unknown`.
        """
        path = url_path("/status/{}", process_id)
        request = self._request(path, accept=[HTTPStatus.NOT_FOUND])
        reply = yield from self.send(request)
        if reply.status not in request.accept:
            return reply.json_object()
        self.ensure_unknown(request, reply, since)
        return None

    def cancel(self, job: ArchiveJob) -> Flow[bool]:
        """``DELETE /cancel`` for every open process; 404 and 409 say that it has ended already.

        An input is there before its process ends, so no process is cancelled for its input.

        :raises AssetsError: the first failure, once all others have been asked for: what is not cancelled
            costs credits. A failure that they would meet too is raised at once.
        """
        asked = parsing.kind_of(job) == contract.OUTPUT and not job.state.is_terminal
        ids = parsing.open_of(job) if asked else []
        left, agreed = len(ids), False
        failure: AssetsError | None = None
        for process_id in ids:
            try:
                agreed |= yield from self._cancel(process_id)
                left -= 1
            except AssetsError as error:
                failure = failure or error
                if is_about_the_connection(error):
                    break
        if failure is not None:
            message = f"{failure.message}; {left} of {len(ids)} processes may still be running"
            raise from_dict({**to_dict(failure), "message": message})
        return agreed

    def _cancel(self, process_id: str) -> Flow[bool]:
        path = url_path("/cancel/{}", process_id)
        request = self._request(
            path, method="DELETE", accept=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
        )
        reply = yield from self.send(request)
        if reply.status == HTTPStatus.NOT_FOUND:
            self.ensure_unknown(request, reply, None)
        return reply.status not in request.accept

    # --- bytes -------------------------------------------------------------------------------

    def check_target_format(self, target_format: str) -> None:
        """Refuse any: an image has been converted by its process."""
        raise InvalidRequestError(
            "target_format: Topaz fixes the format when an image is submitted; leave it out"
        )

    def files(
        self, reference: ArchiveReference, *, target_format: str | None = None
    ) -> Flow[list[ArchiveFile]]:
        """One file per process that did not fail, named ``<stem>-<process_id>.<format>``."""
        if target_format is not None:
            self.check_target_format(target_format)
        failed = parsing.failed_of(reference.job)
        ids = [i for i in parsing.ids_of(reference.job) if i not in failed]
        statuses = yield from self._completed((yield from self._listed(ids)), ids)
        kind = parsing.kind_of(reference.job)
        return [ArchiveFile(i, parsing.file_name(i, statuses.get(i), kind)) for i in ids]

    def link(
        self, reference: ArchiveReference, file: ArchiveFile, *, target_format: str | None = None
    ) -> Flow[Link]:
        """A link that is valid for an hour; it can be requested again within 7 days.

        :raises ArchiveExpiredError: if the 7 days are over or Topaz does not know the process.
        :raises VendorUnavailableError: if the output is not ready yet.
        :raises JobFailedError: or JobCancelledError, if there will never be an output.
        """
        kind = parsing.kind_of(reference.job)
        path = url_path(contract.DOWNLOADS[kind], file.key)
        request = self._request(path, accept=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
        for wait in contract.NOT_READY_PAUSES:
            yield from pause(wait)
            reply = yield from self.send(request)
            if reply.status not in request.accept:
                return parsing.link(reply.json_object())
            status = yield from self._status(file.key, since=reference.job.submitted_at)
            if reply.status == HTTPStatus.NOT_FOUND:
                kept_since = None if status is None else parsing.kept_since(status, kind)
                self.ensure_unknown(request, reply, kept_since)
                status = None
            self._explain(file.key, status)
        raise VendorUnavailableError(
            f"Topaz process {file.key} is completed but its output is not ready yet; retry later",
            vendor=self.spec.name,
        )

    def _explain(self, process_id: str, status: parsing.Status | None) -> None:
        """Raise the error that a refused download means; a 409 may be "not ready" or "failed".

        :param status: of the process; None if the process, or its image, is gone.
        """
        if status is None:
            raise ArchiveExpiredError(
                f"Topaz no longer has this image of process {process_id}: it keeps images for "
                "7 days; submit the image again",
                vendor=self.spec.name,
            )
        state = self.state_of(status.get("status"))
        if state is JobState.RUNNING:
            raise VendorUnavailableError(
                f"Topaz process {process_id} is still {status.get('status')}; retry later",
                vendor=self.spec.name,
                retry_after=parsing.seconds_left(status, self.clock()),
            )
        if state is not JobState.SUCCEEDED:
            error = JobCancelledError if state is JobState.CANCELLED else JobFailedError
            raise error(
                f"Topaz process {process_id} ended as {status.get('status')}: it has no output; "
                "submit the image again",
                vendor=self.spec.name,
            )
