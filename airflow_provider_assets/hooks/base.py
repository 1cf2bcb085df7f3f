"""The base of the vendors' hooks: a connection in, performed flows out."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk import BaseHook

from airflow_provider_assets.airflow_compat import mask_secret
from airflow_provider_assets.hooks.airflow_connection import to_connection
from airflow_provider_assets.hooks.client import (
    mask_link,
    of_no_use,
    poll_policy,
    rate_limit,
    vendor_for,
)
from airflow_provider_assets.network.transport import Transport
from airflow_provider_assets.sansio.arguments import require_mapping, require_text, shown
from airflow_provider_assets.sansio.downloads import ArchiveFile, Link
from airflow_provider_assets.sansio.errors import (
    AssetsError,
    AuthenticationError,
    InvalidRequestError,
)
from airflow_provider_assets.sansio.flow import Flow
from airflow_provider_assets.sansio.jobs import (
    Answer,
    ArchiveJob,
    ArchiveReference,
    ArchiveRequest,
    Item,
)
from airflow_provider_assets.sansio.messages import HttpRequest, HttpResponse
from airflow_provider_assets.sansio.records import OnRecord, Record, ignore
from airflow_provider_assets.sansio.strict_json import JSON
from airflow_provider_assets.sansio.waiter import PASSING, Waitlist, submit_when_free, wait_for
from airflow_provider_assets.sansio.window import Window
from airflow_provider_assets.vendors import vendor_class
from airflow_provider_assets.vendors.base import Vendor
from airflow_provider_assets.vendors.connection import COMMON_FIELDS, VendorConnection
from airflow_provider_assets.vendors.parsing import check_names

if TYPE_CHECKING:
    from airflow_provider_assets.hooks.slices import Slice
    from airflow_provider_assets.metrics import Metrics
    from airflow_provider_assets.plans import Plans

T = TypeVar("T")


class AssetArchiveHook(BaseHook):
    """One connection to one vendor.

    ``hook.run(hook.vendor.poll([job]))`` performs any of the vendor's flows; the most frequent ones
    have a method of their own.

    :param conn_id: Airflow connection whose type is a vendor's name.
    """

    conn_name_attr = "conn_id"
    default_conn_name = "assets_default"
    conn_type = ""
    hook_name = "Asset archives"

    def __init__(self, conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conn_id = conn_id or self.default_conn_name

    @classmethod
    def for_conn(cls, conn_id: str) -> AssetArchiveHook:
        """The hook of the vendor that the connection's type names.

        :raises InvalidRequestError: if the type belongs to no vendor; the message lists those there are.
        """
        connection = to_connection(cls.get_connection(require_text(conn_id, "conn_id")), conn_id)
        path = vendor_class(connection.conn_type).spec.hook
        module, _, name = path.rpartition(".")
        hook = getattr(import_module(module), name)(conn_id=conn_id)
        if not isinstance(hook, AssetArchiveHook):
            raise InvalidRequestError(f"{path} is not an AssetArchiveHook")
        hook.connection = connection  # reading it again would ask Airflow's API server again
        return hook

    # --- the pieces --------------------------------------------------------------------------

    @cached_property
    def connection(self) -> VendorConnection:
        """The connection, as plain data; read once."""
        return to_connection(self.get_connection(self.conn_id), self.conn_id)

    @cached_property
    def vendor(self) -> Vendor:
        """The vendor through this connection."""
        vendor = vendor_for(self.connection)
        vendor.on_secret = mask_secret
        return vendor

    @cached_property
    def transport(self) -> Transport:
        """Performs requests in this thread."""
        rate = rate_limit(self.connection, self.metrics.rate_limited)
        return Transport(self._error_for, rate=rate)

    def _error_for(self, request: HttpRequest, response: HttpResponse) -> AssetsError:
        # A flow may outlive a key that is replaced, and only the present vendor knows the present secrets.
        return self.vendor.error_for(request, response)

    @cached_property
    def metrics(self) -> Metrics:
        """Counts what happens through this connection, where Airflow's metrics are switched on."""
        from airflow_provider_assets.metrics import Metrics  # parsing a DAG must not pay for it

        return Metrics(self.vendor)

    def _poll(self, jobs: Sequence[ArchiveJob]) -> Flow[list[Answer]]:
        """Poll, and once more where the connection is refused and its key has been replaced meanwhile."""
        try:
            answers = yield from self.metrics.counting(self.vendor.poll)(jobs)
        except AuthenticationError:
            if not self._is_replaced():
                raise
        else:
            is_refused = any(isinstance(answer, AuthenticationError) for answer in answers)
            if not is_refused or not self._is_replaced():
                return answers
        return (yield from self.metrics.counting(self.vendor.poll)(jobs))

    def _is_replaced(self) -> bool:
        """Whether the connection was changed since it was read; if so, the new one is used from now on."""
        try:
            connection = to_connection(self.get_connection(self.conn_id), self.conn_id)
            if connection == self.connection:
                return False
            vendor_for(connection)  # raises what the vendor and the limit of now would
            rate_limit(connection)
        except Exception as error:  # noqa: BLE001  # whatever it is, the refusal is what must be raised
            self.log.warning("%s", of_no_use(self.conn_id, error))
            return False
        self.log.info("Connection %s was refused, and has been changed since", self.conn_id)
        for name in ("vendor", "metrics"):
            vars(self).pop(name, None)
        self.connection = connection
        self.transport.rate = rate_limit(connection, self.metrics.rate_limited)
        return True

    @cached_property
    def plans(self) -> Plans:
        """Reads and writes the items of batches that references do not hold."""
        from airflow_provider_assets.plans import Plans

        return Plans()

    def get_conn(self) -> Vendor:
        """The vendor; Airflow's usual name for what a hook connects to."""
        return self.vendor

    def run(self, flow: Flow[T]) -> T:
        """Perform *flow*.

        :raises AssetsError: of the class that says what to do about it.
        """
        return self.transport.run(flow)

    def list_items(
        self, select: Mapping[str, JSON] | None = None, *, window: Window | None = None
    ) -> Iterator[tuple[Item, Record]]:
        """Each item of the vendor's listing with the vendor's record of it, as the pages are read.

        Only what can be exported now is listed: finished items that match *select* and lie in *window*. URLs
        in a record have lost their signatures. ROMA Connect describes no items: their records hold
        at most the time of the last change.

        :param select: the vendor's listing filters; by default none.
        :param window: span of time, ``Window(start, end)``; by default all there is.
        :raises AssetsError: as an export of the same selection would.
        """
        query = require_mapping({} if select is None else select, "select")
        if not isinstance(window, (Window, type(None))):
            raise InvalidRequestError(
                f"window must be a sansio.window.Window(start, end), not {shown(window)}"
            )
        check_names(query, self.vendor.spec.filters, "select")
        page: dict[Item, Record] = {}
        selecting = self.vendor.select(query, window, on_record=page.__setitem__)
        told: set[Item] = set()
        for selected in self.transport.steps(selecting):
            # At the end come those of a vendor that describes no items.
            for item in (*page, *(selected.items if selected else ())):
                if item not in told:
                    told.add(item)
                    yield item, page.get(item, {})
            page.clear()

    def slices(
        self, query: Mapping[str, JSON], window: Window | None, *, on_record: OnRecord = ignore
    ) -> Iterator[Slice]:
        """The vendor's listing of *window*; a long one comes in slices that are listed in parallel.

        See :class:`~.slices.Slices`; the slices come in no order.
        """
        from airflow_provider_assets.hooks.slices import Slices

        return Slices(self.vendor, self.transport, query, on_record).read(window)

    # --- the calls of an export --------------------------------------------------------------

    def submit(self, request: ArchiveRequest, *, patience: float = inf) -> ArchiveJob:
        """Start a job, once; waits for another job where the vendor takes one at a time.

        :param patience: seconds to wait for the other job at most; never more than half an hour.
        :raises BusyError: if that takes longer.
        """
        whole, _ = self.plans.load(request)
        return self.run(
            submit_when_free(
                lambda: self.vendor.submit(whole),
                clock=time.time,
                patience=patience,
                on_busy=lambda error: self.log.info("Waiting for another export: %s", error),
            )
        )

    def find(self, request: ArchiveRequest, since: float) -> ArchiveJob | None:
        """The job that an earlier, unrecorded submit of *request* may have started."""
        whole, _ = self.plans.load(request)
        return self.run(self.vendor.find(whole, since))

    def job_url(self, job: ArchiveJob) -> str:
        """The address at which the vendor shows *job*, for a link; empty if it has none."""
        return self.run(self.vendor.job_url(job))

    def poll(self, jobs: Sequence[ArchiveJob]) -> list[ArchiveJob]:
        """The present state of *jobs*, in their order.

        :raises AssetsError: if the state of one of them could not be fetched.
        """
        return [_known(answer) for answer in self.run(self._poll(jobs))]

    def poll_or_last_known(
        self, jobs: Sequence[ArchiveJob], *, then_wait: bool = True
    ) -> list[ArchiveJob]:
        """*jobs* as they are now, or as they were when last seen if the vendor does not say.

        Called once before a wait: an outage must not fail the attempt, because the wait tolerates it.

        :param then_wait: whether a wait follows. It ends a job that has a permanent error of its own,
            and no other; where no wait follows, that error is raised.
        :raises AssetsError: if it is permanent and concerns all jobs.
        """
        try:
            answers = self.run(self._poll(jobs))
        except PASSING as error:
            answers = [error] * len(jobs)
        seen = []
        for job, answer in zip(jobs, answers, strict=True):
            if isinstance(answer, PASSING) or (then_wait and isinstance(answer, AssetsError)):
                self.log.warning("%s job %s: %s", job.vendor, job.job_id, answer)
                seen.append(job)
            else:
                seen.append(_known(answer))
        return seen

    def wait(
        self,
        jobs: Sequence[ArchiveJob],
        *,
        deadline: float,
        poll_interval: float | None = None,
        on_change: Callable[[ArchiveJob], None] = lambda job: None,
    ) -> list[Answer]:
        """Wait for *jobs* to end or for *deadline* (epoch seconds); the ends, in their order.

        A connection whose key has been replaced meanwhile is read again when the old one is refused.
        """
        waitlist = Waitlist(
            self._poll,
            policy=poll_policy(self.vendor, poll_interval),
            clock=time.time,
            jitter=random.random,
        )
        with self.metrics.waiting(len(jobs)):
            return self.run(
                wait_for(jobs, waitlist=waitlist, deadline=deadline, on_change=on_change)
            )

    def files(
        self, reference: ArchiveReference, *, target_format: str | None = None
    ) -> list[ArchiveFile]:
        """The downloadable files of a finished archive."""
        whole, _ = self.plans.load(reference.request)
        whole_reference = replace(reference, request=whole)
        return self.run(self.vendor.files(whole_reference, target_format=target_format))

    def link(
        self,
        reference: ArchiveReference,
        file: ArchiveFile,
        *,
        target_format: str | None = None,
        mask: bool = True,
    ) -> Link:
        """A link to download *file* now. Never log or store it.

        :param mask: let Airflow mask its signature in this process's logs. Airflow compiles all masks
            again for each new one, so hundreds of them cost minutes: pass False for many files.
        """
        link = self.run(self.vendor.link(reference, file, target_format=target_format))
        return mask_link(link) if mask else link

    def test_connection(self) -> tuple[bool, str]:
        """Verify the credentials by a free request.

        A refusal names the vendor and no connection id, since Airflow tests under an id that it makes up.
        """
        try:
            return True, self.run(self.vendor.check())
        except AssetsError as error:
            this = f"this {self.hook_name} connection"
            told = error.message.replace(f"connection {self.conn_id!r}", this)
            return False, f"{type(error).__name__}: {told}"

    # --- the connection form below Airflow 3.2, which reads provider info instead -------------

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Hidden and renamed fields."""
        form = vendor_class(cls.conn_type).spec.form
        return {
            "hidden_fields": list(form.hidden),
            "relabeling": dict(form.relabeling),
            "placeholders": dict(form.placeholders),
        }

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Fields of the connection's extra."""
        from flask_babel import lazy_gettext  # the web server's, below 3.2
        from wtforms import StringField

        fields = {**vendor_class(cls.conn_type).spec.form.fields, **COMMON_FIELDS}
        return {name: StringField(lazy_gettext(str(f["label"]))) for name, f in fields.items()}


def _known(answer: Answer) -> ArchiveJob:
    if isinstance(answer, AssetsError):
        raise answer
    return answer
