"""OpenLineage's view of an export: what was read from the vendor, and what was written to the store.

Only OpenLineage's listener asks for it, so this module may import what belongs to its provider. Our own
facets are described by ``docs/openlineage-facets.json``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast
from urllib.parse import unquote, urlsplit

import attr
from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    RunFacet,
    external_query_run,
    output_statistics_output_dataset,
)

from airflow_provider_assets.sansio.jobs import ArchiveJob, ArchiveRequest, Data
from airflow_provider_assets.vendors.base import Vendor

FACET = "assetArchive"  # the name of our facets in an event
MAX_JOBS = 100  # jobs that an event lists; a run may have thousands
_SCHEMA = (
    "https://github.com/airflow-provider-assets/airflow-provider-assets/blob/main/docs/"
    "openlineage-facets.json#/$defs/"
)
Batch = tuple[ArchiveRequest, ArchiveJob | None]


@attr.define
class ExportRunFacet(RunFacet):
    """The export that a task took part in.

    :param jobs: per batch the id and the state of the vendor's job, for at most :data:`MAX_JOBS` batches.
    """

    vendor: str
    connection: str
    items: int
    batches: int
    jobs: list[dict[str, object]]

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMA}ExportRunFacet"


@attr.define
class SelectionDatasetFacet(DatasetFacet):
    """The selection from the vendor.

    :param window: ISO bounds of the half-open span; None if items were named, or all were exported.
    """

    vendor: str
    connection: str
    window: list[str] | None
    items: int

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMA}SelectionDatasetFacet"


@attr.define
class LandingDatasetFacet(DatasetFacet):
    """The data that landed, as its manifest says.

    :param skipped: whether it was there already, so that this task moved no byte.
    """

    vendor: str
    jobId: str  # noqa: N815  # as all names in OpenLineage
    window: list[str] | None
    items: int
    sha256: str | None
    crc32: str | None
    verified: list[str]
    manifestUri: str  # noqa: N815  # likewise
    skipped: bool

    @staticmethod
    def _get_schema() -> str:
        return f"{_SCHEMA}LandingDatasetFacet"


def lineage_of(
    vendor: Vendor | None, conn_id: str, batches: Sequence[Batch], landed: Sequence[Data] = ()
) -> OperatorLineage:
    """The lineage of a task that exported or landed *batches*.

    :param vendor: None if the task failed before it had read its connection, and nothing is known.
    :param landed: what the landing returns for each archive that has landed.
    """
    if vendor is None or not batches:
        return OperatorLineage()
    outputs = [output for result in landed for output in _outputs(result)]
    return OperatorLineage(
        inputs=_inputs(vendor, conn_id, batches),
        outputs=outputs,
        run_facets=_run_facets(vendor, conn_id, batches),
    )


def _origin(vendor: Vendor) -> str:
    """The namespace of the vendor's data: scheme and host of its API."""
    address = urlsplit(vendor.base_url)
    return f"{address.scheme}://{address.netloc}"


def _selection(request: ArchiveRequest) -> str:
    """The name of what was selected: vendor, and window and query as in the names of what lands."""
    stem = replace(request, of=1).stem
    return f"{request.vendor}/{stem.removeprefix(f'{request.vendor}-')}"


def _inputs(vendor: Vendor, conn_id: str, batches: Sequence[Batch]) -> list[InputDataset]:
    selections: dict[str, SelectionDatasetFacet] = {}
    for request, _ in batches:
        facet = selections.setdefault(
            _selection(request),
            SelectionDatasetFacet(request.vendor, conn_id, _listed(request.window), 0),
        )
        facet.items += request.count
    return [
        InputDataset(namespace=_origin(vendor), name=name, facets={FACET: facet})
        for name, facet in selections.items()
    ]


def _run_facets(vendor: Vendor, conn_id: str, batches: Sequence[Batch]) -> dict[str, RunFacet]:
    jobs: list[dict[str, object]] = [
        {
            "batch": request.index + 1,
            "items": request.count,
            "jobId": job.job_id if job else None,
            "state": job.state.value if job else None,
        }
        for request, job in batches[:MAX_JOBS]
    ]
    items = sum(request.count for request, _ in batches)
    facets: dict[str, RunFacet] = {
        FACET: ExportRunFacet(vendor.spec.name, conn_id, items, len(batches), jobs)
    }
    (_, job), *others = batches
    if job and not others:
        facets["externalQuery"] = external_query_run.ExternalQueryRunFacet(
            externalQueryId=job.job_id, source=_origin(vendor)
        )
    return facets


def _outputs(result: Data) -> list[OutputDataset]:
    """The data of a landing and, if it has any, its metadata."""
    facts = cast("Data", result["facts"])
    facet = LandingDatasetFacet(
        vendor=str(facts["vendor"]),
        jobId=str(facts["job_id"]),
        window=cast("list[str] | None", facts["window"]),
        items=cast("int", facts["items"]),
        sha256=cast("str | None", result["sha256"]),
        crc32=cast("str | None", result["crc32"]),
        verified=cast("list[str]", result["verified"]),
        manifestUri=str(result["manifest_uri"]),
        skipped=bool(result["skipped"]),
    )
    data = _dataset(str(result["uri"]), rows=result["entries"], size=result["bytes"])
    data.facets = {FACET: facet}
    if "metadata_uri" not in result:
        return [data]
    return [data, _dataset(str(result["metadata_uri"]), rows=result["metadata_rows"])]


def _dataset(uri: str, *, rows: object, size: object = None) -> OutputDataset:
    namespace, name = dataset_name(uri)
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=cast("int", rows), size=cast("int | None", size)
    )
    return OutputDataset(
        namespace=namespace, name=name, outputFacets={"outputStatistics": statistics}
    )


def dataset_name(uri: str) -> tuple[str, str]:
    """Namespace and name of a stored object, by the conventions of OpenLineage.

    ``s3://bucket/a/b`` is ``("s3://bucket", "a/b")``, and ``file:///a/b`` is ``("file", "/a/b")``. See
    https://openlineage.io/docs/spec/naming.
    """
    scheme, _, rest = uri.partition("://")
    authority, _, path = rest.partition("/")
    if scheme == "file":
        return "file", unquote(f"/{path}").rstrip("/")
    return f"{scheme}://{authority}", path.rstrip("/") or "/"


def _listed(window: tuple[str, str] | None) -> list[str] | None:
    return list(window) if window else None
