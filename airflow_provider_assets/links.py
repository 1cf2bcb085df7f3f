"""The links that Airflow shows on a task while it is running, deferred, and after it has ended.

They lead to pages that ask for a login of their own: never to a signed URL.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator, BaseOperatorLink

from airflow_provider_assets.sansio.errors import AssetsError
from airflow_provider_assets.sansio.jobs import ArchiveJob, JobState

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import TaskInstanceKey

    from airflow_provider_assets.hooks.base import AssetArchiveHook

SHOWN = "_shown_links"


class ShownLink(BaseOperatorLink):
    """A link whose address is known once the task runs; :func:`show_link` shows it."""

    name: ClassVar[str]

    @property
    def xcom_key(self) -> str:
        """The XCom in which Airflow looks the address up."""
        return f"link_{self.name.lower().replace(' ', '_')}"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """The address; empty, so that Airflow shows no link, if there is none yet."""
        shown: Mapping[str, str] = getattr(operator, SHOWN, {})
        return shown.get(self.name, "")


class VendorJobLink(ShownLink):
    """The vendor's answer about the job that the task waits for."""

    name = "Vendor job"


class DestinationLink(ShownLink):
    """The folder in which the archive lands."""

    name = "Destination"


class ManifestLink(ShownLink):
    """The list of what has landed."""

    name = "Manifest"


class ReportLink(ShownLink):
    """The report of the run, or of a comparison."""

    name = "Report"


def show_link(
    operator: BaseOperator, context: Context, link: type[ShownLink], address: str
) -> None:
    """Show *address* from now on. A link that cannot be shown does not fail the task.

    Airflow itself stores links only when a task has ended, which is too late for one that is deferred.
    """
    shown: dict[str, str] = {**getattr(operator, SHOWN, {}), link.name: address}
    setattr(operator, SHOWN, shown)
    if not address:
        return
    instance: Any = context["ti"]
    try:
        instance.xcom_push(key=link().xcom_key, value=address)
    except Exception as error:  # noqa: BLE001  # nothing depends on a link
        operator.log.warning("The link %r cannot be shown yet: %s", link.name, error)


def show_vendor_job(
    operator: BaseOperator, context: Context, hook: AssetArchiveHook, jobs: Sequence[ArchiveJob]
) -> None:
    """Link to the first of *jobs* that has not succeeded, as far as is known."""
    job = next((one for one in jobs if one.state is not JobState.SUCCEEDED), jobs[0])
    try:
        show_link(operator, context, VendorJobLink, hook.job_url(job))
    except AssetsError as error:  # some vendors are asked for a part of the address
        operator.log.warning("The link to job %s cannot be shown: %s", job.job_id, error)
