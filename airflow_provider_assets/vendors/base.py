"""The base of every vendor: a table of properties (:class:`VendorSpec`) and flows (:class:`Vendor`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from airflow_provider_assets.sansio.downloads import ArchiveFile, Link
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    AuthenticationError,
    InvalidRequestError,
    ProtocolError,
    VendorUnavailableError,
    is_about_the_connection,
)
from airflow_provider_assets.sansio.flow import Flow, call
from airflow_provider_assets.sansio.jobs import (
    ARCHIVE,
    LINKS,
    Answer,
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    JobState,
    Selected,
)
from airflow_provider_assets.sansio.messages import (
    HttpRequest,
    HttpResponse,
    seconds_to_wait,
    without_queries,
)
from airflow_provider_assets.sansio.records import Facts, OnRecord, Record, ignore
from airflow_provider_assets.sansio.redaction import redacted, redacted_json, secrets_of_headers
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.waiter import PollPolicy
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors.connection import (
    COMMON_FIELDS,
    ConnectionForm,
    VendorConnection,
    check_texts,
    check_url,
    download_hosts,
)
from airflow_provider_assets.vendors.parsing import check_names
from airflow_provider_assets.vendors.refusals import class_of, detail_of, names_of, remedy_of

# Seconds in which a vendor may deny what it has just accepted: an answer may come from a part of it that has
# not heard of it yet.
FRESH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class VendorSpec:
    """The documented properties of a vendor; the vendor's contract file names the sources.

    :param name: short name, also the Airflow connection type.
    :param base_url: with the version path; "" where it depends on the connection.
    :param max_batch: the most items that one job takes.
    :param single: kinds of which one job takes no more than one item.
    :param kinds: kinds of item that ``items=`` may name.
    :param filters: names that ``select=`` may use.
    :param allowing: those of *filters* that narrow nothing but allow a listing that is refused otherwise:
        an export with them continues where the same one without them has ended.
    :param retention: how far back the vendor lists; None if it lists everything.
    :param options: names that ``options=`` may use.
    :param naming: those of *options* that only name what is exported, possibly differently in each run.
    :param modes: values of ``mode=`` that the vendor can serve; see :attr:`ArchiveRequest.mode`.
    :param statuses: the vendor's status in lower case -> ours; anything else counts as running.
    :param errors: HTTP status -> error class, in addition to the common table.
    :param cancellable: whether the vendor can cancel a running archive job.
    :param submits: whether a job is ours: where a vendor only collects what others started, nothing is
        cancelled unless the user asks for it.
    :param parallel_jobs: jobs that one account may run at a time; 0 for no limit.
    :param single_use: whether an archive can be downloaded only once.
    :param entry_per_item: whether an archive holds one file for each item, named after it; where the
        vendor does not document the contents, nothing can be concluded from their number.
    :param lists_windows: False if the vendor lists everything and the window is taken from that.
    :param columns: column of metadata (:data:`~.metadata.DESCRIBED`) -> its place in the vendor's record
        of an item, whose dots lead into objects; empty where the listing says nothing of items.
    """

    name: str
    title: str
    hook: str
    docs_url: str
    base_url: str
    max_batch: int
    kinds: tuple[str, ...]
    filters: frozenset[str]
    options: frozenset[str]
    statuses: Mapping[str, JobState]
    poll: PollPolicy
    form: ConnectionForm
    errors: Mapping[int, type[AssetsError]] = field(default_factory=dict)
    single: frozenset[str] = frozenset()
    allowing: frozenset[str] = frozenset()
    retention: timedelta | None = None
    naming: frozenset[str] = frozenset()
    modes: tuple[str, ...] = (ARCHIVE,)
    cancellable: bool = False
    submits: bool = True
    parallel_jobs: int = 0
    single_use: bool = False
    entry_per_item: bool = True
    lists_windows: bool = True
    columns: Mapping[str, str] = field(default_factory=dict)

    def makes_job(self, request: ArchiveRequest) -> bool:
        """Whether submitting *request* starts something at the vendor, which must not start twice."""
        return self.submits and request.mode != LINKS

    def shaping(self, options: Mapping[str, JSON]) -> dict[str, JSON]:
        """Those of *options* that say what is exported of an item; :attr:`naming` are the others."""
        return {name: value for name, value in options.items() if name not in self.naming}

    def narrowing(self, select: Mapping[str, JSON]) -> dict[str, JSON]:
        """Those of *select* that say which items are exported; :attr:`allowing` are the others."""
        return {name: value for name, value in select.items() if name not in self.allowing}

    @property
    def describes_items(self) -> bool:
        """Whether :meth:`Vendor.select` and :meth:`Vendor.expand` hand on records of items."""
        return bool(self.columns)


class Vendor(ABC):
    """One vendor API, through one connection.

    Its methods are *flows*: generators that do no I/O themselves. A flow hands a request to its driver
    with ``yield from self.send(request)`` and gets the :class:`HttpResponse` back; ``yield from pause(5)``
    waits. Errors of the request are raised at that very line, statuses in ``request.accept`` are returned
    instead, and what the flow returns is its result. The same flow runs in a worker and in a triggerer::

        def check(self) -> Flow[str]:
            response = yield from self.send(HttpRequest("GET", self.base_url + "/me"))
            return f"logged in as {text(response.json_object(), 'name')}"

    :param connection: checked here, so that a wrong one fails before any request.
    :param clock: epoch seconds.
    :ivar spec: the facts about the vendor, which the class declares and a connection may narrow.
    :ivar on_secret: called with every secret that a flow obtains, such as a token, so that the driver can
        keep it out of logs.
    :ivar download_hosts: the hosts from which downloads may come; None: any.
    :raises InvalidRequestError: if the connection lacks something; the message names it.
    """

    spec: VendorSpec

    def __init__(self, connection: VendorConnection, *, clock: Callable[[], float]) -> None:
        check_texts(connection)
        check_names(
            connection.extra,
            frozenset({"base_url", *self.spec.form.fields, *COMMON_FIELDS}),
            f"connection {connection.conn_id!r}: extra",
        )
        self.connection = connection
        self.clock = clock
        self.on_secret: Callable[[str], object] = lambda secret: None
        self.base_url = self._base_url()
        self.download_hosts = download_hosts(connection, self.base_url)

    # --- the flows of an export --------------------------------------------------------------

    @abstractmethod
    def check(self) -> Flow[str]:
        """Verify the credentials by a free request; returns a sentence on what was reached."""

    @abstractmethod
    def validate(self, *, options: Mapping[str, JSON]) -> Mapping[str, JSON]:
        """The archive options, completed with our defaults; names are checked already.

        :raises InvalidRequestError: naming the option and the remedy.
        """

    def remarks(self, options: Mapping[str, JSON]) -> list[str]:
        """Remarks for the log on *options*, as :meth:`validate` returned them."""
        return []

    @abstractmethod
    def expand(
        self, items: Mapping[str, Sequence[str]], *, on_record: OnRecord = ignore
    ) -> Flow[Selected]:
        """The single items that *items* names; an inference, for example, becomes its assets.

        Those that the vendor has not finished are named in ``pending``, as by :meth:`select`.

        :param on_record: called with the records that the vendor returns anyway; none are requested for it.
        """

    @abstractmethod
    def select(
        self, query: Mapping[str, JSON], window: Window | None, *, on_record: OnRecord = ignore
    ) -> Flow[Selected]:
        """Items of the vendor's own listing that match *query* and, if given, lie in *window*.

        Items that the vendor lists but has not finished are named in ``pending``, so that a caller can
        say what this export leaves out. It stays empty where items are always ready.

        :param on_record: called with each item and its record while the pages are read, so that a caller
            decides how many records are in memory. An item that is listed twice is reported twice, and the
            later record counts. Vendors with ``describes_items`` call it, with records that are
            :func:`~.records.public`; the records of others may hold no more than times.
        """

    def select_part(
        self,
        query: Mapping[str, JSON],
        window: Window | None,
        *,
        pages: int | None = None,
        on_record: OnRecord = ignore,
    ) -> Flow[tuple[Selected, Window | None]]:
        """The beginning of what :meth:`select` lists, and the part of *window* that is left, if any.

        A vendor that lists windows in the order of a time that never changes may return after *pages*
        pages; the rest is then divided, and listed in parallel. By default nothing is left.

        :param pages: number of pages after which the rest may be left; None for all.
        """
        return (yield from self.select(query, window, on_record=on_record)), None

    def facts(self, query: Mapping[str, JSON], record: Record) -> Facts:
        """The time and size of an item according to *record*, found by *query*; nothing by default."""
        return Facts()

    @abstractmethod
    def submit(self, request: ArchiveRequest) -> Flow[ArchiveJob]:
        """Start a job. Sent once: an ambiguous failure is raised, never repeated.

        A request of mode ``links`` starts none: its job has succeeded and has the same id in every retry.
        """

    def find(self, request: ArchiveRequest, since: float) -> Flow[ArchiveJob | None]:
        """The job that an earlier, unrecorded submit of *request* may have started, running or successful.

        None unless the vendor's job carries our tag (``request.tag``), which distinguishes it from others.

        :param since: epoch seconds of the intent.
        """
        yield from ()
        return None

    @property
    def can_find(self) -> bool:
        """Whether :meth:`find` asks the vendor."""
        return type(self).find is not Vendor.find

    @abstractmethod
    def poll(self, jobs: Sequence[ArchiveJob]) -> Flow[list[Answer]]:
        """Ask for all *jobs*, with one request for many where possible; an answer for each, in their order.

        An answer is the job as it is now, or an error about that job alone: a
        :class:`TransientError` if its state is not known this time, any other if asking again is
        useless. See :func:`each` for vendors that have no bulk call.

        :raises AssetsError: if it concerns all of *jobs*: they all count as not known this time, or,
            if the error is not transient, as ended by it.
        """

    def job_url(self, job: ArchiveJob) -> Flow[str]:
        """The address under which the vendor answers, after a login, what became of *job*.

        Empty by default: some vendors have no such address, or none for a whole batch.
        """
        yield from ()
        return ""

    def cancel(self, job: ArchiveJob) -> Flow[bool]:
        """Ask to cancel *job*; whether the vendor agreed. Never raises for a refusal."""
        yield from ()
        return False

    def check_target_format(self, target_format: str) -> None:
        """Refuse a format into which the vendor cannot convert; an export asks before it submits.

        :raises InvalidRequestError: by default, for every format: the vendor converts nothing.
        """
        raise InvalidRequestError(
            f"target_format: {self.spec.title} cannot convert files; leave it out"
        )

    @abstractmethod
    def files(
        self, reference: ArchiveReference, *, target_format: str | None = None
    ) -> Flow[list[ArchiveFile]]:
        """The files of a finished archive.

        :raises InvalidRequestError: as :meth:`check_target_format` does, if *target_format* is given.
        """

    @abstractmethod
    def link(
        self, reference: ArchiveReference, file: ArchiveFile, *, target_format: str | None = None
    ) -> Flow[Link]:
        """A link to download *file* now; called again when a link has expired.

        Where the vendor's own API serves the bytes, the link's ``refused`` judges a refusal by its words,
        since a status alone does not tell "gone" from "not allowed". It returns

        - :class:`ArchiveExpiredError` only if the words say that the archive has been downloaded, has
          expired or has been deleted;
        - :class:`AuthenticationError` if they mention a permission, a token or a signature;
        - :class:`ProtocolError` if they say neither, or both: nothing is known of the archive then, and
          the job's state has to be asked for before anything is concluded;
        - a :class:`TransientError` for a host that is busy or unavailable.

        :raises ArchiveExpiredError: if the archive is gone for good.
        """

    # --- credentials and errors --------------------------------------------------------------

    def secrets(self) -> tuple[str, ...]:
        """Secrets that no error may quote if the vendor repeats them; those in headers are known already."""
        return self.connection.password, self.connection.text("security_token")

    def authorize(self, request: HttpRequest) -> Flow[HttpRequest]:
        """*request* with this connection's credentials."""
        yield from ()
        return request

    def authorized(self, request: HttpRequest) -> Flow[HttpRequest]:
        """*request* with credentials that may be sent.

        :raises AuthenticationError: if one contains what a header cannot carry, such as a line break.
        """
        authorized = yield from self.authorize(request)
        if not all(value.isascii() and value.isprintable() for _, value in authorized.headers):
            raise AuthenticationError(
                f"connection {self.connection.conn_id!r}: a credential contains a line break or another "
                "character that is not allowed in a header; enter the credential again",
                vendor=self.spec.name,
            )
        return authorized

    def send(self, request: HttpRequest) -> Flow[HttpResponse]:
        """Perform *request* with credentials."""
        return (yield from call((yield from self.authorized(request))))

    def error_detail(self, data: Mapping[str, JSON]) -> tuple[str | None, str]:
        """The vendor's error code and message from an error body, whatever its shape."""
        return detail_of(data, self.error_detail)

    def error_for(self, request: HttpRequest, response: HttpResponse) -> AssetsError:
        """The error for a response that the request does not accept."""
        secrets = {*self.secrets(), *secrets_of_headers(request.headers)}
        # Before anything is cut: half of a secret would not be recognised.
        answered = response.json_or_none()
        shown = redacted_json(answered, secrets)
        code, text = self.error_detail(shown) if isinstance(shown, dict) else (None, "")
        status = response.status
        if 300 <= status < 400:  # redirections
            return ProtocolError(
                f"{self.spec.title} answered {request} with a redirect to another address; "
                "credentials are not sent along, so set the right base_url in the connection",
                vendor=self.spec.name,
                status=status,
            )
        kind = self.error_class(status, answered)
        wait = self.retry_after(response, answered)
        detail = f": {without_queries(text)[:300]}" if text else ""
        names = redacted(names_of(response, code, shown), secrets)
        return kind(
            f"{self.spec.title} answered {request} with HTTP {status}{detail}{names}"
            f"{remedy_of(kind, self.connection)}",
            vendor=self.spec.name,
            code=code,
            status=status,
            retry_after=wait,
        )

    def is_fresh(self, since: float | None) -> bool:
        """Whether the vendor may not know everywhere yet what it accepted at *since*, in epoch seconds.

        No vendor says how long that takes. What is of unknown age is old: an id that a person has entered
        may be wrong, and is to be refused at once.
        """
        return since is not None and self.clock() < since + FRESH_SECONDS

    def is_own_answer(self, data: JSON) -> bool:
        """Whether the vendor's API wrote an error body, and not a gateway or proxy in front of it.

        :param data: the body; None if it is not JSON.
        """
        return isinstance(data, dict)

    def ensure_unknown(
        self, request: HttpRequest, reply: HttpResponse, since: float | None
    ) -> None:
        """Conclude from a 404 that the vendor does not have, or no longer has, what *request* asks for.

        That ends a job for good, so that it is exported once more, or not at all.

        :param since: epoch seconds at which the vendor accepted it; None if that is not known.
        :raises VendorUnavailableError: if it does not prove that: a later answer may be another one.
        """
        if not self.is_own_answer(reply.json_or_none()):
            doubt = "something in front of its API answered"
        elif self.is_fresh(since):
            doubt = "it may not know everywhere yet what is so new"
        else:
            return
        error = self.error_for(request, reply)
        raise VendorUnavailableError(
            f"{error.message}; {doubt}", vendor=error.vendor, code=error.code, status=error.status
        )

    def error_class(self, status: int, data: JSON) -> type[AssetsError]:
        """The class for an error status; override it where the body says more than the status."""
        return self.spec.errors.get(status) or class_of(status)

    def retry_after(self, response: HttpResponse, data: JSON) -> float | None:
        """Seconds the vendor asks to wait: header in ms, seconds or as a date, or in the body."""
        body = data if isinstance(data, dict) else {}
        return seconds_to_wait(response.headers, body, self.clock())

    def state_of(self, status: object) -> JobState:
        """The state that the vendor's *status* means; an unknown one counts as running."""
        return self.spec.statuses.get(str(status).strip().lower(), JobState.RUNNING)

    def _base_url(self) -> str:
        url = self.connection.text("base_url") or self.connection.host or self.spec.base_url
        return check_url(url, "base_url", self.connection)


def each(
    jobs: Sequence[ArchiveJob], ask: Callable[[ArchiveJob], Flow[ArchiveJob]]
) -> Flow[list[Answer]]:
    """The answers of *ask* for each of *jobs*: an error about one of them does not hide the others.

    :raises AssetsError: if the next job would fail with it too, see :func:`is_about_the_connection`.
    """
    answers: list[Answer] = []
    for job in jobs:
        try:
            answers.append((yield from ask(job)))
        except AssetsError as error:
            if is_about_the_connection(error):
                raise
            answers.append(error)
    return answers
